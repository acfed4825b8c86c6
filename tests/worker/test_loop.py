"""A slot serves until the queue has stayed empty or a stop, and nothing it meets ends it."""

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import BadImage, TransientError
from pipeline.run import Counts, Page, Run, RunState, TiledPage
from tests.builders import a_message, a_run, new_run_id
from tests.fakes import (
    SMALL,
    MemoryJobs,
    MemoryLedger,
    MemoryQueue,
    ScriptedTiler,
)
from worker.closing import AtOnce, Closer
from worker.desk import Delays, Desk
from worker.heartbeat import Heartbeat, now
from worker.loop import Patience, Slot
from worker.processes import NoProcess
from worker.recall import Recall
from worker.work import PageWork

if TYPE_CHECKING:
    from collections.abc import Callable


class Scene:
    """A slot on a queue with the pages of one run."""

    def __init__(self, pages: int, *, lease_seconds: int = 30) -> None:
        self.ledger, self.jobs, self.tiler = MemoryLedger(), MemoryJobs(), ScriptedTiler()
        self.queue = MemoryQueue(lease_seconds=lease_seconds)
        self.run_id = new_run_id()
        messages = [a_message(self.run_id, page=number) for number in range(1, pages + 1)]
        rows = [Page(message) for message in messages]
        self.ledger.open_run(a_run(self.run_id))
        self.ledger.record_pages(self.run_id, rows)
        self.ledger.seal(self.run_id, rows)
        self.ledger.advance(self.run_id, RunState.DISPATCHING, RunState.TILING)
        self.queue.send(messages)
        self.stop = threading.Event()
        self.ends = AtOnce(Closer(self.ledger, self.jobs, self.queue))
        desk = Desk(self.ledger, self.queue, self.queue.dead_letters, self.ends)
        patience = Patience(0, lease_seconds, hidden_seconds=lease_seconds)
        self.heartbeat = Heartbeat(self.queue, lease_seconds)
        self.recall = Recall(self.ledger.load_run)
        self.slot = Slot(
            self.queue,
            desk,
            self.tiler,
            self.heartbeat,
            self.recall,
            self.ends,
            patience,
            self.stop,
        )


def test_a_slot_drains_the_queue_and_leaves() -> None:
    scene = Scene(pages=4)
    scene.slot.run()
    assert scene.ledger.counts(scene.run_id) == Counts(4, 4, 0)
    assert scene.queue.entries == []
    assert scene.jobs.finals == [scene.run_id]


def test_a_slot_waits_for_messages_in_other_hands_one_lease_long() -> None:
    scene = Scene(pages=1, lease_seconds=1)
    taken = scene.queue.receive(0)  # by a worker that dies with it
    assert taken is not None
    scene.slot.run()
    assert scene.ledger.counts(scene.run_id) == Counts(1, 1, 0)


def test_after_a_stop_nothing_new_is_begun() -> None:
    scene = Scene(pages=2)
    scene.stop.set()
    scene.slot.run()
    assert scene.tiler.pages == []


def test_after_a_retirement_nothing_new_is_taken() -> None:
    scene = Scene(pages=2)
    scene.slot.retired.set()
    scene.slot.run()
    assert scene.tiler.pages == []
    assert [entry.receives for entry in scene.queue.entries] == [0, 0]


def test_what_is_in_hand_at_a_retirement_is_finished_and_nothing_given_back() -> None:
    scene = Scene(pages=3)

    def retired_meanwhile(_work: PageWork) -> TiledPage:
        scene.slot.retired.set()
        return SMALL

    scene.tiler.script = retired_meanwhile
    scene.slot.run()
    assert scene.ledger.counts(scene.run_id) == Counts(3, 1, 0)
    assert [entry.receives for entry in scene.queue.entries] == [0, 0]
    assert scene.tiler.revoked == 0


def test_a_message_that_arrives_with_the_retirement_is_served() -> None:
    scene = Scene(pages=1)
    receive = scene.queue.receive

    def receive_and_retire(wait_seconds: int) -> object:
        scene.slot.retired.set()
        return receive(wait_seconds)

    scene.queue.receive = receive_and_retire  # type: ignore[method-assign,assignment]
    scene.slot.run()
    assert scene.ledger.counts(scene.run_id) == Counts(1, 1, 0)


def test_a_message_that_arrives_with_the_stop_goes_back_at_once() -> None:
    scene = Scene(pages=1)
    receive = scene.queue.receive

    def receive_and_stop(wait_seconds: int) -> object:
        scene.stop.set()
        return receive(wait_seconds)

    scene.queue.receive = receive_and_stop  # type: ignore[method-assign,assignment]
    scene.slot.run()
    assert scene.tiler.pages == []
    assert receive(0) is not None


