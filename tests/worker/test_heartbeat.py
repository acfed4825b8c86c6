"""Leases are kept as long as the work lasts, and their loss is noticed, each by itself."""

import math
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain

import pytest

from tests.fakes import MemoryDelivery, MemoryQueue
from worker.heartbeat import BEATS_PER_LEASE, Heartbeat, Lease, now
from worker.inbox import MAX_RENEWALS, Renewal

LEASE_SECONDS = 30
PATIENCE_SECONDS = 10


@dataclass
class Watched(MemoryQueue):
    """A queue that tells of every call for renewal, and answers as a test says."""

    calls: list[list[str]] = field(default_factory=list)
    called: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    script: Callable[[str], Renewal] = lambda _receipt: Renewal.DONE

    def renew(self, receipts: Sequence[str]) -> list[Renewal]:
        self.calls.append(list(receipts))
        self.called.release()
        return [self.script(receipt) for receipt in receipts]


class Hand:
    """A heartbeat with messages in hand, named by their receipts."""

    def __init__(self, *receipts: str, asked_at: float | None = None) -> None:
        self.queue = Watched()
        self.heartbeat = Heartbeat(self.queue, LEASE_SECONDS)
        self.lost: list[str] = []
        self.asked_at = asked_at or now()
        self._stack = ExitStack()
        self.leases = {receipt: self.take(receipt) for receipt in receipts}

    def take(self, receipt: str) -> Lease:
        delivery = MemoryDelivery(self.queue, "body", 1, receipt)
        on_lost = lambda: self.lost.append(receipt)  # noqa: E731
        return self._stack.enter_context(self.heartbeat.hold(delivery, self.asked_at, on_lost))

    def drop(self) -> None:
        self._stack.close()


@pytest.mark.parametrize("renewal", [Renewal.FAILED, ConnectionError("network")])
def test_the_beats_go_on_until_the_worker_leaves(renewal: Renewal | Exception) -> None:
    queue = Watched()

    def fail(_receipt: str) -> Renewal:
        if isinstance(renewal, Exception):
            raise renewal
        return renewal

    queue.script = fail
    delivery = MemoryDelivery(queue, "body", 1, "a")
    with (
        Heartbeat(queue, lease_seconds=0.3) as heartbeat,
        heartbeat.hold(delivery, now(), lambda: None) as lease,
    ):
        lease.runs_out = math.inf  # however slow this machine is
        for _ in range(2 * BEATS_PER_LEASE):
            assert queue.called.acquire(timeout=PATIENCE_SECONDS)
    while queue.called.acquire(blocking=False):
        pass
    assert not queue.called.acquire(timeout=1)


def test_all_messages_in_hand_are_renewed_by_one_call() -> None:
    hand = Hand("a", "b", "c")
    assert hand.heartbeat.beat()
    assert hand.queue.calls == [["a", "b", "c"]]


def test_more_messages_than_a_call_takes_are_renewed_by_several() -> None:
    receipts = [str(number) for number in range(2 * MAX_RENEWALS + 1)]
    hand = Hand(*receipts)
    assert hand.heartbeat.beat()
    assert [len(call) for call in hand.queue.calls] == [MAX_RENEWALS, MAX_RENEWALS, 1]
    assert sorted(chain.from_iterable(hand.queue.calls)) == sorted(receipts)


def test_with_nothing_in_hand_nobody_is_asked() -> None:
    hand = Hand("a")
    hand.drop()
    assert hand.heartbeat.beat()
    assert hand.queue.calls == []


def test_a_renewed_lease_lasts_longer() -> None:
    hand = Hand("a")
    before = hand.leases["a"].runs_out
    hand.heartbeat.beat()
    assert hand.leases["a"].runs_out > before


def test_a_lost_lease_is_noticed_for_its_message_alone_and_once() -> None:
    hand = Hand("a", "b", "c")
    hand.queue.script = lambda receipt: Renewal.LOST if receipt == "b" else Renewal.DONE
    assert hand.heartbeat.beat()
    assert hand.lost == ["b"]
    assert [receipt for receipt, lease in hand.leases.items() if lease.lost] == ["b"]
    hand.heartbeat.beat()
    assert hand.queue.calls[-1] == ["a", "c"]
    assert hand.lost == ["b"]


def test_a_renewal_that_fails_for_one_message_is_tried_again_and_loses_nothing() -> None:
    hand = Hand("a", "b")
    hand.queue.script = lambda receipt: Renewal.FAILED if receipt == "b" else Renewal.DONE
    assert not hand.heartbeat.beat()
    assert not hand.leases["b"].lost
    assert hand.leases["b"].runs_out < hand.leases["a"].runs_out
    hand.queue.script = lambda _receipt: Renewal.DONE
    assert hand.heartbeat.beat()
    assert hand.lost == []


def test_a_call_that_fails_costs_none_of_the_others() -> None:
    receipts = [str(number) for number in range(MAX_RENEWALS + 1)]
    hand = Hand(*receipts)

    def cut(receipt: str) -> Renewal:
        if receipt == "0":
            raise ConnectionError("network")
        return Renewal.DONE

    hand.queue.script = cut
    assert not hand.heartbeat.beat()
    assert len(hand.queue.calls) == 2
    assert hand.leases[receipts[-1]].runs_out > hand.leases["0"].runs_out
    assert hand.lost == []


def test_a_beat_that_fails_is_tried_again_sooner_than_the_next_would_come() -> None:
    heartbeat = Hand("a").heartbeat
    assert heartbeat.pause(renewed=True) == LEASE_SECONDS / BEATS_PER_LEASE
    assert heartbeat.pause(renewed=False) < heartbeat.pause(renewed=True) / 2


def test_a_lease_that_could_not_be_renewed_in_time_is_lost_by_the_workers_own_clock() -> None:
    hand = Hand("a", "b")
    hand.leases["a"].runs_out = now()
    assert hand.leases["a"].lost
    hand.heartbeat.beat()
    assert hand.lost == ["a"]
    assert hand.queue.calls == [["b"]]
    assert not hand.leases["b"].lost


@pytest.mark.parametrize("renewal", [Renewal.DONE, Renewal.LOST, Renewal.FAILED])
def test_a_message_that_took_its_time_to_arrive_is_renewed_before_it_is_begun(
    renewal: Renewal,
) -> None:
    hand = Hand(asked_at=now() - LEASE_SECONDS)
    hand.queue.script = lambda _receipt: renewal
    lease = hand.take("a")
    assert hand.queue.calls == [["a"]]
    assert lease.lost == (renewal is not Renewal.DONE)


def test_a_message_that_came_at_once_is_not_renewed_before_a_beat() -> None:
    assert Hand("a").queue.calls == []


@pytest.mark.parametrize("verb", ["complete", "release"])
def test_a_message_that_was_completed_or_released_is_never_renewed(verb: str) -> None:
    hand = Hand("a")
    lease = hand.leases["a"]
    if verb == "complete":
        lease.complete()
    else:
        lease.release(0)
    hand.heartbeat.beat()
    assert hand.queue.calls == []
    assert hand.lost == []
