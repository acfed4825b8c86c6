"""Every delivery ends in the fate it should, and every effect may come twice."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from pipeline.completion import CLAIM_SECONDS, complete_run
from pipeline.errors import BadImage, TransientError
from pipeline.message import Message, parse_message
from pipeline.run import Counts, Page, PageState, RunState, TiledPage
from tests.builders import a_message, a_plan, a_run, new_run_id
from tests.fakes import SMALL, MemoryDelivery, MemoryJobs, MemoryLedger, MemoryQueue, ScriptedTiler
from worker.closing import AtOnce, Closer
from worker.desk import BUILD_SECONDS, MAX_ATTEMPTS, NORMAL_DELAYS, Desk
from worker.fate import Again, Done, Failed, Known
from worker.work import PageWork


@dataclass
class Scene:
    """A run of some pages under way, its messages in a queue whose clock the test moves."""

    pages: int = 1
    state: RunState = RunState.TILING

    def __post_init__(self) -> None:
        self.time = 0.0
        self.ledger, self.jobs, self.tiler = MemoryLedger(), MemoryJobs(), ScriptedTiler()
        self.queue = MemoryQueue(now=lambda: self.time)
        self.desk = self.another_desk()
        self.run_id = new_run_id()
        self.messages = [a_message(self.run_id, page=n) for n in range(1, self.pages + 1)]
        rows = [Page(message) for message in self.messages]
        self.ledger.open_run(a_run(self.run_id))
        self.ledger.record_pages(self.run_id, rows)
        self.ledger.seal(self.run_id, rows)
        self.ledger.advance(self.run_id, RunState.DISPATCHING, self.state)
        self.queue.send(self.messages)

    def another_desk(self) -> Desk:
        ends = AtOnce(Closer(self.ledger, self.jobs, self.queue))
        return Desk(self.ledger, self.queue, self.queue.dead_letters, ends)

    def receive(self) -> MemoryDelivery:
        delivery = self.queue.receive(0)
        assert delivery is not None
        return delivery

    def serve(self) -> None:
        """Take one message from the queue to its fate."""
        delivery = self.receive()
        message = self.desk.read(delivery)
        if message is not None:
            fate = self.desk.attempt(message, delivery.attempt, self.tiler)
            self.desk.settle(delivery, message, fate)

    def drain(self) -> None:
        """Serve messages until there are none, letting time pass for those given back."""
        while self.queue.entries:
            self.time = max(self.time, min(entry.visible_at for entry in self.queue.entries))
            self.serve()

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


def state_of(scene: Scene) -> RunState:
    run = scene.ledger.load_run(scene.run_id)
    assert run is not None
    return run.state


def claim(scene: Scene, now: float) -> bool:
    """Claim the final job, as a process does that dies before it submits it."""
    shards = scene.ledger.shard_counts(scene.run_id)
    return scene.ledger.claim_final_job(scene.run_id, shards, now)


def test_a_permanent_error_fails_at_once_into_ledger_and_dead_letters() -> None:
    scene = Scene()
    scene.tiler.script = raising(BadImage("the TIFF file is damaged"))
    scene.serve()
    row = scene.row(scene.messages[0])
    assert (row.state, row.reason) == (PageState.FAILED, "the TIFF file is damaged")
    assert scene.counts == Counts(1, 0, 1)
    assert not scene.queue.entries
    (letter,) = scene.queue.dead_letters.letters
    body, attributes = letter.body, letter.attributes
    assert parse_message(body) == replace(scene.messages[0], replays=1)
    assert attributes == {
        "run": scene.run_id,
        "item": "book",
        "page": "1",
        "part": "1",
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
    assert scene.queue.dead_letters.depth() == 1


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
    assert scene.queue.dead_letters.depth() == 1


def test_a_replayed_message_reopens_page_and_run() -> None:
    scene = Scene()
    scene.tiler.script = raising(BadImage("damaged"))
    scene.serve()
    scene.ledger.advance(scene.run_id, RunState.BUILDING, RunState.DONE_WITH_FAILURES)
    scene.tiler.script = lambda _work: SMALL
    scene.queue.put(scene.queue.dead_letters.letters[0].body)
    scene.serve()
    assert scene.counts == Counts(1, 1, 0)
    assert state_of(scene) is RunState.TILING
    # More may follow: the reconciler sees when no more do.
    assert scene.jobs.finals == [scene.run_id]
    complete_run(scene.run_id, scene.ledger, scene.jobs, is_quiet=True)
    assert scene.jobs.finals == [scene.run_id] * 2


@pytest.mark.parametrize("body", ["", "not json", "{}", '{"version": 99}', "[]"])
def test_a_body_that_cannot_be_read_goes_to_the_dead_letters(body: str) -> None:
    scene = Scene(pages=0)
    scene.queue.put(body)
    scene.serve()
    assert not scene.queue.entries
    (letter,) = scene.queue.dead_letters.letters
    buried, attributes = letter.body, letter.attributes
    assert buried == body
    assert attributes["reason"]


def test_a_message_of_an_unknown_run_goes_to_the_dead_letters() -> None:
    scene = Scene(pages=0)
    scene.queue.send([a_message("nobody")])
    scene.serve()
    assert not scene.queue.entries
    assert "nobody" in scene.queue.dead_letters.letters[0].attributes["reason"]


def test_a_message_of_an_unknown_page_is_not_counted() -> None:
    scene = Scene(pages=1)
    scene.queue.entries.clear()
    scene.queue.send([replace(scene.messages[0], page=77)])
    scene.serve()
    assert scene.counts == Counts(1, 0, 0)
    assert scene.queue.dead_letters.depth() == 1


def test_a_crash_between_ledger_and_delete_loses_nothing() -> None:
    scene = Scene()
    delivery = scene.receive()
    message = scene.messages[0]
    fate = scene.desk.attempt(message, 1, scene.tiler)
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
    assert claim(scene, now=1)  # and died
    scene.time += 3600
    scene.serve()
    assert scene.jobs.finals == [scene.run_id]
    assert not scene.queue.entries


def test_a_message_waits_for_a_claim_that_may_yet_succeed(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene()
    message = scene.messages[0]
    monkeypatch.setattr("time.time", lambda: 1000.0)
    scene.ledger.settle(Page(message, PageState.DONE, SMALL))
    assert claim(scene, now=990)
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
    assert scene.desk.attempt(message, 1, scene.tiler) == Done(SMALL)
    scene.tiler.script = raising(BadImage("bad"))
    assert scene.desk.attempt(message, 1, scene.tiler) == Failed("bad")
    scene.tiler.script = raising(TransientError("later"))
    assert scene.desk.attempt(message, 1, scene.tiler) == Again("later")
    scene.tiler.script = lambda _work: SMALL
    scene.ledger.settle(Page(message, PageState.DONE, SMALL))
    assert scene.desk.attempt(message, 1, scene.tiler) == Known()


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
    scene.queue.put(scene.queue.dead_letters.letters[0].body)
    scene.serve()  # the manifest builder is at work
    assert scene.counts == Counts(1, 0, 1)
    assert scene.queue.depth() == (0, 1)
    scene.ledger.advance(scene.run_id, RunState.BUILDING, RunState.DONE_WITH_FAILURES)
    scene.time += 60
    scene.serve()
    assert scene.counts == Counts(1, 1, 0)
    assert state_of(scene) is RunState.TILING


def test_however_long_the_run_is_built_a_replayed_page_loses_no_attempt_by_waiting() -> None:
    scene = Scene()
    scene.tiler.script = raising(BadImage("damaged"))
    scene.serve()
    scene.tiler.script = lambda _work: SMALL
    scene.queue.put(scene.queue.dead_letters.letters.pop().body)
    for _ in range(3 * MAX_ATTEMPTS):
        scene.serve()
        scene.time += NORMAL_DELAYS.longest
    assert scene.queue.dead_letters.letters == []
    scene.ledger.advance(scene.run_id, RunState.BUILDING, RunState.DONE_WITH_FAILURES)
    scene.serve()
    assert scene.row(scene.messages[0]).attempts == 1
    assert scene.counts == Counts(1, 1, 0)


def test_a_replayed_page_of_a_run_that_is_never_built_goes_back_to_the_dead_letters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = Scene()
    scene.tiler.script = raising(BadImage("damaged"))
    scene.serve()
    (letter,) = scene.queue.dead_letters.letters
    scene.queue.dead_letters.letters.clear()
    scene.queue.put(letter.body)
    later = time.time() + BUILD_SECONDS + 1
    monkeypatch.setattr("time.time", lambda: later)
    scene.serve()
    assert scene.queue.entries == []
    (again,) = scene.queue.dead_letters.letters
    assert (again.body, again.attributes) == (letter.body, letter.attributes)
    assert scene.counts == Counts(1, 0, 1)


def handed_over(scene: Scene) -> str:
    """End the scene's run, and give its item to another run under way; return that one's id."""
    later = new_run_id()
    scene.ledger.open_run(a_run(later))
    scene.ledger.advance(scene.run_id, RunState.BUILDING, RunState.DONE_WITH_FAILURES)
    assert scene.ledger.take_items(later, a_plan().export, ["book"]) == frozenset()
    return later


def test_a_late_duplicate_does_not_tile_over_what_a_later_run_has_made() -> None:
    scene = Scene()
    scene.serve()
    handed_over(scene)
    scene.queue.send(scene.messages)
    scene.serve()
    assert scene.tiler.pages == [("book", 1)]
    assert scene.counts == Counts(1, 1, 0)
    assert not scene.queue.entries


def test_a_replayed_page_whose_item_is_taken_while_it_is_queued_again_is_not_tiled() -> None:
    scene = Scene()
    scene.tiler.script = raising(BadImage("damaged"))
    scene.serve()
    scene.ledger.take_items(scene.run_id, a_plan().export, ["book"])
    scene.ledger.advance(scene.run_id, RunState.BUILDING, RunState.DONE_WITH_FAILURES)
    reopen = scene.ledger.reopen
    later = ""

    def reopen_late(run_id: str, states: list[RunState], **how: Any) -> bool:
        nonlocal later
        later = handed_over(scene)
        return reopen(run_id, states, **how)

    scene.ledger.reopen = reopen_late  # type: ignore[method-assign,assignment]
    scene.queue.put(scene.queue.dead_letters.letters.pop().body)
    scene.serve()
    assert scene.tiler.pages == [("book", 1)]
    assert scene.row(scene.messages[0]).reason == f"its item belongs to a later run, {later}"
    assert len(scene.queue.dead_letters.letters) == 1


def test_a_replayed_page_of_an_item_that_nobody_has_gets_it_first() -> None:
    scene = Scene()
    scene.tiler.script = raising(BadImage("damaged"))
    scene.serve()
    scene.ledger.advance(scene.run_id, RunState.BUILDING, RunState.DONE_WITH_FAILURES)
    scene.queue.put(scene.queue.dead_letters.letters.pop().body)
    scene.tiler.script = lambda _work: SMALL
    scene.serve()
    assert scene.ledger.owners(a_plan().export, ["book"]) == {"book": scene.run_id}


def test_a_page_and_its_run_are_reopened_together() -> None:
    scene = Scene()
    scene.tiler.script = raising(BadImage("damaged"))
    scene.serve()
    scene.ledger.advance(scene.run_id, RunState.BUILDING, RunState.DONE_WITH_FAILURES)
    scene.queue.put(scene.queue.dead_letters.letters[0].body)
    states = []
    scene.tiler.script = lambda _work: states.append(state_of(scene)) or SMALL  # type: ignore[func-returns-value]
    scene.serve()
    assert states == [RunState.TILING]
    assert scene.counts == Counts(1, 1, 0)


def test_nothing_is_given_back_for_longer_than_slots_wait() -> None:
    scene = Scene()
    scene.tiler.script = raising(TransientError("throttled"))
    for _ in range(MAX_ATTEMPTS - 1):
        scene.serve()
        given_back = max(entry.visible_at for entry in scene.queue.entries) - scene.time
        assert 0 < given_back <= NORMAL_DELAYS.longest
        scene.time += given_back
    assert NORMAL_DELAYS.longest >= CLAIM_SECONDS


# Sources of several images

PARTS = 4


class Cut(Exception):
    """The worker is killed here."""


def first_of(parts: int) -> Callable[[PageWork], TiledPage]:
    """Return what tiles any page, and sees so many images in the source of page 2."""

    def tile(work: PageWork) -> TiledPage:
        is_first = (work.message.page, work.message.part) == (2, 1)
        return replace(SMALL, parts=parts) if is_first else SMALL

    return tile


def album(pages: int = 3) -> Scene:
    """Return a run whose second file has PARTS images, with that file's message in front."""
    scene = Scene(pages=pages)
    scene.tiler.script = first_of(PARTS)
    scene.queue.entries.insert(0, scene.queue.entries.pop(1))
    return scene


