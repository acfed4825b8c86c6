"""The end of a settled page: a look whether it was its run's last, then its message is deleted.

Ten pages are ended by one call each of ledger and queue. Until then their leases are kept. Should
the worker die before, their messages come back, and their outcomes are known.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from pipeline.batch import Jobs
from pipeline.completion import CLAIM_SECONDS, Completion, complete_run
from pipeline.ledger import Ledger
from pipeline.outbox import MAX_BATCH_ENTRIES
from worker.beside import Beside
from worker.heartbeat import Heartbeat
from worker.inbox import Delivery

CLOSE_SECONDS = 10
"""The longest that a settled page waits for others."""
RETURN_SECONDS = 30
"""After so long a message comes back whose page could not be ended."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Settled:
    """A page whose outcome is recorded, and its message in hand."""

    delivery: Delivery
    run_id: str
    shard: int


class Deletes(Protocol):
    """What is asked of the queue."""

    def delete(self, deliveries: Sequence[Delivery]) -> None:
        """Delete messages in hand, at most MAX_BATCH_ENTRIES."""


@dataclass(frozen=True, slots=True)
class Closer:
    """Ends settled pages."""

    ledger: Ledger
    jobs: Jobs
    inbox: Deletes
    claim_seconds: int = CLAIM_SECONDS

    def close(self, pages: Sequence[Settled]) -> None:
        """Start the final jobs of the runs that are complete, and delete the messages."""
        by_run: dict[str, list[Settled]] = defaultdict(list)
        for page in pages:
            by_run[page.run_id].append(page)
        done: list[Settled] = []
        for run_id, settled in by_run.items():
            shards = {page.shard for page in settled}
            completion = complete_run(
                run_id, self.ledger, self.jobs, shards, claim_seconds=self.claim_seconds
            )
            if completion is Completion.CLAIMED:
                # Should the claimer die before it submits the job, this message brings us back.
                settled.pop().delivery.release(self.claim_seconds)
            done += settled
        if done:
            self.inbox.delete([page.delivery for page in done])


class Ends(Protocol):
    """Where settled pages go."""

    def add(self, page: Settled) -> None:
        """Have a settled page ended, soon."""

    def hurry(self) -> None:
        """Have all settled pages ended now: there may be no others."""


@dataclass(frozen=True, slots=True)
class AtOnce:
    """Ends each page by itself."""

    closer: Closer

    def add(self, page: Settled) -> None:
        self.closer.close([page])

    def hurry(self) -> None:
        """Do nothing: all are ended."""


class Closing(Beside):
    """Gathers settled pages of all slots, and ends them together: one thread for the worker.

    Where all messages in hand are settled, there is nothing to wait for.
    """

    def __init__(
        self,
        close: Callable[[Sequence[Settled]], None],
        heartbeat: Heartbeat,
        wait_seconds: float = CLOSE_SECONDS,
    ) -> None:
        super().__init__("closing")
        self._close = close
        self._heartbeat = heartbeat
        self._wait_seconds = wait_seconds
        self._pages: list[Settled] = []
        self._oldest = 0.0
        self._hurried = False
        self._changed = threading.Condition()

    def add(self, page: Settled) -> None:
        with self._changed:
            if not self._pages:
                self._oldest = time.monotonic()
            self._pages.append(page)
            self._changed.notify()

    def hurry(self) -> None:
        with self._changed:
            self._hurried = bool(self._pages)
            self._changed.notify()

    def _leave(self) -> None:
        super()._leave()
        with self._changed:
            self._changed.notify()

    def _run(self) -> None:
        while pages := self._await():
            for page in pages:
                self._heartbeat.let_go(page.delivery)
            try:
                self._close(pages)
            except Exception:  # whatever was not ended comes back
                log.exception("closing_broke", messages=len(pages))
                _give_back(pages)

    def _await(self) -> list[Settled]:
        """Return pages that are due, waiting for them; none at the end."""
        with self._changed:
            while not self._is_due() and not (self._left.is_set() and not self._pages):
                until = self._oldest + self._wait_seconds - time.monotonic()
                self._changed.wait(until if self._pages else None)
            due = self._pages[:MAX_BATCH_ENTRIES]
            del self._pages[:MAX_BATCH_ENTRIES]
            self._hurried = self._hurried and bool(self._pages)
            return due

    def _is_due(self) -> bool:
        count = len(self._pages)
        return count > 0 and (
            self._left.is_set()
            or self._hurried
            or count >= min(MAX_BATCH_ENTRIES, self._heartbeat.in_hand())
            or time.monotonic() >= self._oldest + self._wait_seconds
        )


def _give_back(pages: Sequence[Settled]) -> None:
    for page in pages:
        try:
            page.delivery.release(RETURN_SECONDS)
        except Exception:  # it comes back by itself, after its lease
            log.exception("release_broke")
