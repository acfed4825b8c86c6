"""The operator's verbs as they are typed, on an embedded cloud with real workers."""

import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from console.__main__ import VERBS, cli
from console.embedded import JOB_ENVIRONMENT, EmbeddedCloud, embedded_cloud
from console.local import LocalRun, prepare_task
from pipeline.dead_letters import MAX_IN_HAND
from pipeline.run import Run, RunState, Upload, derive_run_id
from tests.builders import ENVIRONMENT, a_plan, task_body
from tests.images import write_image

CSV = "identifier,title\nbook,{}\nmap,Map\n"
DEADLINE_SECONDS = 120
RECONCILE_SECONDS = 1


@dataclass(frozen=True)
class Place:
    """Folders, and an embedded cloud that commands find."""

    source: Path
    dest: Path
    folder: Path
    cloud: EmbeddedCloud
    uploads: list[str] = field(default_factory=list)
    """Keys of the task files, the last one last."""

    def tilepool(self, *arguments: str) -> Result:
        return CliRunner().invoke(cli, [*arguments, "--dir", str(self.folder)])

    def scan(self, item: str, page: int) -> Path:
        return self.source / f"archive/Letters/{item}/Access/p{page}.jpg"

    def manifest(self, item: str) -> Path:
        return self.dest / f"iiif/archive/Letters/{item}/manifest.json"

    def write_csv(self, title: str) -> None:
        file = self.source / ENVIRONMENT["CSV_PATH"] / ENVIRONMENT["CSV_NAME"]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(CSV.format(title))

    def upload(self) -> None:
        """Start a run, and do not wait for it."""
        body, _ = prepare_task(LocalRun(task_body(), self.source, self.dest, workers=1), 1)
        self.uploads.append(f"{time.time_ns()}/task.json")
        self.cloud.upload_task(self.uploads[-1], body)

    def last(self) -> Run | None:
        """Return the run of the last upload, once it is there: the cloud has those of others."""
        run = next(map(self.cloud.ledger.load_run, self.cloud.ledger.runs()), None)
        return run if run is not None and run.upload.key == self.uploads[-1] else None

    def has_letter(self, run_id: str) -> bool:
        with self.cloud.dead_letters.take(MAX_IN_HAND) as hand:
            return any(letter.attributes.get("run") == run_id for letter in hand.letters())

    def await_state(self, *states: RunState) -> Run:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < deadline:
            run = self.last()
            if run is not None and run.state in states:
                return run
            time.sleep(0.1)
        raise AssertionError(f"the run does not become {states}: {self.last()}")


@pytest.fixture(scope="module")
def cloud_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("operated")


@pytest.fixture(scope="module")
def operated(cloud_folder: Path) -> Iterator[EmbeddedCloud]:
    """A cloud whose reconciler looks every second."""
    with embedded_cloud(cloud_folder, JOB_ENVIRONMENT, RECONCILE_SECONDS) as cloud:
        yield cloud


@pytest.fixture
def place(operated: EmbeddedCloud, cloud_folder: Path, source: Path, dest: Path) -> Place:
    """An item of three pages, of which the second is damaged, and one of a single page."""
    place = Place(source, dest, cloud_folder, operated)
    place.write_csv("Book")
    for page in (1, 2, 3):
        write_image(place.scan("book", page), 300 + page, 200)
    write_image(place.scan("map", 1), 300, 200)
    place.scan("book", 2).write_bytes(b"no image")
    return place


@pytest.fixture
def failed_run(place: Place) -> Run:
    place.upload()
    return place.await_state(RunState.DONE_WITH_FAILURES)


