"""From a delivery to its fate, and from the fate to its effects, in an order that survives a crash.

Effects: dead-letter queue (a failure) ─► ledger (`pipeline.outcome`) ─► `worker.closing`: final
job (the last page) ─► delete.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog
from cachetools import TTLCache, cachedmethod

from pipeline.completion import CLAIM_SECONDS
from pipeline.dead_letters import DeadLetters, letter_attributes
from pipeline.errors import BadMessage, PermanentError, TransientError
from pipeline.ledger import Ledger
from pipeline.message import Message, parse_message
from pipeline.outbox import Outbox
from pipeline.outcome import record_outcome
from pipeline.run import Page, PageState, Plan, Run, RunState, TiledPage
from worker.closing import Ends, Settled
from worker.fate import Again, Done, Dropped, Failed, Fate, Known, Waiting
from worker.inbox import Delivery
from worker.processes import Tiler
from worker.settings import FIRST_BACKOFF_SECONDS
from worker.work import PageWork

MAX_ATTEMPTS = 5
"""Of any kind, also those cut off by a stop; the queue's own redrive comes after these."""
MAX_REASON_CHARACTERS = 1_000
MAX_KNOWN_RUNS = 64
CANCELLED = "the run is cancelled"
BUILD_SECONDS = 3_600
"""A replayed page waits so long for its run's build; one that takes longer was given up."""
RUN_SECONDS = 15
"""So long a run's row is taken for what it was: a cancelled run's pages are begun until then."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Delays:
    """For how long messages are given back, in seconds."""

    first_backoff: int = FIRST_BACKOFF_SECONDS
    claim: int = CLAIM_SECONDS

    def backoff(self, attempt: int) -> int:
        """Return the delay after an attempt, counted from 1."""
        return self.first_backoff << (attempt - 1)

    @property
    def longest(self) -> int:
        """Return the longest delay; slots wait that long for what is hidden."""
        return max(self.claim, self.backoff(MAX_ATTEMPTS - 1))


NORMAL_DELAYS = Delays()


class Desk:
    """Works on deliveries, for the slots of one worker."""

    def __init__(
        self,
        ledger: Ledger,
        outbox: Outbox,
        dead_letters: DeadLetters,
        ends: Ends,
        *,
        delays: Delays = NORMAL_DELAYS,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger = ledger
        self._outbox = outbox
        self._dead_letters = dead_letters
        self._ends = ends
        self._delays = delays
        self._runs: TTLCache[str, tuple[Run, Plan]] = TTLCache(MAX_KNOWN_RUNS, RUN_SECONDS, timer)
        self._lock = threading.Lock()

    def read(self, delivery: Delivery) -> Message | None:
        """Return a delivery's message; one that cannot be understood goes to the dead letters."""
        try:
            message = parse_message(delivery.body)
            self._run(message.run_id)
        except BadMessage as error:
            log.warning("message_refused", reason=str(error))
            self._dead_letters.bury(delivery.body, {"reason": str(error)}, delivery.group)
            delivery.complete()
            return None
        return message

    def attempt(self, message: Message, attempt: int, tiler: Tiler) -> Fate:
        """Tile a message's page, unless its outcome is known or nobody wants it any more."""
        try:
            return self._attempt(message, self._load_row(message), attempt, tiler)
        except PermanentError as error:
            return Failed(str(error))
        except TransientError as error:
            return Again(str(error))
        except Exception as error:
            log.exception("attempt_broke")
            return Again(f"{type(error).__name__}: {error}")

    def _attempt(self, message: Message, row: Page, attempt: int, tiler: Tiler) -> Fate:
        if self._is_cancelled(message.run_id):
            return Dropped(CANCELLED, row)
        if row.state is PageState.FAILED and message.replays > row.message.replays:
            return self._take_up(message, row, attempt, tiler)
        if row.state is PageState.DONE or message.replays > 0:
            # Its run had ended, so another may have taken the item, until a moment ago.
            later = self._later_run(message)
            if later is not None:
                return Failed(_superseded(later)) if row.state is PageState.QUEUED else Known()
        return _foreseen(row, attempt) or self._tile(message, row, tiler)

    def _take_up(self, message: Message, row: Page, attempt: int, tiler: Tiler) -> Fate:
        """Attempt a replayed page, its run reopened."""
        later = self._later_run(message)
        if later is not None:
            return Dropped(_superseded(later), row)
        page = Page(message, parts=row.parts)
        if not self._reopen(page):
            if self._is_stuck(message.run_id):
                return Dropped("its run's manifests cannot be built", row)
            return Waiting("a replayed page waits until its run can be reopened")
        return self._attempt(message, page, attempt, tiler)

    def settle(self, delivery: Delivery, message: Message, fate: Fate) -> None:
        """Carry out a fate. Every step may run twice."""
        match fate:
            case Again(reason) if delivery.attempt < MAX_ATTEMPTS:
                seconds = self._delays.backoff(delivery.attempt)
                log.warning("page_again", reason=reason, seconds=seconds)
                delivery.release(seconds)
                return
            case Waiting(reason):
                # Deliveries of this message would count as attempts, those of a copy are its own.
                log.info("page_waits", reason=reason, seconds=self._delays.claim)
                self._outbox.postpone(message, self._delays.claim)
                delivery.complete()
                return
            case Again(reason):
                self._fail(delivery, message, f"{reason} (after {delivery.attempt} attempts)")
            case Failed(reason):
                self._fail(delivery, message, reason)
            case Done(tiled):
                self._finish(delivery, message, tiled)
            case Known():
                log.info("page_known")
            case Dropped(reason, row):
                self._drop(delivery, message, reason, row)
        self._ends.add(Settled(delivery, message.run_id, Page(message).shard))

    @cachedmethod(lambda self: self._runs, lock=lambda self: self._lock)
    def _run(self, run_id: str) -> tuple[Run, Plan]:
        """Return a run as it was a moment ago, and its plan, which never changes."""
        run = self._ledger.load_run(run_id)
        if run is None or run.plan is None:
            raise BadMessage(f"the ledger knows no run {run_id!r}")
        return run, run.plan

    def _load_row(self, message: Message) -> Page:
        row = self._ledger.load_page(Page(message))
        if row is None:
            raise BadMessage("the ledger knows no such page")
        return row

    def _is_cancelled(self, run_id: str) -> bool:
        run, _ = self._run(run_id)
        return run.state is RunState.CANCELLED and self._is_cancelled_now(run_id)

    def _is_cancelled_now(self, run_id: str) -> bool:
        """Look again: what is dropped of a run that was taken up meanwhile would be lost."""
        run = self._ledger.load_run(run_id)
        return run is not None and run.state is RunState.CANCELLED

    def _later_run(self, message: Message) -> str | None:
        """Return the run that a replayed page's item belongs to by now; None if to its own."""
        _, plan = self._run(message.run_id)
        items = [message.item]
        owner = self._ledger.owners(plan.export, items).get(message.item)
        if owner is None:
            # Nobody's, since a run that had to wait has let it go.
            owner = min(self._ledger.take_items(message.run_id, plan.export, items), default=None)
        return None if owner == message.run_id else owner

    def _reopen(self, page: Page) -> bool:
        """Queue a replayed page again, its run reopened; tell whether that can be done now."""
        ended = [RunState.DONE_WITH_FAILURES]
        return self._ledger.requeue(page) or self._ledger.reopen(
            page.message.run_id, ended, trickles=True, requeued=page
        )

    def _is_stuck(self, run_id: str) -> bool:
        """Tell whether a run has been building for so long that nothing more may come of it."""
        run = self._ledger.load_run(run_id)
        return (
            run is not None
            and run.state is RunState.BUILDING
            and run.claimed_at is not None
            and run.claimed_at < time.time() - BUILD_SECONDS
        )

    def _tile(self, message: Message, row: Page, tiler: Tiler) -> Fate:
        # A page that is done costs a look at its receipt: a second worker may have died while
        # it wrote the same page again.
        _, plan = self._run(message.run_id)
        try:
            return _judge(row, tiler.tile(PageWork(message, plan)))
        except TransientError:
            # Stopped, perhaps, because its run was cancelled.
            if self._is_cancelled_now(message.run_id):
                return Dropped(CANCELLED, row)
            raise

    def _drop(self, delivery: Delivery, message: Message, reason: str, row: Page) -> None:
        log.info("page_dropped", reason=reason)
        if row.state is PageState.FAILED and message.replays > row.message.replays:
            # Still a failure, and to be found where all are.
            self._bury(delivery, message, row.reason or reason, row.attempts)

    def _finish(self, delivery: Delivery, message: Message, tiled: TiledPage) -> None:
        first = self._record(delivery, Page(message, PageState.DONE, tiled))
        log.info(
            "page_done",
            first=first,
            width=tiled.width,
            height=tiled.height,
            tiles=tiled.tiles,
            reused=tiled.reused,
            seconds=round(tiled.seconds, 3),
        )

    def _fail(self, delivery: Delivery, message: Message, reason: str) -> None:
        reason = reason[:MAX_REASON_CHARACTERS]
        replayed = replace(message, replays=message.replays + 1)
        self._bury(delivery, replayed, reason, delivery.attempt)
        first = self._record(delivery, Page(message, PageState.FAILED, reason=reason))
        log.warning("page_failed", first=first, reason=reason)

    def _record(self, delivery: Delivery, page: Page) -> bool:
        outcome = replace(page, attempts=delivery.attempt, ended_at=int(time.time()))
        return record_outcome(outcome, self._ledger, self._outbox)

    def _bury(self, delivery: Delivery, message: Message, reason: str, attempts: int) -> None:
        self._dead_letters.bury(
            message.to_json(), letter_attributes(message, reason, attempts), delivery.group
        )


def _superseded(later: str) -> str:
    return f"its item belongs to a later run, {later}"


def _foreseen(row: Page, attempt: int) -> Fate | None:
    """Return the fate of a page that needs no further attempt."""
    if row.state is PageState.FAILED:
        return Known()
    if attempt > MAX_ATTEMPTS and row.state is PageState.QUEUED:
        return Failed(f"given up: {attempt - 1} attempts ended without a result")
    return None


def _judge(row: Page, tiled: TiledPage) -> Fate:
    """Return the fate of a tiled page, whose row was read before."""
    if row.state is PageState.DONE:
        return Known()
    if row.parts not in {1, tiled.parts}:
        return Failed(
            f"the file was replaced while the run was at work: it had {row.parts:,} images,"
            f" it has {tiled.parts:,} now; run the task again"
        )
    return Done(tiled)