def test_a_page_cut_off_by_the_stop_goes_back_at_once_whatever_its_attempt() -> None:
    scene = Scene(pages=1)
    scene.queue.entries[0].receives = 4

    def stopped(_work: PageWork) -> TiledPage:
        scene.stop.set()
        raise TransientError("the tiling process was stopped")

    scene.tiler.script = stopped
    scene.slot.run()
    assert scene.ledger.counts(scene.run_id) == Counts(1, 0, 0)
    assert scene.queue.receive(0) is not None


def test_a_page_done_as_the_stop_comes_is_recorded() -> None:
    scene = Scene(pages=2)

    def finished(_work: PageWork) -> TiledPage:
        scene.stop.set()
        return SMALL

    scene.tiler.script = finished
    scene.slot.run()
    assert scene.ledger.counts(scene.run_id) == Counts(2, 1, 0)
    assert len(scene.queue.entries) == 1


def test_an_outcome_under_a_lost_lease_is_not_reported() -> None:
    scene = Scene(pages=1)

    def slow(_work: PageWork) -> TiledPage:
        scene.queue.entries.clear()  # another worker took it over and completed it
        scene.heartbeat.beat()
        return SMALL

    scene.tiler.script = slow
    scene.slot.run()
    assert scene.ledger.counts(scene.run_id) == Counts(1, 0, 0)
    assert scene.tiler.revoked == 1


def test_a_failure_under_a_lost_lease_is_not_reported() -> None:
    scene = Scene(pages=1)

    def slow(_work: PageWork) -> TiledPage:
        scene.queue.entries.clear()
        scene.heartbeat.beat()
        raise BadImage("damaged")

    scene.tiler.script = slow
    scene.slot.run()
    assert scene.ledger.counts(scene.run_id) == Counts(1, 0, 0)
    assert scene.queue.dead_letters.letters == []


def test_a_lost_lease_costs_that_message_alone() -> None:
    scene = Scene(pages=3)

    def slow(work: PageWork) -> TiledPage:
        if work.message.page == 2:
            scene.queue.entries[:] = [e for e in scene.queue.entries if '"page": 2' not in e.body]
            scene.heartbeat.beat()
        return SMALL

    scene.tiler.script = slow
    scene.slot.run()
    assert scene.ledger.counts(scene.run_id) == Counts(3, 2, 0)
    assert scene.tiler.revoked == 1


def test_a_message_whose_arrival_took_longer_than_its_lease_is_left_to_others() -> None:
    scene = Scene(pages=1)
    receive = scene.queue.receive
    delivery = receive(0)
    assert delivery is not None
    scene.queue.entries.clear()  # others have it by now
    scene.slot._serve(delivery, asked_at=now() - 60)
    assert scene.tiler.pages == []


def test_where_nothing_can_be_tiled_no_message_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(pages=1)

    def broken() -> None:
        raise NoProcess("no tiling process came up")

    monkeypatch.setattr(scene.tiler, "prepare", broken)
    with pytest.raises(NoProcess):
        scene.slot.run()
    assert [entry.receives for entry in scene.queue.entries] == [0]


def test_a_message_that_cannot_even_be_given_back_does_not_end_the_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = Scene(pages=1, lease_seconds=4)  # telling of a fault takes time
    load_run, hide = scene.ledger.load_run, scene.queue.hide
    ledger_faults, queue_faults = iter([True]), iter([True])

    def load_run_later(run_id: str) -> Run | None:
        if next(ledger_faults, False):
            raise ConnectionError("DynamoDB is away")
        return load_run(run_id)

    def hide_later(handle: str, seconds: float) -> bool:
        if next(queue_faults, False):
            raise ConnectionError("SQS is away")
        return hide(handle, seconds)

    monkeypatch.setattr(scene.ledger, "load_run", load_run_later)
    monkeypatch.setattr(scene.queue, "hide", hide_later)
    scene.slot.run()
    assert next(queue_faults, None) is None
    assert scene.ledger.counts(scene.run_id) == Counts(1, 1, 0)


@pytest.mark.parametrize("body", ["[" * 100_000, "{", "nonsense", '{"version": 1}'])
def test_a_poisonous_body_costs_only_itself(body: str) -> None:
    scene = Scene(pages=2)
    scene.queue.put(body)
    scene.queue.entries.reverse()
    scene.slot.run()
    assert scene.ledger.counts(scene.run_id) == Counts(2, 2, 0)
    assert [letter.body for letter in scene.queue.dead_letters.letters] == [body]