def test_a_failed_page_is_named_repaired_and_replayed(place: Place, failed_run: Run) -> None:
    named = place.tilepool("failed", "last", "--json")
    assert named.exit_code == 3
    (failure,) = json.loads(named.output)
    assert (failure["item"], failure["page"]) == ("book", 2)
    assert failure["source"] == "archive/Letters/book/Access/p2.jpg"
    assert place.tilepool("failed", failed_run.run_id[:-2], "--csv").output.count("\n") == 2
    assert failed_run.run_id in place.tilepool("dlq").output
    assert "1 page would be replayed" in place.tilepool("replay", "last", "--dry-run").output
    untouched = place.manifest("map").stat().st_mtime_ns
    assert not place.manifest("book").exists()

    write_image(place.scan("book", 2), 302, 200)
    replayed = place.tilepool("replay", "last")

    assert replayed.exit_code == 0, replayed.output
    assert "1 page replayed, 1 worker started" in replayed.output
    assert "4 of 4" in replayed.output
    assert len(json.loads(place.manifest("book").read_text())["items"]) == 3
    assert place.manifest("map").stat().st_mtime_ns == untouched
    assert place.tilepool("failed", "last").exit_code == 0
    assert failed_run.run_id not in place.tilepool("dlq").output


def test_a_page_that_is_still_bad_fails_again_with_exit_code_3(
    place: Place, failed_run: Run
) -> None:
    replayed = place.tilepool("replay", failed_run.run_id)
    assert replayed.exit_code == 3, replayed.output
    assert f"`tilepool replay {failed_run.run_id} --dir" in replayed.output
    assert place.tilepool("failed", "last").exit_code == 3
    assert len(json.loads(place.tilepool("dlq", "--json").output)["groups"]) >= 1


def test_the_redrive_button_of_the_console_brings_the_run_to_its_end(
    place: Place, failed_run: Run
) -> None:
    write_image(place.scan("book", 2), 302, 200)
    sqs, cloud = place.cloud.sqs, place.cloud
    arns = [
        sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        for url in (cloud.dead_letter_queue_url, cloud.queue_url)
    ]
    deadline = time.monotonic() + DEADLINE_SECONDS
    while place.has_letter(failed_run.run_id):  # what the reconciler has in hand stays
        assert time.monotonic() < deadline
        sqs.start_message_move_task(SourceArn=arns[0], DestinationArn=arns[1])
    place.await_state(RunState.DONE)
    assert len(json.loads(place.manifest("book").read_text())["items"]) == 3


def test_all_letters_are_moved_natively(place: Place, failed_run: Run) -> None:
    write_image(place.scan("book", 2), 302, 200)
    replayed = place.tilepool("replay", "--all", "--native")
    assert "SQS moves" in replayed.output
    assert place.await_state(RunState.DONE).run_id == failed_run.run_id
    assert place.manifest("book").exists()


def test_a_run_is_published_with_gaps_and_a_replay_closes_them(
    place: Place, failed_run: Run
) -> None:
    done = place.tilepool("finalize", "last", "--with-gaps")
    assert done.exit_code == 3, done.output
    canvases = json.loads(place.manifest("book").read_text())["items"]
    assert [bool(canvas["items"]) for canvas in canvases] == [True, False, True]

    write_image(place.scan("book", 2), 302, 200)
    closed = place.tilepool("replay", "last")
    assert closed.exit_code == 0, closed.output
    canvases = json.loads(place.manifest("book").read_text())["items"]
    assert all(canvas["items"] for canvas in canvases)


def test_manifests_are_built_with_the_csv_as_it_is_now(place: Place, failed_run: Run) -> None:
    write_image(place.scan("book", 2), 302, 200)
    place.tilepool("replay", "last")
    untouched = place.manifest("map").stat().st_mtime_ns
    place.write_csv("Another title")
    built = place.tilepool("manifests", "last")
    assert built.exit_code == 0, built.output
    assert "Another title" in place.manifest("book").read_text()
    assert place.manifest("map").stat().st_mtime_ns == untouched


