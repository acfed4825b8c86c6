"""The loop of one slot: have a process, take a message, keep its lease, attempt, settle."""

import threading
import time
from dataclasses import dataclass, field
from typing import Protocol

import structlog
from structlog.contextvars import bound_contextvars

from pipeline.message import Message
from pipeline.outbox import Depth
from worker.closing import Ends
from worker.desk import MAX_ATTEMPTS, Desk
from worker.fate import Again
from worker.heartbeat import Heartbeat, Lease, now
from worker.inbox import Delivery, Inbox
from worker.processes import Tiler
from worker.recall import Recall

WAIT_SECONDS = 5
"""One long poll; it bounds how long a stop may take."""
FIRST_RETURN_SECONDS = 30
"""For so long a message is given back when serving it broke, twice as long at each further
delivery, but not longer than slots wait for it: an outage of the ledger should not use up a page's
attempts."""
EMPTY = Depth(0, 0)

log = structlog.get_logger()


@dataclass
class Patience:
    """Decides when the queue has stayed empty long enough to leave; shared by all slots.

    A message in another worker's hand comes back within one lease if that worker dies, one given
    back for later when its time has come: after `hidden_seconds` at most. While there are such
    messages, somebody must stay until nothing has moved for that long.
    """

    idle_seconds: int
    lease_seconds: int
    hidden_seconds: int
    last_seen: float = field(default_factory=time.monotonic)
    last_moved: float = field(default_factory=time.monotonic)
    depth: Depth = EMPTY

    def renew(self) -> None:
        """Note that there was a message."""
        self.last_seen = time.monotonic()

    def is_over(self, inbox: Inbox) -> bool:
        """Tell whether a slot that found nothing may leave."""
        now, depth = time.monotonic(), inbox.depth()
        if depth != self.depth:
            self.last_moved, self.depth = now, depth
        if now - self.last_seen < self.idle_seconds:
            return False
        still = now - max(self.last_seen, self.last_moved)
        return depth == EMPTY or still >= self.idle_seconds + self.hidden_seconds


class Hands(Tiler, Protocol):
    """What a slot asks of its tiling process."""

    def prepare(self) -> None:
        """Be ready for a page; raises where nothing can be tiled here."""

    def revoke(self) -> None:
        """Stop the page under way, without waiting."""

    def close(self) -> None:
        """End."""


@dataclass(frozen=True, slots=True)
class Relay:
    """Has a slot begin when another has served its first page.

    So a small run is spread over all workers' cores before any of them takes pages to come.
    """

    before: threading.Event | None = None
    after: threading.Event = field(default_factory=threading.Event)

    def await_(self) -> None:
        """Wait until the slot before has served a page, or has ended."""
        if self.before is not None:
            self.before.wait()

    def pass_on(self) -> None:
        """Have the slot after begin."""
        self.after.set()


@dataclass(frozen=True, slots=True)
class Slot:
    """One place for a message in hand; a worker has as many as tiling processes."""

    inbox: Inbox
    desk: Desk
    hands: Hands
    heartbeat: Heartbeat
    recall: Recall
    ends: Ends
    patience: Patience
    stop: threading.Event
    retired: threading.Event = field(default_factory=threading.Event)
    """Set where no more messages are to be taken; what is in hand is finished in peace."""
    relay: Relay = field(default_factory=Relay)

    def run(self) -> None:
        """Serve messages until a stop, a retirement, or until the queue has stayed empty."""
        self.relay.await_()
        wait_seconds = max(1, min(WAIT_SECONDS, self.patience.idle_seconds))
        try:
            while not (self.stop.is_set() or self.retired.is_set()):
                self.hands.prepare()
                asked_at = now()
                delivery = self.inbox.receive(wait_seconds)
                if delivery is None:
                    self.ends.hurry()
                    if self.patience.is_over(self.inbox):
                        return
                elif self.stop.is_set():
                    delivery.release(0)
                else:
                    self.patience.renew()
                    self._serve(delivery, asked_at)
                    self.patience.renew()
                    self.relay.pass_on()
        finally:
            self.relay.pass_on()
            self.hands.close()

    def _serve(self, delivery: Delivery, asked_at: float) -> None:
        with self.heartbeat.hold(delivery, asked_at, self.hands.revoke) as lease:
            try:
                message = None if lease.lost else self.desk.read(lease)
                if message is None:
                    return
                with bound_contextvars(
                    run=message.run_id, item=message.item, page=message.page, part=message.part
                ):
                    self._work(lease, message)
            except Exception:  # whatever was not recorded is done again
                log.exception("serving_broke")
                self._give_back(lease)

    def _work(self, lease: Lease, message: Message) -> None:
        with self.recall.watch(message.run_id, self.hands.revoke):
            fate = self.desk.attempt(message, lease.attempt, self.hands)
        if lease.lost:
            log.warning("outcome_dropped")
        elif self.stop.is_set() and isinstance(fate, Again):
            lease.release(0)
        else:
            lease.hand_over()
            self.desk.settle(lease, message, fate)

    def _give_back(self, lease: Lease) -> None:
        if not lease.lost:
            try:
                seconds = FIRST_RETURN_SECONDS << (min(lease.attempt, MAX_ATTEMPTS) - 1)
                most = 0 if self.stop.is_set() else self.patience.hidden_seconds
                lease.release(min(seconds, most))
            except Exception:  # it comes back by itself, after its lease
                log.exception("release_broke")
