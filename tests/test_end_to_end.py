"""The whole pipeline with real files, real processes and real HTTP, as a person would run it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
import pyvips

from console.embedded import EmbeddedCloud, embedded_cloud
from console.follow import Look, follow_upload
from pipeline.environment import DEST_STORE, SOURCE_STORE
from pipeline.run import Counts, PageState, Run, RunState
from tests.builders import ENVIRONMENT, task_body
from tests.exports import Export, pages_of
from tests.images import write_corrupt, write_image, write_pages, write_truncated

BASE_URL = "http://127.0.0.1:8123"
COLLECTION = f"{BASE_URL}/iiif/archive/Letters/collection.json"
CSV = """\ufeffIdentifier,Title,Description,Écrit par
Lettres d’été #1,Lettres d’été,"Onze pages, 1911",Zoé
Karte 50%,Große Karte,,
"""


def tilepool(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "console", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONSAFEPATH": ""},
    )


def write_source(source: Path, csv: str = CSV) -> None:
    """Write CSV and two good items, one of eleven pages of every kind, with trying names."""
    folder = source / ENVIRONMENT["CSV_PATH"]
    folder.mkdir(parents=True)
    (folder / ENVIRONMENT["CSV_NAME"]).write_text(csv, encoding="utf-8")
    suffixes = ["tif", "jpg", "png"]
    for number in range(1, 12):
        name = f"page {number} – ä+b.{suffixes[number % 3]}"
        access = source / "archive/Letters/Lettres d’été #1/Access"
        write_image(access / name, 300 + number, 200, seed=number)
    write_image(source / "archive/Letters/Karte 50%/Access/map.jpg", 2000, 1500)


@pytest.fixture
def task(tmp_path: Path) -> Path:
    file = tmp_path / "task.json"
    file.write_bytes(task_body())
    return file


def run_local(task: Path, source: Path, dest: Path) -> subprocess.CompletedProcess[str]:
    return tilepool("local", task, "--source", source, "--dest", dest, "--base-url", BASE_URL)


def test_a_folder_becomes_a_collection_and_again_without_tiling(
    task: Path, source: Path, dest: Path
) -> None:
    write_source(source)
    first = run_local(task, source, dest)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "12 of 12" in first.stdout
    manifests = Export(dest, BASE_URL).manifests(COLLECTION)
    assert list(manifests) == ["Lettres d’été", "Große Karte"]
    letters = manifests["Lettres d’été"]
    assert list(pages_of(letters)) == [(300 + number, 200) for number in range(1, 12)]
    assert letters["summary"] == {"none": ["Onze pages, 1911"]}
    assert letters["metadata"] == [{"label": {"none": ["Écrit par"]}, "value": {"none": ["Zoé"]}}]
    csv = dest / "iiif/archive/Letters/letters.csv"
    assert csv.read_text(encoding="utf-8") == CSV

    before = {file: file.stat().st_mtime_ns for file in dest.rglob("*.jpg")}
    second = run_local(task, source, dest)
    assert second.returncode == 0, second.stdout + second.stderr
    assert "12 of 12, 12 unchanged and not tiled again" in second.stdout
    assert {file: file.stat().st_mtime_ns for file in dest.rglob("*.jpg")} == before


def test_files_of_several_images_become_as_many_pages_in_order(
    tmp_path: Path, source: Path, dest: Path
) -> None:
    task = tmp_path / "task.json"
    task.write_bytes(task_body(options={"pdfDpi": 72}))
    write_source(source)
    album = source / "archive/Letters/Album/Access"
    write_image(album / "p1.jpg", 300, 200)
    write_pages(album / "p2.tif", [(321, 200), (322, 400), (323, 200)])
    write_pages(album / "p10.tif", [(310, 200)])
    write_pages(source / "archive/Letters/Bericht/bericht.pdf", [(400, 300), (200, 700)])

    first = run_local(task, source, dest)

    assert first.returncode == 0, first.stdout + first.stderr
    assert "19 of 19" in first.stdout
    assert "building 19 of 19 images" in first.stdout
    manifests = Export(dest, BASE_URL).manifests(COLLECTION)
    assert list(pages_of(manifests["Album"])) == [
        (300, 200),
        (321, 200),
        (322, 400),
        (323, 200),
        (310, 200),
    ]
    assert [canvas["label"] for canvas in manifests["Album"]["items"]] == [
        {"none": [str(number)]} for number in range(1, 6)
    ]
    assert list(pages_of(manifests["Bericht"])) == [(400, 300), (200, 700)]
    tiles = dest / "iiif/archive/Letters/tiles"
    assert {folder.name for folder in tiles.glob("Album-*")} == {
        "Album-1",
        "Album-2",
        "Album-2.2",
        "Album-2.3",
        "Album-3",
    }

    before = {file: file.stat().st_mtime_ns for file in dest.rglob("*.jpg")}
    second = run_local(task, source, dest)
    assert second.returncode == 0, second.stdout + second.stderr
    assert "19 of 19, 19 unchanged and not tiled again" in second.stdout
    assert {file: file.stat().st_mtime_ns for file in dest.rglob("*.jpg")} == before


def test_bad_images_end_as_failed_with_a_reason_and_stop_nothing_else(
    task: Path, source: Path, dest: Path
) -> None:
    write_source(source)
    bad = source / "archive/Letters/Beschädigt/Access"
    write_image(bad / "p1.tif")
    write_truncated(bad / "p2.jpg")
    write_corrupt(bad / "p3.png")
    (bad / "p4.tif").touch()
    (bad / "p5.tif").write_text("Dear reader")
    (bad / "p6.jp2").write_bytes(b"\x00\x00\x00\x0cjP  \r\n\x87\n")
    write_image(source / "archive/Letters/Ohne Zeile/Access/p1.png")

    done = run_local(task, source, dest)

    assert done.returncode == 3, done.stdout + done.stderr
    assert "14 of 19" in done.stdout
    for number, reason in {2: "damaged", 3: "damaged", 4: "empty", 5: "kind", 6: "damaged"}.items():
        (line,) = [
            line for line in done.stdout.splitlines() if f"Beschädigt, page {number} " in line
        ]
        assert reason in line
    assert "Beschädigt: no manifest, pages failed" in done.stdout
    assert "no CSV row Ohne Zeile" in done.stdout
    manifests = Export(dest, BASE_URL).manifests(COLLECTION)
    assert list(manifests) == ["Lettres d’été", "Große Karte", "Ohne Zeile"]
    assert not (dest / "iiif/archive/Letters/Beschädigt/manifest.json").exists()
    for number in range(2, 7):
        assert not list((dest / f"iiif/archive/Letters/tiles/Beschädigt-{number}").rglob("*"))


def test_a_bad_task_tells_all_its_mistakes_and_starts_nothing(
    tmp_path: Path, source: Path, dest: Path
) -> None:
    task = tmp_path / "task.json"
    task.write_bytes(task_body({"CSV_NAME": "none.csv"}))
    done = run_local(task, source, dest)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "CSV_PATH, CSV_NAME: expected a file at 'archive/Letters/csv/none.csv'" in done.stdout
    assert "ACCESS_DIR: no images found below 'archive/Letters'" in done.stdout
    assert "2 mistakes; nothing was started" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert not list(dest.rglob("*"))


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Children of a shell's background job ignore SIGINT, and theirs as well."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_command_takes_everything_with_it(
    task: Path, source: Path, dest: Path, tmp_path: Path, signum: signal.Signals
) -> None:
    write_source(source)
    write_slow_image(source / "archive/Letters/Karte 50%/Access/huge.tif")
    left = tmp_path / "left"
    left.mkdir()
    with subprocess.Popen(
        [sys.executable, "-m", "console", "local", task, "--source", source, "--dest", dest],
        env={**os.environ, "PYTHONSAFEPATH": "", "TMPDIR": str(left)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as command:
        assert command.stdout is not None
        assert command.stderr is not None
        while "tiling" not in command.stdout.readline():
            assert command.poll() is None
        command.send_signal(signum)
        assert command.wait(60) == 1
        told = command.stderr.read()
        assert told.startswith("Stopped.\nTo go on with it: tilepool resume job1-")
        assert told.count("\n") == 2
    assert list(left.iterdir()) == []


OLD_TASK = {
    "jobName": "job1",
    "jobQueue": "IIIFS3JobQueue",
    "jobDefinition": "IIIFS3JobDefinition",
    "command": "./createiiif.sh",
    "environment": [
        {"name": "AWS_REGION", "value": "us-east-1"},
        {"name": "COLLECTION_IDENTIFIER", "value": "Ms2016_012_Womens_Development_Corp_Box2"},
        {
            "name": "ACCESS_DIR",
            "value": "Women_of_Design/Ms2016_012_Womens_Development_Corp_Box2"
            "/Box2_Folder19_Synopsis/Access",
        },
        {"name": "AWS_SRC_BUCKET", "value": "ingest-dev-vtlib-store"},
        {"name": "AWS_DEST_BUCKET", "value": "ingest-dev.img.cloud.lib.vt.edu"},
        {"name": "DEST_PREFIX", "value": "iawa/Women_of_Design"},
        {"name": "DEST_URL", "value": "https://d21nnzi4oh5qvs.cloudfront.net"},
        {
            "name": "CSV_PATH",
            "value": "Women_of_Design/Ms2016_012_Womens_Development_Corp_Box2"
            "/CSV_to_upload/CSV_spreadsheets",
        },
        {"name": "CSV_NAME", "value": "Ms2016_012_Box2.csv"},
    ],
}


def test_a_task_file_of_the_existing_system_runs_unchanged(
    tmp_path: Path, source: Path, dest: Path
) -> None:
    task = tmp_path / "task.json"
    task.write_text(json.dumps(OLD_TASK))
    values = {entry["name"]: entry["value"] for entry in OLD_TASK["environment"]}  # type: ignore[index]
    for number in (1, 2):
        write_image(source / values["ACCESS_DIR"] / f"Ms2016_012_{number:03}.tif")
    csv = source / values["CSV_PATH"] / values["CSV_NAME"]
    csv.parent.mkdir(parents=True)
    csv.write_text("identifier,title\nBox2_Folder19_Synopsis,Synopsis\n")
    done = tilepool("local", task, "--source", source, "--dest", dest)
    assert done.returncode == 0, done.stdout + done.stderr
    root = f"{values['DEST_URL']}/{values['DEST_PREFIX']}/{values['COLLECTION_IDENTIFIER']}"
    export = Export(dest, values["DEST_URL"])
    (manifest,) = export.manifests(f"{root}/collection.json").values()
    assert manifest["id"] == f"{root}/Box2_Folder19_Synopsis/manifest.json"
    service = manifest["items"][1]["items"][0]["items"][0]["body"]["service"][0]["id"]
    assert service == f"{root}/tiles/Box2_Folder19_Synopsis-2"


@contextmanager
def running(
    tmp_path: Path, environment: Mapping[str, str], task: bytes
) -> Iterator[tuple[EmbeddedCloud, Iterator[Look]]]:
    """Start a cloud and a run on it."""
    quick = {"TILEPOOL_IDLE_SECONDS": "1", "TILEPOOL_PROCESSES": "1", **environment}
    with embedded_cloud(tmp_path / "cloud", quick) as cloud:
        yield cloud, follow_upload(cloud, cloud.upload_task("task.json", task))


def end_of(looks: Iterator[Look]) -> Run:
    *_, last = looks
    return last.run


def folders(source: Path, dest: Path) -> dict[str, str]:
    return {SOURCE_STORE: source.as_uri(), DEST_STORE: dest.as_uri()}


def workers_of(cloud: EmbeddedCloud) -> list[int]:
    """Return the process ids of the cloud's workers."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                command = (folder / "cmdline").read_bytes().split(b"\0")
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
            if command[1:3] == [b"-m", b"worker"] and parent == cloud.process:
                found.append(int(folder.name))
    return found


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_workers_that_die_at_work_lose_nothing(
    tmp_path: Path, source: Path, dest: Path, signum: signal.Signals
) -> None:
    write_source(source)
    # It keeps the run at tiling for seconds, however quick or slow the machine is.
    write_slow_image(source / "archive/Letters/Karte 50%/Access/huge.tif", side=20_000)
    environment = {**folders(source, dest), "TILEPOOL_LEASE_SECONDS": "3"}
    body = task_body({"DEST_URL": BASE_URL}, workers=2)
    with running(tmp_path, environment, body) as (cloud, looks):
        victims: list[int] = []
        for look in looks:
            ended = look.counts.done + look.counts.failed
            if not victims and look.run.state is RunState.TILING and ended >= 1:
                # One is left, as its place on Batch would be taken by another.
                victims = workers_of(cloud)[:1]
                os.kill(victims[0], signum)
        assert victims
        assert look.run.state is RunState.DONE
        assert look.counts == Counts(13, 13, 0)
        rows = list(cloud.ledger.pages(look.run.run_id))
        assert {row.state for row in rows} == {PageState.DONE}
    assert len(Export(dest, BASE_URL).manifests(COLLECTION)) == 2