def test_a_cancelled_run_stops_and_is_taken_up_again(place: Place) -> None:
    write_image(place.scan("book", 2), 302, 200)
    for page in range(4, 60):
        write_image(place.scan("book", page), 300, 200)
    place.upload()
    run = place.await_state(RunState.TILING)

    cancelled = place.tilepool("cancel", "last")
    assert cancelled.exit_code == 0, cancelled.output
    assert f"`tilepool resume {run.run_id} --dir" in cancelled.output
    status = json.loads(place.tilepool("status", "last", "--json").output)
    assert status["state"] == "cancelled"
    assert status["counts"]["pending"] > 0
    assert place.tilepool("manifests", "last").exit_code == 1
    assert not place.manifest("map").exists()

    resumed = place.tilepool("resume", "last")
    assert resumed.exit_code == 0, resumed.output
    assert "60 of 60" in resumed.output
    assert place.last() is not None
    assert place.manifest("map").exists()


def test_a_pass_by_hand_tells_what_it_did(place: Place, failed_run: Run) -> None:
    assert place.tilepool("reconcile").output == "Nothing is stuck\n"


@pytest.mark.parametrize(
    ("verb", "words"),
    [
        (["resume"], "`tilepool replay"),
        (["cancel"], "there is nothing to cancel"),
    ],
)
def test_what_a_state_does_not_allow_is_one_line_and_exit_code_1(
    place: Place, failed_run: Run, verb: list[str], words: str
) -> None:
    refused = place.tilepool(*verb, failed_run.run_id)
    assert refused.exit_code == 1
    assert refused.stderr.startswith("Error: ")
    assert refused.stderr.count("\n") == 1
    assert words in refused.stderr


@pytest.mark.parametrize(
    "verb",
    [verb for verb in VERBS if any(p.name == "name" for p in verb.params)],
    ids=lambda verb: verb.name,
)
def test_a_run_that_is_not_there_is_one_line_and_exit_code_2(
    operated: EmbeddedCloud, cloud_folder: Path, verb: object
) -> None:
    name = str(getattr(verb, "name", ""))
    more = {"finalize": ["--with-gaps"], "scale": ["3"]}.get(name, [])
    words = [name, "no-such-run", *more, "--dir", str(cloud_folder)]
    refused = CliRunner().invoke(cli, words)
    assert refused.exit_code == 2
    assert (
        refused.stderr == "Error: RUN: there is no run 'no-such-run'; `tilepool runs` lists them\n"
    )


@pytest.mark.parametrize(
    "words",
    [
        ["replay"],
        ["replay", "x", "--all"],
        ["replay", "x", "--native"],
        ["replay", "--all", "--native", "--item", "a"],
        ["replay", "--all", "--native", "--dry-run"],
        ["replay", "x", "--workers", "0"],
        ["finalize", "x"],
        ["failed", "x", "--json", "--csv"],
        ["runs", "--limit", "0"],
        ["dlq", "--limit", "x"],
        ["status"],
        ["scale", "x"],
        ["scale", "x", "0"],
        ["scale", "x", "1001"],
    ],
    ids=" ".join,
)
def test_what_does_not_go_together_is_a_usage_error(words: list[str]) -> None:
    refused = CliRunner().invoke(cli, words)
    assert refused.exit_code == 2
    assert refused.output.startswith("Usage:")


def test_a_run_that_was_cut_off_before_it_was_sealed_is_dispatched_anew(place: Place) -> None:
    write_image(place.scan("book", 2), 302, 200)
    body, _ = prepare_task(LocalRun(task_body(), place.source, place.dest, workers=1), 1)
    # No event comes of a key with this suffix.
    upload = Upload(place.cloud.bucket, "cut-off.txt", uuid.uuid4().hex, "2000-01-01T00:00:00Z")
    place.cloud.upload_task(upload.key, body)
    run_id = derive_run_id("job1", upload)
    plan = a_plan(place.source, place.dest)
    # Opened just now: the reconciler leaves it to the Lambda that may be at it.
    opened = Run(run_id, upload, RunState.DISPATCHING, plan, dispatched_at=int(time.time()))
    assert place.cloud.ledger.open_run(opened)
    assert place.tilepool("cancel", run_id).exit_code == 0

    resumed = place.tilepool("resume", run_id)

    assert resumed.exit_code == 0, resumed.output
    assert "dispatched again" in resumed.output
    assert "4 of 4" in resumed.output