def assert_whole(scene: Scene, total: int, failed: int = 0) -> None:
    """Check that every image is settled, each counted once, and the end was started once."""
    rows = list(scene.ledger.pages(scene.run_id))
    assert len(rows) == total
    assert {row.state for row in rows} <= {PageState.DONE, PageState.FAILED}
    assert scene.counts == Counts(total, total - failed, failed)
    assert scene.jobs.finals == [scene.run_id]
    assert not scene.queue.entries


def test_a_source_of_several_images_becomes_as_many_pages() -> None:
    scene = album()
    scene.serve()
    assert scene.counts == Counts(2 + PARTS, 1, 0)
    parts = [parse_message(entry.body) for entry in scene.queue.entries][2:]
    assert parts == [replace(scene.messages[1], part=part) for part in range(2, PARTS + 1)]
    scene.drain()
    assert_whole(scene, 2 + PARTS)
    first = scene.row(scene.messages[1])
    assert (first.parts, first.tiled) == (PARTS, replace(SMALL, parts=PARTS))


def test_a_run_of_one_file_does_not_end_with_its_first_image() -> None:
    scene = Scene(pages=1)
    scene.tiler.script = lambda work: replace(SMALL, parts=3 if work.message.part == 1 else 1)
    for expected in ([], [], [scene.run_id]):
        scene.serve()
        assert scene.jobs.finals == expected
    assert_whole(scene, 3)


