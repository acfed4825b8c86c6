"""From an upload to a run under way, cut off anywhere, invoked twice, and with bad tasks."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from dispatcher import expand, sending
from dispatcher.check import StoreForms
from dispatcher.deadline import Deadline
from dispatcher.dispatch import Dispatcher
from dispatcher.resources import StackResources
from pipeline import dynamo_recording
from pipeline.ledger import Ledger
from pipeline.message import Message, parse_message
from pipeline.run import Counts, Page, PageState, Run, RunState, Upload
from tests.builders import ENVIRONMENT, an_upload, deadline_after, done, new_run_id, task_body
from tests.fakes import MemoryAnnouncements, MemoryJobs, MemoryLedger, MemoryQueue, MemoryTaskFiles

PAGES = 5


class Cut(BaseException):
    """The Lambda is killed here."""


@dataclass
class Scene:
    """A batch bucket with one good task, its source folder, and a dispatcher."""

    source: Path
    dest: Path
    ledger: Ledger = field(default_factory=MemoryLedger)
    claim_seconds: int = 60

    def __post_init__(self) -> None:
        self.announcements = MemoryAnnouncements()
        self.tasks = MemoryTaskFiles({"task.json": task_body()})
        self.queue, self.jobs = MemoryQueue(), MemoryJobs()
        # The embedded ledger is shared by all tests: an upload of its own makes a run of its own.
        self.upload = an_upload("task.json", sequencer=new_run_id())
        csv = self.source / ENVIRONMENT["CSV_PATH"] / ENVIRONMENT["CSV_NAME"]
        csv.parent.mkdir(parents=True)
        csv.write_text("Identifier,Title\nbook,A book\n")
        for page in range(1, PAGES + 1):
            self.add(f"book/Access/p{page}.tif")

    def add(self, name: str) -> Path:
        file = self.source / ENVIRONMENT["ACCESS_DIR"] / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"image")
        return file

    def dispatcher_for(self, deadline: Deadline) -> Dispatcher:
        return replace(self.dispatcher, deadline=deadline)

    @property
    def dispatcher(self) -> Dispatcher:
        stores = StoreForms(self.source.as_uri(), self.dest.as_uri())
        return Dispatcher(
            self.tasks,
            self.ledger,
            self.queue,
            self.jobs,
            stores,
            self.claim_seconds,
            announcements=self.announcements,
        )

    def dispatch(self, upload: Upload | None = None) -> Run:
        run = self.ledger.load_run(self.dispatcher.dispatch(upload or self.upload))
        assert run is not None
        return run

    def dispatch_a_little(self, looks: int = 0) -> Run:
        """Dispatch until the time is over at one of the looks at the clock."""
        dispatcher = self.dispatcher_for(deadline_after(looks))
        run = self.ledger.load_run(dispatcher.dispatch(self.upload))
        assert run is not None
        return run

    def workers(self, upload: Upload | None = None) -> list[str]:
        """Dispatch an upload; return its run's workers."""
        return self.noted(self.dispatch(upload).run_id)

    def noted(self, run_id: str) -> list[str]:
        return [job.job_id for job in self.ledger.worker_jobs(run_id)]

    @property
    def sent(self) -> list[Message]:
        return [parse_message(entry.body) for entry in self.queue.entries]


@pytest.fixture
def scene(source: Path, dest: Path) -> Scene:
    return Scene(source, dest)


def errors_of(scene: Scene) -> tuple[str, ...]:
    """Dispatch a task that must be rejected, and return what was said of it."""
    run = scene.dispatch()
    assert run.state is RunState.REJECTED
    assert (scene.queue.entries, scene.jobs.workers, scene.jobs.finals) == ([], [], [])
    assert list(scene.ledger.pages(run.run_id)) == []
    return run.errors


def test_an_upload_becomes_rows_messages_and_workers(
    source: Path, dest: Path, ledger: Ledger
) -> None:
    scene = Scene(source, dest, ledger)
    run = scene.dispatch()
    assert (run.state, run.recorded) == (RunState.TILING, True)
    assert sorted(message.page for message in scene.sent) == [1, 2, 3, 4, 5]
    assert {message.item for message in scene.sent} == {"book"}
    assert {message.run_id for message in scene.sent} == {run.run_id}
    assert all(message.etag and message.size == 5 for message in scene.sent)
    assert ledger.counts(run.run_id) == Counts(PAGES, 0, 0)
    assert scene.noted(run.run_id) == ["worker-1", "worker-2", "worker-3", "worker-4"]
    assert run.plan is not None
    assert run.plan.source_store == source.as_uri()
    assert run.plan.layout.prefix == "iiif/archive/Letters"


