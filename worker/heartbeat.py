"""Keeping the leases of all messages in hand: one thread for the worker, one call for many.

A lease that cannot be renewed runs out by the worker's own clock, which is never behind the
queue's: it counts from before the message was asked for. So whoever has lost a message knows it
before another gets it.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from worker.beside import Beside
from worker.inbox import MAX_RENEWALS, Delivery, Inbox, Renewal

BEATS_PER_LEASE = 3
TRIES_PER_BEAT = 4
"""How often a beat that failed is tried again before the next would come."""
CALLS_PER_LEASE = 12
"""A call gets so small a part of the lease for its connection, and as much for its answer."""
CALL_LEAST_SECONDS = 1
CLOCK: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Where there is one, a clock that goes on while the machine sleeps, as the queue's does."""

log = structlog.get_logger()


def now() -> float:
    """Return seconds of the clock by which leases run out."""
    return time.clock_gettime(CLOCK)


class Lease:
    """A message in hand: a delivery that is kept until it is completed, released, or lost."""

    def __init__(
        self, delivery: Delivery, runs_out: float, on_lost: Callable[[], None], end: "LeaseEnd"
    ) -> None:
        self.delivery = delivery
        self.runs_out = runs_out
        self.refused = False
        self.on_lost = on_lost
        self.handed_over = False
        self._end = end

    @property
    def lost(self) -> bool:
        """Tell whether the message belongs, or may belong, to somebody else by now."""
        return self.refused or now() >= self.runs_out

    @property
    def body(self) -> str:
        return self.delivery.body

    @property
    def attempt(self) -> int:
        return self.delivery.attempt

    @property
    def group(self) -> str:
        return self.delivery.group

    @property
    def receipt(self) -> str:
        return self.delivery.receipt

    def hand_over(self) -> None:
        """Keep the message until it is completed or released: nothing is under way any more."""
        self.on_lost = _ignore
        self.handed_over = True

    def complete(self) -> None:
        self._end(self)
        self.delivery.complete()

    def release(self, seconds: int) -> None:
        # A beat after it would take the message back.
        self._end(self)
        self.delivery.release(seconds)


def _ignore() -> None:
    """Take a loss for what it is: the message comes back, and its outcome is known."""


LeaseEnd = Callable[[Lease], None]


class Heartbeat(Beside):
    """Renews the leases of all messages in hand, at a third of their length."""

    def __init__(self, inbox: Inbox, lease_seconds: float) -> None:
        super().__init__("heartbeat")
        self._inbox = inbox
        self._lease_seconds = lease_seconds
        self._beat_seconds = lease_seconds / BEATS_PER_LEASE
        self._held: list[Lease] = []
        self._lock = threading.Lock()

    @contextmanager
    def hold(
        self, delivery: Delivery, asked_at: float, on_lost: Callable[[], None]
    ) -> Iterator[Lease]:
        """Keep a message that was asked for at a time of `now`, until the block is left.

        One that was handed over is kept until it is ended.
        `on_lost` is called at once when the lease is found lost; it must not wait for anything.
        """
        lease = Lease(delivery, asked_at + self._lease_seconds, on_lost, self.let_go)
        with self._lock:
            self._held.append(lease)
            if now() - asked_at > self._beat_seconds:
                # The answer took so long that nobody knows how old the lease is.
                self._renew([lease])
        try:
            yield lease
        finally:
            if not lease.handed_over:
                self.let_go(lease)

    def in_hand(self) -> int:
        """Return how many messages are kept."""
        with self._lock:
            return len(self._held)

    def beat(self) -> bool:
        """Renew all leases once; tell whether that went well for all that are not lost."""
        with self._lock:
            for lease in list(self._held):
                if lease.lost:
                    self._lose(lease)
            held = list(self._held)
            batches = [held[i : i + MAX_RENEWALS] for i in range(0, len(held), MAX_RENEWALS)]
            renewed = [self._renew(batch) for batch in batches]
        return all(renewed)

    def pause(self, *, renewed: bool) -> float:
        """Return the seconds until the next beat, after one that went well or not."""
        return self._beat_seconds if renewed else self._beat_seconds / TRIES_PER_BEAT

    def _run(self) -> None:
        renewed = True
        while not self._left.wait(self.pause(renewed=renewed)):
            renewed = self.beat()

    def _renew(self, leases: list[Lease]) -> bool:
        runs_out = now() + self._lease_seconds
        try:
            answers = self._inbox.renew([lease.receipt for lease in leases])
        except Exception:  # the next beat may succeed, and every lease runs out by itself
            log.exception("heartbeat_failed", messages=len(leases))
            return False
        for lease, answer in zip(leases, answers, strict=True):
            if answer is Renewal.DONE:
                lease.runs_out = runs_out
            elif answer is Renewal.LOST:
                self._lose(lease)
        failed = answers.count(Renewal.FAILED)
        if failed:
            log.warning("heartbeat_failed", messages=failed)
        return not failed

    def _lose(self, lease: Lease) -> None:
        lease.refused = True
        self._held.remove(lease)
        log.warning("lease_lost")
        lease.on_lost()

    def let_go(self, lease: Delivery) -> None:
        """Keep a message no longer."""
        with self._lock:
            self._held = [held for held in self._held if held is not lease]
