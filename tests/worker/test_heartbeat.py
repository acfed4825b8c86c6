"""A lease is kept as long as the work lasts, and its loss is noticed."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from pipeline.errors import LostLease
from tests.fakes import MemoryDelivery, MemoryQueue
from worker.heartbeat import Heartbeat

LEASE_SECONDS = 1
PATIENCE_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Watched(MemoryDelivery):
    """A delivery that tells of every beat."""

    on_extend: Callable[[int], None] = lambda _seconds: None
    beats: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def extend(self, seconds: int) -> None:
        self.beats.release()
        self.on_extend(seconds)


def delivery(on_extend: Callable[[int], None] = lambda _seconds: None) -> Watched:
    return Watched(MemoryQueue(), "body", 1, "handle", "run-1", on_extend)


def test_beats_go_on_until_the_block_is_left() -> None:
    watched = delivery()
    with Heartbeat(watched, LEASE_SECONDS) as heartbeat:
        for _ in range(3):
            assert watched.beats.acquire(timeout=PATIENCE_SECONDS)
    assert not heartbeat.lost
    while watched.beats.acquire(blocking=False):
        pass
    assert not watched.beats.acquire(timeout=LEASE_SECONDS)


def test_a_lost_lease_is_noticed_and_not_renewed() -> None:
    def lose(_seconds: int) -> None:
        raise LostLease

    watched = delivery(lose)
    with Heartbeat(watched, LEASE_SECONDS) as heartbeat:
        assert watched.beats.acquire(timeout=PATIENCE_SECONDS)
        assert not watched.beats.acquire(timeout=LEASE_SECONDS)
        assert heartbeat.lost


def test_a_beat_that_fails_is_followed_by_another() -> None:
    def fail(_seconds: int) -> None:
        raise ConnectionError("network")

    watched = delivery(fail)
    with Heartbeat(watched, LEASE_SECONDS) as heartbeat:
        for _ in range(2):
            assert watched.beats.acquire(timeout=PATIENCE_SECONDS)
        assert not heartbeat.lost