def test_the_end_is_not_seen_before_the_last_image_however_messages_are_ordered() -> None:
    scene = album()
    scene.serve()
    scene.queue.entries.reverse()
    while scene.queue.entries:
        assert scene.jobs.finals == []
        scene.serve()
    assert_whole(scene, 2 + PARTS)


STEPS = ["expand", "load_page", "add_parts", "send", "settle"]


def cut_off(
    scene: Scene, step: str, when: str, monkeypatch: pytest.MonkeyPatch, message: Message
) -> None:
    """Serve a message by a worker that is killed before, in or after a step of recording it."""
    owner = scene.queue if step == "send" else scene.ledger
    real = getattr(owner, step)

    def cut(*arguments: list[object]) -> object:
        if when == "amid":
            real(*[list(argument)[:1] for argument in arguments])
        elif when == "after":
            real(*arguments)
        raise Cut

    delivery = scene.receive()
    fate = scene.desk.attempt(message, delivery.attempt, scene.tiler)
    with monkeypatch.context() as patch:
        patch.setattr(owner, step, cut)
        with pytest.raises(Cut):
            scene.desk.settle(delivery, message, fate)
    scene.time += 3600


CUTS = [
    *[(step, when) for step in STEPS for when in ("before", "after")],
    ("add_parts", "amid"),
    ("send", "amid"),
]


