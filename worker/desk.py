"""From a delivery to its fate, and from the fate to its effects, in an order that survives a crash.

Effects: dead-letter queue (a failure) ─► ledger (`worker.outcome`) ─► final job (the last page) ─►
delete.
"""

from dataclasses import replace
from functools import lru_cache

import structlog

from pipeline.batch import Jobs
from pipeline.completion import CLAIM_SECONDS, Completion, complete_run
from pipeline.errors import BadMessage, PermanentError, TransientError
from pipeline.ledger import Ledger
from pipeline.message import Message, parse_message
from pipeline.outbox import Outbox
from pipeline.run import Page, PageState, Plan, TiledPage
from worker.fate import Again, Done, Failed, Fate, Known
from worker.inbox import Delivery
from worker.outcome import record_outcome
from worker.page import PageWork
from worker.processes import Tiler

MAX_ATTEMPTS = 5
"""Of any kind, also those cut off by a stop; the queue's own redrive comes after these."""
FIRST_BACKOFF_SECONDS = 5
MAX_HIDDEN_SECONDS = max(CLAIM_SECONDS, FIRST_BACKOFF_SECONDS * 2 ** (MAX_ATTEMPTS - 2))
"""The longest that a message is given back for later; slots wait that long for it."""
MAX_REASON_CHARACTERS = 1_000

log = structlog.get_logger()


class Desk:
    """Works on deliveries, for the slots of one worker."""

    def __init__(self, ledger: Ledger, outbox: Outbox, jobs: Jobs, tiler: Tiler) -> None:
        self._ledger = ledger
        self._outbox = outbox
        self._jobs = jobs
        self._tiler = tiler
        self._plan = lru_cache(maxsize=64)(self._load_plan)

    def read(self, delivery: Delivery) -> Message | None:
        """Return a delivery's message; one that cannot be understood goes to the dead letters."""
        try:
            message = parse_message(delivery.body)
            self._plan(message.run_id)
        except BadMessage as error:
            log.warning("message_refused", reason=str(error))
            delivery.bury(delivery.body, {"reason": str(error)})
            delivery.complete()
            return None
        return message

    def attempt(self, message: Message, attempt: int) -> Fate:
        """Tile a message's page, unless its outcome is known."""
        try:
            row = self._row(message)
            if row.state is PageState.FAILED:
                return Known()
            if attempt > MAX_ATTEMPTS and row.state is PageState.QUEUED:
                return Failed(f"given up: {attempt - 1} attempts ended without a result")
            # A page that is done costs a look at its receipt: a second worker may have died while
            # it wrote the same page again.
            tiled = self._tiler.tile(PageWork(message, self._plan(message.run_id)))
            return _judge(row, tiled)
        except PermanentError as error:
            return Failed(str(error))
        except TransientError as error:
            return Again(str(error))
        except Exception as error:
            log.exception("attempt_broke")
            return Again(f"{type(error).__name__}: {error}")

    def settle(self, delivery: Delivery, message: Message, fate: Fate) -> None:
        """Carry out a fate. Every step may run twice."""
        match fate:
            case Again(reason) if delivery.attempt < MAX_ATTEMPTS:
                seconds = FIRST_BACKOFF_SECONDS * 2 ** (delivery.attempt - 1)
                log.warning("page_again", reason=reason, seconds=seconds)
                delivery.release(seconds)
                return
            case Again(reason):
                self._fail(delivery, message, f"{reason} (after {delivery.attempt} attempts)")
            case Failed(reason):
                self._fail(delivery, message, reason)
            case Done(tiled):
                self._finish(message, tiled)
            case Known():
                log.info("page_known")
        page = Page(message)
        completion = complete_run(message.run_id, self._ledger, self._jobs, page.shard)
        if completion is Completion.CLAIMED:
            # Should the claimer die before it submits the job, this message brings us back.
            delivery.release(CLAIM_SECONDS)
        else:
            delivery.complete()

    def _load_plan(self, run_id: str) -> Plan:
        run = self._ledger.load_run(run_id)
        if run is None or run.plan is None:
            raise BadMessage(f"the ledger knows no run {run_id!r}")
        return run.plan

    def _row(self, message: Message) -> Page:
        """Return a message's page as the ledger has it, after reopening one that was replayed."""
        row = self._ledger.load_page(Page(message))
        if row is None:
            raise BadMessage("the ledger knows no such page")
        if row.state is PageState.FAILED and message.replays > row.message.replays:
            if not self._ledger.requeue(Page(message)):
                raise TransientError("a replayed page waits until its run can be reopened")
            return Page(message, parts=row.parts)
        return row

    def _finish(self, message: Message, tiled: TiledPage) -> None:
        first = record_outcome(Page(message, PageState.DONE, tiled), self._ledger, self._outbox)
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
        delivery.bury(
            replace(message, replays=message.replays + 1).to_json(),
            {
                "run": message.run_id,
                "item": message.item,
                "page": str(message.page),
                "part": str(message.part),
                "reason": reason,
                "attempts": str(delivery.attempt),
            },
        )
        first = record_outcome(
            Page(message, PageState.FAILED, reason=reason), self._ledger, self._outbox
        )
        log.warning("page_failed", first=first, reason=reason)


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