def test_workers_are_as_many_as_asked_but_no_more_than_images(scene: Scene) -> None:
    scene.tasks.bodies["task.json"] = task_body(workers=3)
    assert len(scene.workers()) == 3
    scene.tasks.bodies["task.json"] = task_body({"COLLECTION_IDENTIFIER": "Other"}, workers=300)
    assert len(scene.workers(an_upload("task.json", new_run_id()))) == PAGES


def waiting(scene: Scene) -> str:
    """Have a run wait for another that has its item; return its id."""
    first = scene.dispatch().run_id
    waits = scene.dispatch(an_upload("task.json", new_run_id()))
    assert (waits.state, waits.waits_for) == (RunState.DISPATCHING, first)
    scene.ledger.cancel(first, 1)
    scene.jobs.workers.clear()
    return waits.run_id


@pytest.mark.parametrize(("wanted", "started"), [(1, 1), (PAGES, PAGES), (300, PAGES)])
def test_a_run_that_waits_starts_with_the_workers_that_were_asked_for_meanwhile(
    scene: Scene, wanted: int, started: int
) -> None:
    run_id = waiting(scene)
    assert scene.ledger.want_workers(run_id, wanted)
    run = scene.ledger.load_run(run_id)
    assert run is not None
    scene.dispatch(run.upload)
    assert scene.jobs.workers == [run_id] * started
    now = scene.ledger.load_run(run_id)
    assert now is not None
    assert (now.state, now.wanted_workers) == (RunState.TILING, wanted)