@pytest.mark.parametrize(("step", "when"), CUTS)
def test_killed_at_any_step_of_an_expansion_it_loses_and_doubles_nothing(
    step: str, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = album()
    cut_off(scene, step, when, monkeypatch, scene.messages[1])
    assert scene.jobs.finals == []
    scene.drain()
    assert_whole(scene, 2 + PARTS)


@pytest.mark.parametrize(("step", "when"), CUTS)
@pytest.mark.parametrize("fault", [BadImage("damaged"), TransientError("throttled")])
def test_a_source_that_fails_after_the_kill_takes_no_image_out_of_the_count(
    step: str, when: str, fault: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = album()
    cut_off(scene, step, when, monkeypatch, scene.messages[1])
    scene.tiler.script = raising(fault)
    scene.drain()
    # Before the number was fixed, and after all was recorded, the first image stands alone.
    total = 3 if (step, when) == ("expand", "before") else 2 + PARTS
    settled = (step, when) == ("settle", "after")
    assert_whole(scene, total, failed=total - settled)


@pytest.mark.parametrize(("step", "when"), CUTS)
@pytest.mark.parametrize("parts", [1, PARTS - 1, PARTS + 1])
def test_a_source_replaced_after_the_kill_is_told_and_ends_the_run(
    step: str, when: str, parts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = album()
    cut_off(scene, step, when, monkeypatch, scene.messages[1])
    scene.tiler.script = first_of(parts)
    scene.drain()
    row = scene.row(scene.messages[1])
    if (step, when) == ("expand", "before"):
        assert_whole(scene, 2 + parts)
    elif (step, when) == ("settle", "after"):
        assert_whole(scene, 2 + PARTS)
    else:
        assert_whole(scene, 2 + PARTS, failed=1)
        assert row.reason is not None
        assert f"it had {PARTS} images, it has {parts} now; run the task again" in row.reason


def test_a_worker_that_saw_fewer_images_does_not_settle_what_another_has_expanded() -> None:
    scene = album()
    message, delivery = scene.messages[1], scene.receive()
    scene.tiler.script = first_of(1)
    fate = scene.desk.attempt(message, 1, scene.tiler)
    scene.ledger.expand(Page(message), PARTS)  # by another, who then dies
    with pytest.raises(TransientError):
        scene.desk.settle(delivery, message, fate)
    scene.time += 3600
    scene.drain()
    assert_whole(scene, 2 + PARTS, failed=1)


def test_a_worker_that_failed_completes_what_another_has_expanded() -> None:
    scene = album()
    message, delivery = scene.messages[1], scene.receive()
    scene.ledger.expand(Page(message), PARTS)  # by another, who then dies
    scene.desk.settle(delivery, message, Failed("damaged"))
    scene.drain()
    assert_whole(scene, 2 + PARTS, failed=1)


def test_a_second_delivery_of_an_expanded_source_adds_nothing() -> None:
    scene = album()
    scene.serve()
    scene.queue.send([scene.messages[1]])
    scene.drain()
    assert_whole(scene, 2 + PARTS)


def test_two_workers_with_the_same_source_expand_it_once() -> None:
    scene = album()
    message = scene.messages[1]
    scene.queue.send([message])
    scene.queue.entries.insert(1, scene.queue.entries.pop())
    one, other = scene.receive(), scene.receive()
    fates = [scene.desk.attempt(message, 1, scene.tiler) for _ in range(2)]
    scene.desk.settle(one, message, fates[0])
    scene.desk.settle(other, message, fates[1])
    scene.drain()
    assert_whole(scene, 2 + PARTS)


def test_a_bad_part_costs_itself_and_is_replayed_alone() -> None:
    scene = album()
    tile = scene.tiler.script

    def third_is_bad(work: PageWork) -> TiledPage:
        if work.message.part == 3:
            raise BadImage("damaged")
        return tile(work)

    scene.tiler.script = third_is_bad
    scene.drain()
    assert_whole(scene, 2 + PARTS, failed=1)
    (letter,) = scene.queue.dead_letters.letters
    body, attributes = letter.body, letter.attributes
    assert (attributes["page"], attributes["part"]) == ("2", "3")
    scene.ledger.advance(scene.run_id, RunState.BUILDING, RunState.DONE_WITH_FAILURES)
    scene.tiler.script = tile
    scene.queue.put(body)
    scene.drain()
    assert scene.counts == Counts(2 + PARTS, 2 + PARTS, 0)


def test_a_first_image_that_was_bad_is_replayed_with_all_others() -> None:
    scene = album()
    tile = scene.tiler.script
    scene.tiler.script = raising(BadImage("damaged"))
    scene.serve()
    assert scene.counts == Counts(3, 0, 1)
    scene.tiler.script = tile
    scene.queue.put(scene.queue.dead_letters.letters[0].body)
    scene.queue.entries.insert(0, scene.queue.entries.pop())
    scene.drain()
    assert_whole(scene, 2 + PARTS)
    assert {row.message.replays for row in scene.ledger.pages(scene.run_id)} == {0, 1}


def test_an_outcome_tells_its_time_and_how_often_the_message_was_delivered() -> None:
    scene = Scene()
    scene.tiler.script = raising(BadImage("damaged"))
    scene.queue.entries[0].receives = 2
    scene.serve()
    row = scene.row(scene.messages[0])
    assert row.attempts == 3
    assert row.ended_at == pytest.approx(time.time(), abs=60)


def cancel(scene: Scene) -> None:
    """Cancel the run; this desk has never seen it, so it looks."""
    assert scene.ledger.cancel(scene.run_id, 0)
    scene.desk = scene.another_desk()


def test_messages_of_a_cancelled_run_are_dropped_and_its_rows_stay() -> None:
    scene = Scene(pages=2)
    cancel(scene)
    scene.drain()
    assert scene.tiler.pages == []
    assert scene.counts == Counts(2, 0, 0)
    assert scene.queue.dead_letters.depth() == 0
    assert scene.jobs.finals == []


def test_a_run_that_was_taken_up_again_is_not_taken_for_cancelled() -> None:
    scene = Scene(pages=2)
    cancel(scene)
    scene.serve()
    scene.ledger.reopen(scene.run_id, [RunState.CANCELLED], trickles=False)
    scene.queue.send(scene.messages)
    scene.drain()
    assert scene.counts == Counts(2, 2, 0)
    assert scene.jobs.finals == [scene.run_id]


def test_a_failure_replayed_into_a_cancelled_run_stays_among_the_dead_letters() -> None:
    scene = Scene(pages=2)
    scene.tiler.script = raising(BadImage("damaged"))
    scene.serve()
    before = scene.queue.dead_letters.letters.pop()
    cancel(scene)
    scene.queue.put(before.body)
    scene.queue.put(scene.messages[0].to_json())  # a second delivery of the failed one
    scene.drain()
    (letter,) = scene.queue.dead_letters.letters
    assert (letter.body, letter.attributes) == (before.body, before.attributes)
    assert scene.counts == Counts(2, 0, 1)


def test_a_failure_of_an_item_that_a_later_run_has_is_not_tiled_again() -> None:
    scene = Scene()
    scene.tiler.script = raising(BadImage("damaged"))
    scene.serve()
    scene.ledger.advance(scene.run_id, RunState.BUILDING, RunState.DONE_WITH_FAILURES)
    letter = scene.queue.dead_letters.letters.pop()
    later = a_run(new_run_id())
    assert later.plan is not None
    scene.ledger.open_run(later)
    assert not scene.ledger.take_items(later.run_id, later.plan.export, ["book"])
    tiled = len(scene.tiler.pages)
    scene.queue.put(letter.body)
    scene.drain()
    assert len(scene.tiler.pages) == tiled
    assert scene.counts == Counts(1, 0, 1)
    assert [again.body for again in scene.queue.dead_letters.letters] == [letter.body]
