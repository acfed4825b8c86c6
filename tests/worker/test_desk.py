"""Every delivery ends in the fate it should, and every effect may come twice."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from pipeline.completion import CLAIM_SECONDS
from pipeline.errors import BadImage, TransientError
from pipeline.message import Message, parse_message
from pipeline.run import Counts, Page, PageState, RunState, TiledPage
from tests.builders import a_message, a_run, new_run_id
from tests.fakes import SMALL, MemoryDelivery, MemoryJobs, MemoryLedger, MemoryQueue, ScriptedTiler
from worker.desk import MAX_ATTEMPTS, MAX_HIDDEN_SECONDS, Desk
from worker.fate import Again, Done, Failed, Known
from worker.page import PageWork


@dataclass
class Scene:
    """A run of some pages under way, its messages in a queue whose clock the test moves."""

    pages: int = 1
    state: RunState = RunState.TILING

    def __post_init__(self) -> None:
        self.time = 0.0
        self.ledger, self.jobs, self.tiler = MemoryLedger(), MemoryJobs(), ScriptedTiler()
        self.queue = MemoryQueue(now=lambda: self.time)
        self.desk = Desk(self.ledger, self.jobs, self.tiler)
        self.run_id = new_run_id()
        self.messages = [a_message(self.run_id, page=n) for n in range(1, self.pages + 1)]
        rows = [Page(message) for message in self.messages]
        self.ledger.open_run(a_run(self.run_id))
        self.ledger.record_pages(self.run_id, rows)
        self.ledger.seal(self.run_id, rows)
        self.ledger.advance(self.run_id, RunState.DISPATCHING, self.state)
        self.queue.send(self.messages)

    def receive(self) -> MemoryDelivery:
        delivery = self.queue.receive(0)
        assert delivery is not None
        return delivery

    def serve(self) -> None:
        """Take one message from the queue to its fate."""
        delivery = self.receive()
        message = self.desk.read(delivery)
        if message is not None:
            self.desk.settle(delivery, message, self.desk.attempt(message, delivery.attempt))

    def row(self, message: Message) -> Page:
        row = self.ledger.load_page(Page(message))
        assert row is not None
        return row

    @property
    def counts(self) -> Counts:
        return self.ledger.counts(self.run_id)


def raising(error: Exception) -> Callable[[PageWork], TiledPage]:
    def tile(_work: PageWork) -> TiledPage:
        raise error

    return tile


def test_a_tiled_page_is_recorded_and_its_message_deleted() -> None:
    scene = Scene()
    scene.serve()
    assert scene.row(scene.messages[0]).tiled == SMALL
    assert scene.counts == Counts(1, 1, 0)
    assert not scene.queue.entries


def test_the_last_page_starts_the_final_job_once() -> None:
    scene = Scene(pages=3)
    for expected in ([], [], [scene.run_id]):
        scene.serve()
        assert scene.jobs.finals == expected
    run = scene.ledger.load_run(scene.run_id)
    assert run is not None
    assert (run.state, run.final_job) == (RunState.BUILDING, "final-1")


def test_a_permanent_error_fails_at_once_into_ledger_and_dead_letters() -> None:
    scene = Scene()
    scene.tiler.script = raising(BadImage("the TIFF file is damaged"))
    scene.serve()
    row = scene.row(scene.messages[0])
    assert (row.state, row.reason) == (PageState.FAILED, "the TIFF file is damaged")
    assert scene.counts == Counts(1, 0, 1)
    assert not scene.queue.entries
    ((body, attributes),) = scene.queue.dead_letters
    assert parse_message(body) == replace(scene.messages[0], replays=1)
    assert attributes == {
        "run": scene.run_id,
        "item": "book",
        "page": "1",
        "reason": "the TIFF file is damaged",
        "attempts": "1",
    }


def test_a_failed_page_is_the_last_one_as_well_as_any() -> None:
    scene = Scene()
    scene.tiler.script = raising(BadImage("damaged"))
    scene.serve()
    assert scene.jobs.finals == [scene.run_id]


@pytest.mark.parametrize("error", [TransientError("throttled"), RuntimeError("a bug of ours")])
def test_a_transient_error_gives_the_message_back_for_later(error: Exception) -> None:
    scene = Scene()
    scene.tiler.script = raising(error)
    scene.serve()
    assert scene.row(scene.messages[0]).state is PageState.QUEUED
    assert scene.queue.receive(0) is None
    scene.time += 60
    scene.tiler.script = lambda _work: SMALL
    scene.serve()
    assert scene.counts == Counts(1, 1, 0)


def test_the_last_allowed_attempt_fails_for_good() -> None:
    scene = Scene()
    scene.tiler.script = raising(TransientError("the tiling process died"))
    for _ in range(MAX_ATTEMPTS):
        scene.serve()
        scene.time += 3600
    assert scene.row(scene.messages[0]).reason == (
        f"the tiling process died (after {MAX_ATTEMPTS} attempts)"
    )
    assert scene.counts == Counts(1, 0, 1)
    assert not scene.queue.entries
    assert len(scene.queue.dead_letters) == 1


def test_a_message_that_killed_every_worker_is_given_up_without_a_try() -> None:
    scene = Scene()
    for _ in range(MAX_ATTEMPTS):
        scene.receive()
        scene.time += 3600
    scene.serve()
    assert scene.tiler.pages == []
    assert scene.counts == Counts(1, 0, 1)
    assert scene.jobs.finals == [scene.run_id]


def test_a_second_delivery_of_a_done_page_is_looked_at_and_goes_away() -> None:
    # The look repairs an export that another worker, holding the same message, left half-written.
    scene = Scene(pages=2)
    scene.serve()
    scene.queue.send([scene.messages[0]])
    scene.queue.entries.reverse()
    scene.serve()
    assert scene.tiler.pages == [("book", 1), ("book", 1)]
    assert scene.counts == Counts(2, 1, 0)
    assert len(scene.queue.entries) == 1


def test_a_second_delivery_of_a_failed_message_does_not_fail_twice() -> None:
    scene = Scene()
    scene.tiler.script = raising(BadImage("damaged"))
    scene.serve()
    scene.queue.send(scene.messages)
    scene.serve()
    assert scene.counts == Counts(1, 0, 1)
    assert len(scene.queue.dead_letters) == 1


def test_a_replayed_message_reopens_page_and_run() -> None:
    scene = Scene()
    scene.tiler.script = raising(BadImage("damaged"))
    scene.serve()
    scene.ledger.advance(scene.run_id, RunState.BUILDING, RunState.DONE_WITH_FAILURES)
    scene.tiler.script = lambda _work: SMALL
    scene.queue.put(scene.queue.dead_letters[0][0])
    scene.serve()
    assert scene.counts == Counts(1, 1, 0)
    assert scene.jobs.finals == [scene.run_id] * 2


@pytest.mark.parametrize("body", ["", "not json", "{}", '{"version": 99}', "[]"])
def test_a_body_that_cannot_be_read_goes_to_the_dead_letters(body: str) -> None:
    scene = Scene(pages=0)
    scene.queue.put(body)
    scene.serve()
    assert not scene.queue.entries
    ((buried, attributes),) = scene.queue.dead_letters
    assert buried == body
    assert attributes["reason"]


def test_a_message_of_an_unknown_run_goes_to_the_dead_letters() -> None:
    scene = Scene(pages=0)
    scene.queue.send([a_message("nobody")])
    scene.serve()
    assert not scene.queue.entries
    assert "nobody" in scene.queue.dead_letters[0][1]["reason"]


def test_a_message_of_an_unknown_page_is_not_counted() -> None:
    scene = Scene(pages=1)
    scene.queue.entries.clear()
    scene.queue.send([replace(scene.messages[0], page=77)])
    scene.serve()
    assert scene.counts == Counts(1, 0, 0)
    assert len(scene.queue.dead_letters) == 1


def test_a_crash_between_ledger_and_delete_loses_nothing() -> None:
    scene = Scene()
    delivery = scene.receive()
    message = scene.messages[0]
    fate = scene.desk.attempt(message, 1)
    assert isinstance(fate, Done)
    scene.ledger.settle(Page(message, PageState.DONE, fate.tiled))
    del delivery  # the worker died here: neither final job nor delete
    scene.time += 3600
    scene.serve()
    assert scene.counts == Counts(1, 1, 0)
    assert scene.jobs.finals == [scene.run_id]
    assert not scene.queue.entries


def test_a_crash_between_claim_and_submit_is_made_good_by_the_message_that_comes_back() -> None:
    scene = Scene()
    message = scene.messages[0]
    scene.receive()
    scene.ledger.settle(Page(message, PageState.DONE, SMALL))
    assert scene.ledger.claim_final_job(scene.run_id, now=1, stale_before=0)  # and died
    scene.time += 3600
    scene.serve()
    assert scene.jobs.finals == [scene.run_id]
    assert not scene.queue.entries


def test_a_message_waits_for_a_claim_that_may_yet_succeed(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    message = scene.messages[0]
    monkeypatch.setattr("time.time", lambda: 1000.0)
    scene.ledger.settle(Page(message, PageState.DONE, SMALL))
    assert scene.ledger.claim_final_job(scene.run_id, now=990, stale_before=0)
    scene.serve()
    assert scene.jobs.finals == []
    assert len(scene.queue.entries) == 1
    scene.time += CLAIM_SECONDS + 1
    monkeypatch.setattr("time.time", lambda: 1000.0 + CLAIM_SECONDS + 1)
    scene.serve()
    assert scene.jobs.finals == [scene.run_id]
    assert not scene.queue.entries


def test_a_run_still_being_dispatched_is_left_to_its_dispatcher() -> None:
    scene = Scene(state=RunState.DISPATCHING)
    scene.serve()
    assert scene.jobs.finals == []
    assert not scene.queue.entries


def test_fates_are_what_the_tiler_says() -> None:
    scene = Scene()
    (message,) = scene.messages
    assert scene.desk.attempt(message, 1) == Done(SMALL)
    scene.tiler.script = raising(BadImage("bad"))
    assert scene.desk.attempt(message, 1) == Failed("bad")
    scene.tiler.script = raising(TransientError("later"))
    assert scene.desk.attempt(message, 1) == Again("later")
    scene.tiler.script = lambda _work: SMALL
    scene.ledger.settle(Page(message, PageState.DONE, SMALL))
    assert scene.desk.attempt(message, 1) == Known()


def test_the_runs_row_is_read_once_for_all_its_pages() -> None:
    scene = Scene(pages=5)
    reads = []
    load = scene.ledger.load_run
    scene.ledger.load_run = lambda run_id: reads.append(run_id) or load(run_id)  # type: ignore[func-returns-value,method-assign]
    for _ in range(4):
        scene.serve()
    assert len(reads) == 1


def test_a_message_replayed_while_the_run_is_finished_waits_for_the_end() -> None:
    scene = Scene()
    scene.tiler.script = raising(BadImage("damaged"))
    scene.serve()
    scene.tiler.script = lambda _work: SMALL
    scene.queue.put(scene.queue.dead_letters[0][0])
    scene.serve()  # the manifest builder is at work
    assert scene.counts == Counts(1, 0, 1)
    assert scene.queue.depth() == (0, 1)
    scene.ledger.advance(scene.run_id, RunState.BUILDING, RunState.DONE_WITH_FAILURES)
    scene.time += 60
    scene.serve()
    assert scene.counts == Counts(1, 1, 0)
    assert scene.jobs.finals == [scene.run_id] * 2


def test_a_page_and_its_run_are_reopened_together() -> None:
    scene = Scene()
    scene.tiler.script = raising(BadImage("damaged"))
    scene.serve()
    scene.ledger.advance(scene.run_id, RunState.BUILDING, RunState.DONE_WITH_FAILURES)
    assert scene.ledger.requeue(Page(replace(scene.messages[0], replays=1)))
    run = scene.ledger.load_run(scene.run_id)
    assert run is not None
    assert run.state is RunState.TILING


def test_nothing_is_given_back_for_longer_than_slots_wait() -> None:
    scene = Scene()
    scene.tiler.script = raising(TransientError("throttled"))
    for _ in range(MAX_ATTEMPTS - 1):
        scene.serve()
        given_back = max(entry.visible_at for entry in scene.queue.entries) - scene.time
        assert 0 < given_back <= MAX_HIDDEN_SECONDS
        scene.time += given_back
    assert CLAIM_SECONDS <= MAX_HIDDEN_SECONDS
