"""Runs on an embedded cloud that is kept: they are found later, cut off, and go on."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from console.cloud.folder import CloudFolder
from console.embedded import JOB_ENVIRONMENT, NEVER_SECONDS, embedded_cloud
from console.keep import bring_down, bring_up
from console.local import LocalRun, run_locally
from console.options import Where
from pipeline.run import Counts, PageState, RunState, Upload
from tests.builders import ENVIRONMENT, a_message, a_plan, a_run, new_run_id, task_body
from tests.console.test_keep import kept, tilepool, until
from tests.images import write_corrupt, write_image

__all__ = ["kept"]


@pytest.fixture
def task(tmp_path: Path, source: Path) -> Path:
    """A task of three good images and a damaged one, in two items."""
    csv = source / ENVIRONMENT["CSV_PATH"] / ENVIRONMENT["CSV_NAME"]
    csv.parent.mkdir(parents=True)
    csv.write_text("identifier,title\nbook,Book\nmap,Map\n")
    folder = source / ENVIRONMENT["ACCESS_DIR"]
    for number in (1, 2):
        write_image(folder / f"book/Access/p{number}.tif", 300, 200)
    write_image(folder / "map/Access/p1.jpg", 300, 200)
    write_corrupt(folder / "map/Access/p2.jpg")
    file = tmp_path / "task.json"
    file.write_bytes(task_body())
    return file


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_local_run_is_found_by_later_commands(
    kept: CloudFolder, task: Path, source: Path, dest: Path, is_kept: bool
) -> None:
    if is_kept:
        bring_up(kept.path)
    for folder in (dest, dest / "second"):
        done = tilepool("local", task, "--source", source, "--dest", folder, "--dir", kept.path)
        assert done.returncode == 3, done.stdout + done.stderr
        assert (folder / "iiif/archive/Letters/book/manifest.json").exists()
    with embedded_cloud(kept.path, {}, NEVER_SECONDS) as cloud:
        runs = list(cloud.ledger.runs())
        assert len(runs) == 2
        for run_id in runs:
            (failed,) = cloud.ledger.pages(run_id, PageState.FAILED)
            assert failed.message.item == "map"
        assert cloud.dead_letters.depth() == 2


def test_a_local_run_does_not_wait_for_one_that_was_cut_off(
    kept: CloudFolder, task: Path, source: Path, dest: Path
) -> None:
    plan = a_plan(dest_store=dest.resolve().as_uri())
    with embedded_cloud(kept.path, JOB_ENVIRONMENT, NEVER_SECONDS) as cloud:
        cut_off = a_run(new_run_id(), plan, state=RunState.TILING)
        cloud.ledger.open_run(cut_off)
        assert not cloud.ledger.take_items(cut_off.run_id, plan.export, ["map"])
        told = tilepool("local", task, "--source", source, "--dest", dest, "--dir", kept.path)
        (waiting,) = set(cloud.ledger.runs()) - {cut_off.run_id}
        run = cloud.ledger.load_run(waiting)
    assert told.returncode == 1
    assert f"waits for run {cut_off.run_id}" in " ".join(told.stdout.split())
    assert f"tilepool cancel {cut_off.run_id}" in " ".join(told.stderr.split())
    assert run is not None
    assert run.state is RunState.CANCELLED


def test_a_run_that_is_interrupted_before_it_has_opened_is_cancelled_too(
    kept: CloudFolder, task: Path, source: Path, dest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("console.local.follow_upload", interrupted)
    wanted = LocalRun(task.read_bytes(), source, dest)
    with pytest.raises(KeyboardInterrupt, match="To go on with it: tilepool resume"):
        run_locally(wanted, Where(kept.path), lambda _: None)
    with embedded_cloud(kept.path, {}, NEVER_SECONDS) as cloud:
        (run_id,) = cloud.ledger.runs()
        run = cloud.ledger.load_run(run_id)
    assert run is not None
    assert run.state is RunState.CANCELLED


def test_a_message_that_nobody_expects_is_served_before_a_pass_by_hand_ends(
    kept: CloudFolder,
) -> None:
    with embedded_cloud(kept.path, {}, NEVER_SECONDS) as cloud:
        cloud.ledger.open_run(a_run(new_run_id(), state=RunState.DONE))
        cloud.outbox.send([a_message("a run that nobody knows")])
    told = tilepool("reconcile", "--dir", kept.path)
    assert told.returncode == 0, told.stdout + told.stderr
    assert "workers started" in told.stdout
    with embedded_cloud(kept.path, {}, NEVER_SECONDS) as cloud:
        assert (sum(cloud.outbox.depth()), cloud.dead_letters.depth()) == (0, 1)


def test_a_run_that_a_pass_by_hand_has_reopened_is_built_before_it_ends(
    kept: CloudFolder, task: Path, source: Path, dest: Path
) -> None:
    done = tilepool("local", task, "--source", source, "--dest", dest, "--dir", kept.path)
    assert done.returncode == 3, done.stdout + done.stderr
    write_image(source / ENVIRONMENT["ACCESS_DIR"] / "map/Access/p2.jpg", 300, 200)
    with embedded_cloud(kept.path, {}, NEVER_SECONDS) as cloud:
        (older,) = cloud.ledger.runs()
        newer = Upload("uploads", "newer", "1", "2100-01-01T00:00:00Z")
        cloud.ledger.open_run(a_run(new_run_id(), state=RunState.DONE, upload=newer))
        # As a redrive does that was cut off before it could start workers.
        with cloud.dead_letters.take(1) as hand:
            (letter,) = hand.letters()
            assert letter.message is not None
            cloud.outbox.send([letter.message])
            hand.remove(letter)
    told = tilepool("reconcile", "--dir", kept.path)
    assert told.returncode == 0, told.stdout + told.stderr
    with embedded_cloud(kept.path, {}, NEVER_SECONDS) as cloud:
        run = cloud.ledger.load_run(older)
    assert run is not None
    assert run.state is RunState.DONE


def test_what_is_no_upload_in_the_queue_of_uploads_keeps_no_task_from_its_run(
    kept: CloudFolder, task: Path, source: Path, dest: Path
) -> None:
    bring_up(kept.path)
    with embedded_cloud(kept.path) as cloud:
        uploads = cloud.failed_uploads_queue.removesuffix("-failed")
        for body in ("garbage", "[]", "7", '{"Records": [{"s3": "x"}]}', '{"Records": 7}', "{}"):
            for queue in (uploads, cloud.failed_uploads_queue):
                cloud.sqs.send_message(QueueUrl=queue, MessageBody=body)
        done = tilepool("local", task, "--source", source, "--dest", dest, "--dir", kept.path)
        assert done.returncode == 3, done.stdout + done.stderr


def test_a_run_cut_off_by_the_clouds_end_goes_on_when_it_is_up_again(
    kept: CloudFolder, task: Path, source: Path, dest: Path
) -> None:
    content = json.loads(task.read_bytes())
    for entry in content["environment"]:
        folders = {"AWS_SRC_BUCKET": source.as_uri(), "AWS_DEST_BUCKET": dest.as_uri()}
        entry["value"] = folders.get(entry["name"], entry["value"])
    bring_up(kept.path)
    with embedded_cloud(kept.path) as cloud:
        cloud.upload_task("cut/task.json", json.dumps(content).encode())
        until(lambda: list(cloud.ledger.runs()))
        # Down in the midst of it, wherever that is.
        bring_down(kept.path)
    bring_up(kept.path)
    with embedded_cloud(kept.path) as cloud:
        (run_id,) = cloud.ledger.runs()

        def has_ended() -> bool:
            run = cloud.ledger.load_run(run_id)
            return run is not None and run.state.ended

        until(has_ended)
        run = cloud.ledger.load_run(run_id)
        assert run is not None
        assert run.state is RunState.DONE_WITH_FAILURES
        assert cloud.ledger.counts(run_id) == Counts(4, 3, 1)


def test_an_interrupted_local_run_is_cancelled_and_says_how_to_go_on(
    kept: CloudFolder, task: Path, source: Path, dest: Path
) -> None:
    # So many that it is still at work when it is told to stop.
    for number in range(200):
        write_image(source / ENVIRONMENT["ACCESS_DIR"] / f"book/Access/q{number}.tif", 900, 900)
    arguments = ["local", task, "--source", source, "--dest", dest, "--dir", kept.path]
    with subprocess.Popen(
        [sys.executable, "-m", "console", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if line.startswith("tiling"):
                break
        running.send_signal(signal.SIGTERM)
        _, told = running.communicate(timeout=60)
    assert running.returncode == 1
    with embedded_cloud(kept.path, {}, NEVER_SECONDS) as cloud:
        (run_id,) = cloud.ledger.runs()
        assert told == f"Stopped.\nTo go on with it: tilepool resume {run_id}\n"
        run = cloud.ledger.load_run(run_id)
        assert run is not None
        assert run.state is RunState.CANCELLED
        assert list(cloud.ledger.open_runs()) == []