def test_a_number_that_is_asked_for_while_messages_are_sent_is_heeded(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = scene.queue.send

    def send_late(messages: Iterable[Message]) -> int:
        (run_id,) = scene.ledger.open_runs()
        scene.ledger.want_workers(run_id, 2)
        return send(messages)

    monkeypatch.setattr(scene.queue, "send", send_late)
    assert len(scene.workers()) == 2


def test_of_a_pdf_nobody_knows_the_pages_so_all_workers_start(scene: Scene) -> None:
    scene.add("book/Access/Anhang.PDF")
    scene.tasks.bodies["task.json"] = task_body(workers=9)
    assert len(scene.workers()) == 9


def test_the_same_event_twice_starts_nothing_twice(scene: Scene) -> None:
    first = scene.dispatch()
    assert scene.dispatch() == first
    assert len(scene.sent) == PAGES
    assert len(scene.jobs.workers) == 4


def test_another_upload_of_the_same_file_is_another_run(scene: Scene) -> None:
    first = scene.dispatch()
    second = scene.dispatch(an_upload("task.json", sequencer=new_run_id()))
    assert first.run_id != second.run_id


def test_two_runs_of_other_items_go_on_side_by_side(scene: Scene) -> None:
    scene.dispatch()
    scene.add("Other/map/Access/p1.tif")
    folder = f"{ENVIRONMENT['ACCESS_DIR']}/Other"
    scene.tasks.bodies["task.json"] = task_body({"ACCESS_DIR": folder})
    second = scene.dispatch(an_upload("task.json", sequencer=new_run_id()))
    assert second.state is RunState.TILING
    assert len(scene.sent) == PAGES + 1


def test_a_run_waits_for_another_that_is_at_one_of_its_items(
    source: Path, dest: Path, ledger: Ledger
) -> None:
    scene = Scene(source, dest, ledger)
    first = scene.dispatch()
    upload = an_upload("task.json", sequencer=new_run_id())
    second = scene.dispatch(upload)
    assert (second.state, second.waits_for) == (RunState.DISPATCHING, first.run_id)
    assert len(scene.sent) == PAGES
    assert len(scene.jobs.workers) == 4
    assert second.run_id in set(ledger.open_runs())
    assert scene.dispatch(upload).waits_for == first.run_id
    ledger.advance(first.run_id, RunState.TILING, RunState.DONE)
    second = scene.dispatch(upload)
    assert (second.state, second.waits_for) == (RunState.TILING, None)
    assert len(scene.sent) == 2 * PAGES


def test_a_run_that_is_over_stays_over(scene: Scene) -> None:
    run = scene.dispatch()
    scene.ledger.advance(run.run_id, RunState.TILING, RunState.DONE)
    assert scene.dispatch().state is RunState.DONE
    assert len(scene.sent) == PAGES


STEPS = ["open_run", "take_items", "record_pages", "seal", "pages", "add_worker_job", "advance"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("when", ["before", "after"])
def test_cut_off_at_any_step_and_invoked_again_the_run_is_whole(
    source: Path, dest: Path, ledger: Ledger, step: str, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(source, dest, ledger)
    real = getattr(ledger, step)

    def cut(*args: object, **kwargs: object) -> object:
        if when == "after":
            real(*args, **kwargs)
        raise Cut

    with monkeypatch.context() as patch:
        patch.setattr(ledger, step, cut)
        with pytest.raises(Cut):
            scene.dispatch()
    run = scene.dispatch()
    assert run.state is RunState.TILING
    assert ledger.counts(run.run_id) == Counts(PAGES, 0, 0)
    assert {message.page for message in scene.sent} == {1, 2, 3, 4, 5}
    assert len(ledger.worker_jobs(run.run_id)) == 4
    assert len(scene.jobs.workers) == 4


@pytest.fixture
def in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have few rows written, and few messages sent at a time."""
    monkeypatch.setattr(dynamo_recording, "MAX_PAGES_IN_HAND", 2)
    monkeypatch.setattr(sending, "MIN_MESSAGES", 1)


def test_what_takes_many_invocations_goes_on_where_it_was_and_sends_each_page_once(
    source: Path, dest: Path, ledger: Ledger, in_portions: None
) -> None:
    scene = Scene(source, dest, ledger)
    states = []
    for _ in range(4 * PAGES):
        run = scene.dispatch_a_little()
        if run.state is RunState.TILING:
            break
        assert (run.state, run.dispatched_at) == (RunState.DISPATCHING, 0)
        assert run.recorded or scene.sent == []
        states.append((len(list(ledger.pages(run.run_id))), run.recorded))
    assert run.state is RunState.TILING
    assert len(states) > PAGES
    assert len(set(states)) >= 3
    assert run.opened_at > 0
    assert sorted(message.page for message in scene.sent) == [1, 2, 3, 4, 5]
    assert ledger.counts(run.run_id) == Counts(PAGES, 0, 0)
    assert scene.noted(run.run_id) == ["worker-1", "worker-2", "worker-3", "worker-4"]


def test_a_source_that_changes_between_two_invocations_is_recorded_as_it_is_last(
    source: Path, dest: Path, ledger: Ledger, in_portions: None
) -> None:
    scene = Scene(source, dest, ledger)
    run = scene.dispatch_a_little()
    assert list(ledger.pages(run.run_id))
    scene.add("book/Access/p0.tif")
    scene.add("book/Access/p3.tif").write_bytes(b"another")
    assert scene.dispatch_a_little().opening != run.opening
    run = scene.dispatch()
    assert ledger.counts(run.run_id) == Counts(PAGES + 1, 0, 0)
    sent = {message.page: message.key.rpartition("/")[2] for message in scene.sent}
    assert sent == {number + 1: f"p{number}.tif" for number in range(PAGES + 1)}
    assert {message.size for message in scene.sent if message.page == 4} == {len(b"another")}


def test_a_run_that_waits_goes_on_under_its_opening(
    source: Path, dest: Path, ledger: Ledger, in_portions: None
) -> None:
    scene = Scene(source, dest, ledger)
    first = scene.dispatch().run_id
    upload = an_upload("task.json", sequencer=new_run_id())
    waits = scene.dispatch(upload)
    ledger.cancel(first, 1)
    goes_on = scene.dispatch(upload)
    assert (goes_on.opening, goes_on.opened_at) == (waits.opening, waits.opened_at)
    assert goes_on.state is RunState.TILING


def test_a_listing_that_takes_all_the_time_still_leads_to_an_end(
    source: Path, dest: Path, ledger: Ledger, in_portions: None
) -> None:
    scene = Scene(source, dest, ledger)
    for _ in range(2 * PAGES + 2):
        run = scene.dispatch_a_little(looks=0)
    assert run.state is RunState.TILING
    assert len(scene.sent) == PAGES


def test_how_far_the_sending_has_come_is_noted_on_the_way(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "MIN_MESSAGES", 2)
    send = scene.queue.send

    def killed_at_the_fourth(messages: Iterable[Message]) -> int:
        sent = send(messages)
        if len(scene.sent) == 4:
            raise Cut
        return sent

    scene.queue.send = killed_at_the_fourth  # type: ignore[method-assign]
    with pytest.raises(Cut):
        scene.dispatch()
    del scene.queue.send
    scene.dispatch()
    # The third and the fourth were not noted.
    assert len(scene.sent) == PAGES + 2
    assert len(set(scene.sent)) == PAGES


def test_a_small_run_notes_nothing_on_the_way(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: list[int] = []
    monkeypatch.setattr(scene.ledger, "note_sent", lambda _run, shards: noted.append(shards))
    scene.dispatch()
    assert noted == []


def test_more_images_than_memory_holds_are_a_mistake_that_is_told(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expand, "MAX_IMAGES", PAGES - 1)
    (error,) = errors_of(scene)
    assert error == "ACCESS_DIR: expected at most 4 images; divide it among tasks"


def test_a_dispatch_that_another_has_overtaken_leaves_its_rows_alone(
    source: Path, dest: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(source, dest, ledger)
    record = ledger.record_pages

    def overtaken(*arguments: Any) -> bool:
        monkeypatch.setattr(ledger, "record_pages", record)
        scene.add("book/Access/p6.tif")
        scene.dispatch()
        return record(*arguments)

    monkeypatch.setattr(ledger, "record_pages", overtaken)
    run = scene.dispatch()
    assert ledger.counts(run.run_id) == Counts(PAGES + 1, 0, 0)
    assert len(list(ledger.pages(run.run_id))) == PAGES + 1


def test_nothing_is_sent_of_a_run_that_is_cancelled_before_it_is_sealed(
    source: Path, dest: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(source, dest, ledger)
    real = ledger.seal

    def seal(run_id: str, pages: Iterable[Page], opening: str) -> bool:
        assert ledger.cancel(run_id, 1)
        return real(run_id, pages, opening)

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "seal", seal)
        run = scene.dispatch()
    assert (run.state, run.recorded) == (RunState.CANCELLED, False)
    assert (scene.sent, scene.jobs.workers) == ([], [])
    assert ledger.restart(run.run_id)
    assert scene.dispatch().state is RunState.TILING
    assert len(scene.sent) == PAGES


def test_cut_off_while_sending_it_sends_again_and_the_ledger_absorbs_it(scene: Scene) -> None:
    def first_two(messages: Iterable[Message]) -> int:
        for message, _ in zip(messages, range(2), strict=False):
            scene.queue.put(message.to_json())
        raise Cut

    scene.queue.send = first_two  # type: ignore[method-assign]
    with pytest.raises(Cut):
        scene.dispatch()
    del scene.queue.send
    (tiled, *_) = scene.sent
    assert scene.ledger.settle(done(tiled))
    run = scene.dispatch()
    assert scene.ledger.counts(run.run_id) == Counts(PAGES, 1, 0)
    assert scene.sent.count(tiled) == 1


def test_a_source_that_changed_before_the_second_try_leaves_no_rows_behind(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = scene.add("book/Access/p6.tif")

    def cut(*_: object) -> bool:
        raise Cut

    with monkeypatch.context() as patch:
        patch.setattr(scene.ledger, "seal", cut)
        with pytest.raises(Cut):
            scene.dispatch()
    last.unlink()
    scene.add("book/Access/p0.tif")
    run = scene.dispatch()
    assert scene.ledger.counts(run.run_id) == Counts(6, 0, 0)
    assert {message.key.rpartition("/")[2] for message in scene.sent} == {
        f"p{number}.tif" for number in range(6)
    }


def test_workers_that_finish_before_the_dispatcher_leave_the_final_job_to_it(scene: Scene) -> None:
    def settle_at_once(messages: Iterable[Message]) -> int:
        return sum(scene.ledger.settle(done(message)) for message in list(messages))

    scene.queue.send = settle_at_once  # type: ignore[method-assign]
    run = scene.dispatch()
    assert run.state is RunState.BUILDING
    assert scene.jobs.finals == [run.run_id]


def test_a_bad_task_starts_nothing_and_tells_all(scene: Scene) -> None:
    scene.tasks.bodies["task.json"] = task_body({"CSV_NAME": None, "ACCESS_DIR": "../x"}, workers=0)
    assert len(errors_of(scene)) == 3


def test_a_file_that_is_no_task_is_a_rejected_run_too(scene: Scene) -> None:
    scene.tasks.bodies["task.json"] = b"Dear colleague"
    (error,) = errors_of(scene)
    assert error.startswith("task file: expected JSON")


def test_what_is_missing_in_the_stores_is_told_together(scene: Scene) -> None:
    scene.jobs.unknown = ["jobQueue: expected an enabled Batch job queue, not 'x'"]
    body = task_body({"ACCESS_DIR": "archive/Nothing", "CSV_NAME": "none.csv"})
    scene.tasks.bodies["task.json"] = body
    assert errors_of(scene) == (
        "jobQueue: expected an enabled Batch job queue, not 'x'",
        "CSV_PATH, CSV_NAME: expected a file at 'archive/Letters/csv/none.csv'",
        "ACCESS_DIR: no images found below 'archive/Nothing' (0 other files)",
    )


@pytest.mark.parametrize("body", [b"Dear colleague", task_body({"ACCESS_DIR": "archive/None"})])
def test_a_rejected_run_is_announced(scene: Scene, body: bytes) -> None:
    scene.tasks.bodies["task.json"] = body
    run = scene.dispatch()
    assert run.errors
    assert scene.announcements.runs == [run]


@pytest.mark.parametrize("body", [b"Dear colleague", task_body({"ACCESS_DIR": "archive/None"})])
def test_a_rejection_that_was_cut_off_is_announced_by_the_retry(scene: Scene, body: bytes) -> None:
    scene.tasks.bodies["task.json"] = body
    scene.announcements.fault = Cut()
    with pytest.raises(Cut):
        scene.dispatch()
    scene.announcements.fault = None
    run = scene.dispatch()
    assert scene.announcements.runs == [run]


def test_a_run_that_starts_is_not_announced(scene: Scene) -> None:
    scene.dispatch()
    scene.dispatch()
    assert scene.announcements.runs == []


def test_a_task_that_names_no_queue_runs_with_the_stacks(scene: Scene) -> None:
    scene.tasks.bodies["task.json"] = task_body(jobQueue=None, jobDefinition=None)
    stack = StackResources("tiles", "tiles", "tiles-manifests")
    run = scene.ledger.load_run(replace(scene.dispatcher, stack=stack).dispatch(scene.upload))
    assert run is not None
    assert run.plan is not None
    named = (run.plan.job_queue, run.plan.job_definition, run.plan.manifest_job_definition)
    assert named == ("tiles", "tiles", "tiles-manifests")
    assert scene.jobs.looked_for == ("tiles", ("tiles", "tiles-manifests"))


def test_a_foreign_queue_is_told_with_the_other_mistakes(scene: Scene) -> None:
    scene.tasks.bodies["task.json"] = task_body({"CSV_NAME": "none.csv"}, jobQueue="theirs")
    stack = StackResources("tiles", "IIIFS3JobDefinition")
    run = scene.ledger.load_run(replace(scene.dispatcher, stack=stack).dispatch(scene.upload))
    assert run is not None
    assert run.state is RunState.REJECTED
    assert [error.partition(":")[0] for error in run.errors] == ["jobQueue", "CSV_PATH, CSV_NAME"]
    # Whether Batch knows what may not be used anyway is of no interest.
    assert scene.jobs.looked_for is None


def test_both_buckets_that_do_not_exist_are_told(scene: Scene) -> None:
    scene.source, scene.dest = Path("/nonexistent/a"), Path("/nonexistent/b")
    assert errors_of(scene) == (
        "AWS_SRC_BUCKET: 'scans': expected a bucket that exists: there is no folder /nonexistent/a",
        "AWS_DEST_BUCKET: 'exports': expected a bucket that exists:"
        " there is no folder /nonexistent/b",
    )


@pytest.mark.parametrize("stores", [StoreForms(), StoreForms("file:///fixed", "s3://{bucket}")])
def test_folders_instead_of_buckets_are_refused_where_there_are_buckets(
    scene: Scene, stores: StoreForms
) -> None:
    folders = {"AWS_SRC_BUCKET": "file:///etc", "AWS_DEST_BUCKET": "file:///tmp"}
    scene.tasks.bodies["task.json"] = task_body(folders)
    run = scene.ledger.load_run(replace(scene.dispatcher, stores=stores).dispatch(scene.upload))
    assert run is not None
    assert run.errors == tuple(
        f"{name}: expected a bucket: '{folder}' is a folder, which the embedded cloud alone takes"
        for name, folder in folders.items()
    )


def test_the_embedded_cloud_takes_folders_from_the_task(scene: Scene) -> None:
    folders = {"AWS_SRC_BUCKET": scene.source.as_uri(), "AWS_DEST_BUCKET": scene.dest.as_uri()}
    scene.tasks.bodies["task.json"] = task_body(folders)
    stores = StoreForms("{bucket}", "{bucket}")
    run = scene.ledger.load_run(replace(scene.dispatcher, stores=stores).dispatch(scene.upload))
    assert run is not None
    assert run.plan is not None
    assert (run.plan.source_store, run.plan.dest_store) == tuple(folders.values())


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"id,title\na,b\n", "expected an 'identifier' column; its first line is: id, title"),
        (b"", "expected an 'identifier' column; its first line is: an empty line"),
        (b"identifier,t\x81tle\n", "expected UTF-8 text"),
    ],
)
def test_a_csv_that_cannot_describe_items_is_told(
    scene: Scene, content: bytes, expected: str
) -> None:
    (scene.source / "archive/Letters/csv/letters.csv").write_bytes(content)
    (error,) = errors_of(scene)
    assert error.startswith(f"CSV_NAME: 'letters.csv': {expected}")


def test_a_rejected_run_is_not_tried_again(scene: Scene) -> None:
    csv = scene.source / "archive/Letters/csv/letters.csv"
    kept = csv.rename(csv.with_suffix(".away"))
    scene.dispatch()
    kept.rename(csv)
    assert errors_of(scene)


def test_hundreds_of_mistakes_are_cut(scene: Scene) -> None:
    scene.tasks.bodies["task.json"] = task_body({f"field{number}": "x" for number in range(500)})
    errors = errors_of(scene)
    assert len(errors) == 101
    assert errors[-1] == "… and 400 more"


def test_queued_rows_alone_are_sent(scene: Scene) -> None:
    run = scene.dispatch()
    assert {page.state for page in scene.ledger.pages(run.run_id)} == {PageState.QUEUED}


@pytest.mark.parametrize("step", ["shard_counts", "claim_final_job", "note_final_job"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_cut_off_at_the_end_with_every_page_settled_the_final_job_still_starts(
    scene: Scene, step: str, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def settle_at_once(messages: Iterable[Message]) -> int:
        return sum(scene.ledger.settle(done(message)) for message in list(messages))

    scene.queue.send = settle_at_once  # type: ignore[method-assign]
    real = getattr(scene.ledger, step)

    def cut(*args: object, **kwargs: object) -> object:
        if when == "after":
            real(*args, **kwargs)
        raise Cut

    with monkeypatch.context() as patch:
        patch.setattr(scene.ledger, step, cut)
        with pytest.raises(Cut):
            scene.dispatch()
    scene.claim_seconds = -1
    assert scene.dispatch().state is RunState.BUILDING
    assert set(scene.jobs.finals) == {scene.dispatch().run_id}


def test_an_export_among_the_scans_is_refused(scene: Scene) -> None:
    scene.dest = scene.source
    scene.tasks.bodies["task.json"] = task_body({"DEST_PREFIX": "archive/Letters/export"})
    (error,) = errors_of(scene)
    assert error.startswith("DEST_PREFIX: expected an export outside ACCESS_DIR")


def test_a_folder_that_loops_is_told(scene: Scene) -> None:
    folder = scene.source / ENVIRONMENT["ACCESS_DIR"]
    (folder / "loop").symlink_to(folder)
    (error,) = errors_of(scene)
    assert error.startswith("ACCESS_DIR: ")
    assert "loop" in error


def test_a_csv_that_may_not_be_read_is_told(scene: Scene) -> None:
    csv = scene.source / ENVIRONMENT["CSV_PATH"] / ENVIRONMENT["CSV_NAME"]
    csv.unlink()
    csv.symlink_to(csv)
    (error,) = [error for error in errors_of(scene) if error.startswith("CSV_NAME: 'letters.csv'")]
    assert "cannot be used" in error