@pytest.mark.parametrize(
    "part", ["load_run", "load_page", "settle", "shard_counts", "claim_final_job"]
)
def test_a_fault_of_the_ledger_gives_the_message_back(
    part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(pages=1)
    real: Callable[..., object] = getattr(scene.ledger, part)
    faults = iter([True])

    def fail_once(*args: object, **kwargs: object) -> object:
        if next(faults, False):
            raise ConnectionError("DynamoDB is away")
        return real(*args, **kwargs)

    monkeypatch.setattr(scene.ledger, part, fail_once)
    monkeypatch.setattr("worker.loop.FIRST_RETURN_SECONDS", 0)
    monkeypatch.setattr(scene.slot.desk, "_delays", Delays(first_backoff=0))
    scene.slot.run()
    assert scene.ledger.counts(scene.run_id) == Counts(1, 1, 0)
    assert scene.jobs.finals == [scene.run_id]
    assert scene.queue.entries == []


@dataclass
class Returned:
    """A lease that notes for how long its message was given back."""

    attempt: int
    lost: bool = False
    seconds: int | None = None

    def release(self, seconds: int) -> None:
        self.seconds = seconds


def test_a_message_is_given_back_for_longer_each_time_that_serving_it_breaks() -> None:
    slot = Scene(pages=0).slot
    slot.patience.hidden_seconds = 300
    returned = [Returned(attempt) for attempt in (1, 2, 3, 4, 5, 6, 10)]
    for lease in returned:
        slot._give_back(lease)  # type: ignore[arg-type]
    assert [lease.seconds for lease in returned] == [30, 60, 120, 240, 300, 300, 300]
    slot.stop.set()
    slot._give_back(last := Returned(5))  # type: ignore[arg-type]
    assert last.seconds == 0


def test_a_page_longer_than_a_lease_is_tiled_once() -> None:
    scene = Scene(pages=1, lease_seconds=3)
    pause = threading.Event()

    def slow(_work: PageWork) -> TiledPage:
        pause.wait(4)
        return SMALL

    scene.tiler.script = slow
    with scene.heartbeat:
        other = threading.Thread(target=scene.slot.run)
        other.start()
        scene.slot.run()
        other.join()
    assert scene.tiler.pages == [("book", 1)]
    assert scene.ledger.counts(scene.run_id) == Counts(1, 1, 0)


def test_a_message_that_comes_back_between_two_looks_is_not_left_behind() -> None:
    # The killed worker's message is no longer in flight, and was not yet there when last asked.
    scene = Scene(pages=1)
    receive, answers = scene.queue.receive, iter([True, True])

    def sees_nothing_at_first(wait_seconds: int) -> object:
        return None if next(answers, False) else receive(wait_seconds)

    scene.queue.receive = sees_nothing_at_first  # type: ignore[method-assign,assignment]
    scene.slot.run()
    assert scene.ledger.counts(scene.run_id) == Counts(1, 1, 0)


def test_a_message_taken_later_by_a_worker_that_dies_is_waited_for_as_long() -> None:
    scene = Scene(pages=1, lease_seconds=2)
    taken = threading.Timer(1.5, scene.queue.receive, [0])
    scene.queue.entries[0].visible_at = time.monotonic() + 1.2
    receive = scene.queue.receive
    blind_until = time.monotonic() + 2.5

    def blind_at_first(wait_seconds: int) -> object:
        if time.monotonic() < blind_until:
            threading.Event().wait(0.1)
            return None
        return receive(wait_seconds)

    taken.start()
    scene.queue.receive = blind_at_first  # type: ignore[method-assign,assignment]
    scene.slot.run()
    assert scene.ledger.counts(scene.run_id) == Counts(1, 1, 0)


def test_a_page_whose_run_is_cancelled_is_stopped_and_its_message_dropped() -> None:
    scene = Scene(pages=1)

    def cancelled_meanwhile(_work: PageWork) -> TiledPage:
        scene.ledger.cancel(scene.run_id, 0)
        scene.recall.look()
        assert scene.tiler.revoked
        raise TransientError("the page was revoked")

    scene.tiler.script = cancelled_meanwhile
    scene.queue.entries[0].receives = 4  # its last attempt: it must not end as failed
    scene.slot.run()
    assert len(scene.tiler.pages) == 1
    assert scene.ledger.counts(scene.run_id) == Counts(1, 0, 0)
    assert scene.queue.entries == []
    assert scene.queue.dead_letters.depth() == 0


def test_a_page_that_is_done_when_its_run_is_cancelled_counts() -> None:
    scene = Scene(pages=1)

    def done_all_the_same(_work: PageWork) -> TiledPage:
        scene.ledger.cancel(scene.run_id, 0)
        scene.recall.look()
        return SMALL

    scene.tiler.script = done_all_the_same
    scene.slot.run()
    assert scene.ledger.counts(scene.run_id) == Counts(1, 1, 0)
    assert scene.jobs.finals == []