def test_a_small_run_is_tiled_while_a_large_one_before_it_still_waits(
    tmp_path: Path, source: Path, dest: Path
) -> None:
    write_source(source)
    large = source / "archive/Large/Access"
    for number in range(500):
        write_image(large / f"p{number}.jpg", 60, 40)
    body = task_body({"ACCESS_DIR": "archive/Large"}, workers=1)
    with running(tmp_path, folders(source, dest), body) as (cloud, looks):
        assert next(look for look in looks if look.counts.done).counts.pending > 100
        small = follow_upload(cloud, cloud.upload_task("small.json", task_body(workers=1)))
        assert next(look for look in small if look.counts.done == 12).counts.pending == 0
        assert next(looks).counts.pending > 0


def test_the_same_runs_from_bucket_to_bucket(tmp_path: Path, source: Path) -> None:
    write_source(source)
    with embedded_cloud(tmp_path / "cloud", {"TILEPOOL_IDLE_SECONDS": "1"}) as cloud:
        s3 = cloud.session.client("s3", endpoint_url=cloud.url)
        for bucket in (ENVIRONMENT["AWS_SRC_BUCKET"], ENVIRONMENT["AWS_DEST_BUCKET"]):
            s3.create_bucket(Bucket=bucket)
        for file in source.rglob("*.*"):
            key = file.relative_to(source).as_posix()
            s3.upload_file(str(file), ENVIRONMENT["AWS_SRC_BUCKET"], key)
        body = task_body(workers=1, jobQueue=None, jobDefinition=None)
        run = end_of(follow_upload(cloud, cloud.upload_task("task.json", body)))
        assert run.state is RunState.DONE
        assert run.plan is not None
        assert run.plan.manifest_job_definition == "tilepool-manifests"
        root = "iiif/archive/Letters"
        for key, content_type in {
            f"{root}/collection.json": "application/ld+json;profile="
            '"http://iiif.io/api/presentation/3/context.json"',
            f"{root}/tiles/Karte 50%-1/info.json": "application/ld+json;profile="
            '"http://iiif.io/api/image/3/context.json"',
            f"{root}/tiles/Karte 50%-1/full/max/0/default.jpg": "image/jpeg",
            f"{root}/letters.csv": "text/csv; charset=utf-8",
        }.items():
            head = s3.head_object(Bucket=ENVIRONMENT["AWS_DEST_BUCKET"], Key=key)
            assert head["ContentType"] == content_type
            assert head["CacheControl"].startswith("public, max-age=")


def test_a_worker_told_to_stop_leaves_in_time_with_its_message_given_back(
    tmp_path: Path, source: Path, dest: Path
) -> None:
    write_source(source)
    folder = source / "archive/Letters/Karte 50%/Access"
    for file in folder.iterdir():
        file.unlink()
    write_slow_image(folder / "huge.tif")
    environment = {
        **folders(source, dest),
        "TILEPOOL_LEASE_SECONDS": "600",
        "TILEPOOL_GRACE_SECONDS": "1",
    }
    body = task_body({"ACCESS_DIR": "archive/Letters/Karte 50%"}, workers=1)
    with running(tmp_path, environment, body) as (cloud, looks):
        look = next(look for look in looks if cloud.outbox.depth().in_flight)
        (pid,) = workers_of(cloud)
        started = time.monotonic()
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGTERM)
        (worker,) = cloud.ledger.worker_jobs(look.run.run_id)
        while cloud.batch.describe_jobs(jobs=[worker.job_id])["jobs"][0]["status"] != "SUCCEEDED":
            assert time.monotonic() - started < 25
            threading.Event().wait(0.1)
        # With a lease of ten minutes, a message in hand would be out of reach.
        sqs = cloud.session.client("sqs", endpoint_url=cloud.url)
        url = sqs.get_queue_url(QueueName="tilepool-pages")["QueueUrl"]
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        assert attributes["ApproximateNumberOfMessagesNotVisible"] == "0"
        assert attributes["ApproximateNumberOfMessages"] == "1"
        assert cloud.ledger.counts(look.run.run_id) == Counts(1, 0, 0)


def test_a_page_that_never_succeeds_fails_at_last_and_the_run_ends(
    tmp_path: Path, source: Path, dest: Path
) -> None:
    write_source(source)
    # Too large for the time it is given: a transient fault, as good as a process that dies.
    write_slow_image(source / "archive/Letters/Karte 50%/Access/huge.tif")
    quick = {"TILEPOOL_PAGE_SECONDS": "1", "TILEPOOL_BACKOFF_SECONDS": "0"}
    environment = {**folders(source, dest), **quick}
    with running(tmp_path, environment, task_body(workers=1)) as (cloud, looks):
        run = end_of(looks)
        assert run.state is RunState.DONE_WITH_FAILURES
        assert cloud.ledger.counts(run.run_id) == Counts(13, 12, 1)
        (row,) = cloud.ledger.pages(run.run_id, PageState.FAILED)
        assert row.reason == "tiling took longer than 1 s (after 5 attempts)"
        assert run.summary is not None
        assert run.summary.withheld == ("Karte 50%",)


def write_slow_image(file: Path, side: int = 30_000) -> None:
    """Write an image that takes many seconds to tile."""
    pyvips.Image.black(side, side).write_to_file(str(file), compression="deflate")
