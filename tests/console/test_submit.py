"""`tilepool submit`: a task is checked here, uploaded, and its run named, or why there is none."""

import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from console.__main__ import cli
from console.cloud.folder import CloudFolder
from console.commands.submitting import submit_file
from console.deployment import Deployment, Uploaded
from console.embedded import NEVER_SECONDS, EmbeddedCloud, embedded_cloud
from console.errors import ConsoleError, ExitCode
from console.keep import bring_up
from console.options import Where
from console.submit import Folders, TaskFile, find_run_of, prepare_file
from pipeline.errors import BadTask
from pipeline.run import RunState, Upload
from tests.builders import ENVIRONMENT, a_run, new_run_id, task_body
from tests.console.halting import tiling
from tests.console.test_failed_uploads import lambda_record, on_aws, own_queue, put, s3_event
from tests.console.test_keep import kept, tilepool, until
from tests.console.test_kept_runs import task
from tests.fakes import MemoryLedger
from tests.images import write_image

__all__ = ["kept", "on_aws", "own_queue", "task"]

EMBEDDED = Where(Path("unused"))
STACK = Where(Path("unused"), "archive", " --stack archive")


def folder_urls(source: Path, dest: Path) -> dict[str, str]:
    return {"AWS_SRC_BUCKET": source.as_uri(), "AWS_DEST_BUCKET": dest.as_uri()}


# What is uploaded


def test_every_upload_has_a_key_of_its_own_that_tells_what_it_is() -> None:
    keys = [prepare_file(task_body(jobName="Ärmel 1/2"), None, STACK).key for _ in range(2)]
    assert len(set(keys)) == 2
    for key in keys:
        assert re.fullmatch(r"tasks/\d{8}T\d{6}Z-rmel-1-2-[0-9a-f]{8}\.json", key)


def test_to_a_stack_the_file_goes_as_it_is() -> None:
    body = b"\xef\xbb\xbf" + task_body(workers=500)
    assert prepare_file(body, None, STACK).body == body


def test_on_the_embedded_cloud_folders_play_the_buckets(source: Path, tmp_path: Path) -> None:
    dest = tmp_path / "new" / "dest"
    body = prepare_file(task_body(workers=900), Folders(source, dest), EMBEDDED).body
    content = json.loads(body)
    values = {entry["name"]: entry["value"] for entry in content["environment"]}
    assert values == ENVIRONMENT | folder_urls(source, dest)
    assert content["workers"] <= (os.cpu_count() or 1)
    assert dest.is_dir()


def test_a_task_that_names_folders_needs_none(source: Path, dest: Path) -> None:
    body = task_body(folder_urls(source, dest))
    assert prepare_file(body, None, EMBEDDED).body == body


def mistakes(environment: Mapping[str, Any], where: Where) -> tuple[str, ...]:
    with pytest.raises(BadTask) as caught:
        prepare_file(task_body(environment), None, where)
    return caught.value.errors


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({}, "'scans' or 'exports'"),
        ({"AWS_SRC_BUCKET": "file:///scans"}, "'exports'"),
        ({"AWS_DEST_BUCKET": "file:///exports"}, "'scans'"),
    ],
)
def test_the_embedded_cloud_has_no_buckets(environment: dict[str, str], named: str) -> None:
    (told,) = mistakes(environment, EMBEDDED)
    assert told.startswith(f"the embedded cloud has no bucket {named}: name folders by --source")


def test_a_stack_has_no_folders() -> None:
    told = mistakes({"AWS_SRC_BUCKET": "file:///a", "AWS_DEST_BUCKET": "file:///b"}, STACK)
    assert [line.partition(":")[0] for line in told] == ["AWS_SRC_BUCKET", "AWS_DEST_BUCKET"]
    assert all("is a folder, which the embedded cloud alone takes" in line for line in told)


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["submit", *map(str, arguments)])


@pytest.mark.parametrize("where", [["--stack", "archive"], ["--dir", "cloud"]])
def test_all_mistakes_of_a_task_are_told_and_nothing_is_asked_of_a_deployment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("task.json").write_bytes(task_body({"CSV_NAME": None, "DEST_URL": 7}, jobName=""))
    done = invoke("task.json", *where)
    assert done.exit_code == 2
    lines = done.stderr.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("Error: task.json: ") for line in lines)
    assert "Error: task.json: environment: CSV_NAME: missing" in lines
    assert done.stdout == ""
    assert not Path("cloud").exists()


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[]", b"[" * 100_000])
def test_what_is_no_task_is_one_line(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "task.json").write_bytes(body)
    done = invoke(tmp_path / "task.json")
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--source", ".", "--dest", "out", "--stack", "archive"], "not for a stack ('archive'"),
        (["--source", "."], "expected both --source and --dest"),
        (["--dest", "out"], "expected both --source and --dest"),
        (["--source", "missing", "--dest", "out"], "missing"),
        (["--dir", "cloud", "--stack", "archive"], "either --stack or --dir"),
    ],
)
def test_what_does_not_go_together_is_a_usage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("task.json").write_bytes(task_body())
    done = invoke("task.json", *words)
    assert done.exit_code == 2
    assert done.stderr.startswith("Usage:")
    assert told in done.stderr
    assert not Path("out").exists()


def test_folders_are_not_for_a_stack_that_a_variable_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TILEPOOL_STACK", "archive")
    (tmp_path / "task.json").write_bytes(task_body())
    done = invoke(tmp_path / "task.json", "--source", tmp_path, "--dest", tmp_path)
    assert done.exit_code == 2
    assert "'archive', by --stack or $TILEPOOL_STACK" in done.stderr


# What comes of it


def no_event() -> TaskFile:
    """Return a file of which no event comes, as its key has another suffix."""
    return TaskFile(f"{new_run_id()}.txt", task_body())


def submitted(
    file: TaskFile, place: Deployment, *, wait: bool = False, patience: float = 0
) -> tuple[ExitCode, str]:
    console = Console(file=io.StringIO(), width=200)
    code = submit_file(file, place, console, STACK, wait=wait, patience=patience)
    assert isinstance(console.file, io.StringIO)
    return code, console.file.getvalue()


def open_run(place: Deployment, file: TaskFile, **fields: Any) -> str:
    """Write the row that the dispatcher would."""
    upload = Upload(place.bucket, file.key, "1", "2100-01-01T00:00:00.000Z")
    run = a_run(new_run_id(), upload=upload, **fields)
    assert place.ledger.open_run(run)
    return run.run_id


@pytest.fixture
def memory(on_aws: Deployment) -> Deployment:
    """What looks like a deployment on AWS, with a ledger of its own."""
    vars(on_aws)["ledger"] = MemoryLedger()
    return on_aws


def test_the_run_is_named_and_the_command_that_looks_at_it(memory: Deployment) -> None:
    file = no_event()
    run_id = open_run(memory, file)
    code, told = submitted(file, memory)
    assert code is ExitCode.DONE
    assert told == (
        f"Uploaded as {memory.bucket}/{file.key}\n"
        f"{run_id}: dispatching\n"
        f"  next       `tilepool status {run_id} --stack archive`\n"
    )
    stored = memory.s3.get_object(Bucket=memory.bucket, Key=file.key)["Body"].read()
    assert stored == file.body


def test_where_no_run_comes_in_time_it_is_told_how_to_look(memory: Deployment) -> None:
    code, told = submitted(no_event(), memory)
    assert code is ExitCode.DONE
    assert "No run has come of it so far" in told
    assert told.endswith("  next       `tilepool runs --stack archive`\n")


def test_where_no_run_comes_that_was_to_be_waited_for_it_is_a_failure(memory: Deployment) -> None:
    with pytest.raises(ConsoleError, match=r"no run has come of .* within 0 s") as caught:
        submitted(no_event(), memory, wait=True)
    assert caught.value.exit_code is ExitCode.FAILED


def test_the_mistakes_of_a_rejected_run_are_told_at_once(memory: Deployment) -> None:
    file = no_event()
    errors = ("AWS_SRC_BUCKET: 'scans': expected a bucket that exists", "CSV_NAME: …")
    open_run(memory, file, state=RunState.REJECTED, errors=errors)
    code, told = submitted(file, memory)
    assert code is ExitCode.USAGE
    assert all(f"  {error}\n" in told for error in errors)
    assert "The task has 2 mistakes; nothing was started." in told


def test_a_run_that_has_ended_already_is_not_waited_for(memory: Deployment) -> None:
    file = no_event()
    run_id = open_run(memory, file, state=RunState.CANCELLED)
    assert submitted(file, memory)[0] is ExitCode.DONE
    code, told = submitted(file, memory, wait=True)
    assert code is ExitCode.FAILED
    assert f"tilepool resume {run_id} --stack archive" in told


def test_a_dispatcher_that_failed_on_aws_is_told_with_its_queue(on_aws: Deployment) -> None:
    file = no_event()
    put(on_aws, lambda_record(file.key, answer={"errorMessage": "no answer"}))
    with pytest.raises(ConsoleError, match=r"the dispatcher failed \(no answer\); .* queue http"):
        submitted(file, on_aws, patience=60)


def test_a_dispatcher_that_failed_on_the_embedded_cloud_is_told_with_its_log(
    own_queue: EmbeddedCloud,
) -> None:
    file = no_event()
    put(own_queue, s3_event(file.key))
    with pytest.raises(ConsoleError, match=r"the dispatcher failed; see .*/dispatcher\.log") as e:
        submitted(file, own_queue, patience=60)
    assert e.value.exit_code is ExitCode.FAILED


class Interrupted(MemoryLedger):
    """A ledger whose user interrupts the first look for a run."""

    def __init__(self) -> None:
        super().__init__()
        self._looks = 0

    def run_of_upload(self, bucket: str, key: str, since: str) -> str | None:
        self._looks += 1
        if self._looks == 1:
            raise KeyboardInterrupt
        return super().run_of_upload(bucket, key, since)


def interrupt(place: Deployment, file: TaskFile) -> str:
    uploaded = Uploaded(file.key, "2026-01-01T00:00:00")
    with pytest.raises(KeyboardInterrupt) as caught:
        find_run_of(place, uploaded, STACK, wait=True)
    return str(caught.value)


def test_an_interrupt_before_there_is_a_run_says_that_it_goes_on(on_aws: Deployment) -> None:
    vars(on_aws)["ledger"] = Interrupted()
    told = interrupt(on_aws, no_event())
    assert told == "It is uploaded, and goes on: tilepool runs --stack archive"


def test_on_a_cloud_that_ends_an_interrupted_run_is_cancelled(on_aws: Deployment) -> None:
    place, file = replace(on_aws, private=True), no_event()
    vars(place)["ledger"] = Interrupted()
    run_id = open_run(place, file)
    told = interrupt(place, file)
    assert told == f"To go on with it: tilepool resume {run_id} --stack archive"
    run = place.ledger.load_run(run_id)
    assert run is not None
    assert run.state is RunState.CANCELLED


# With real processes


def run_ids(folder: CloudFolder) -> list[str]:
    with embedded_cloud(folder.path, {}, NEVER_SECONDS) as cloud:
        return list(cloud.ledger.runs())


def test_on_a_cloud_that_ends_with_it_submit_waits(
    kept: CloudFolder, task: Path, source: Path, dest: Path
) -> None:
    done = tilepool("submit", task, "--source", source, "--dest", dest, "--dir", kept.path)
    assert done.returncode == 3, done.stdout + done.stderr
    (run_id,) = run_ids(kept)
    assert f"\n{run_id}: " in done.stdout
    assert f"`tilepool replay {run_id} --dir {kept.path}`" in done.stdout
    assert (dest / "iiif/archive/Letters/book/manifest.json").exists()


def test_the_same_file_twice_is_two_runs(
    kept: CloudFolder, task: Path, source: Path, dest: Path
) -> None:
    content = json.loads(task.read_bytes())
    for entry in content["environment"]:
        entry["value"] = folder_urls(source, dest).get(entry["name"], entry["value"])
    task.write_text(json.dumps(content))
    bring_up(kept.path)
    waited = tilepool("submit", task, "--wait", "--dir", kept.path)
    assert waited.returncode == 3, waited.stdout + waited.stderr
    at_once = tilepool("submit", task, "--dir", kept.path)
    assert at_once.returncode == 0, at_once.stdout + at_once.stderr
    second, first = run_ids(kept)
    assert f"\n{first}: " in waited.stdout
    assert at_once.stdout.endswith(f"`tilepool status {second} --dir {kept.path}`\n")


def test_what_only_the_dispatcher_can_tell_is_told(
    kept: CloudFolder, task: Path, source: Path, dest: Path
) -> None:
    (source / ENVIRONMENT["CSV_PATH"] / ENVIRONMENT["CSV_NAME"]).unlink()
    bring_up(kept.path)
    done = tilepool("submit", task, "--source", source, "--dest", dest, "--dir", kept.path)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "CSV_PATH, CSV_NAME: expected a file at" in done.stdout
    assert "nothing was started" in done.stdout


def test_a_run_that_is_followed_goes_on_when_its_user_stops(
    kept: CloudFolder, task: Path, source: Path, dest: Path
) -> None:
    # So much that it is still at work when it is halted.
    for number in range(14):
        write_image(source / ENVIRONMENT["ACCESS_DIR"] / f"book/Access/q{number}.tif", 4_000, 4_000)
    bring_up(kept.path)
    words = ["submit", task, "--source", source, "--dest", dest, "--wait", "--dir", kept.path]
    with subprocess.Popen(
        [sys.executable, "-m", "console", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if line.startswith("tiling"):
                break
        with embedded_cloud(kept.path, {}, NEVER_SECONDS) as cloud:
            halted = tiling(cloud.process)
        for process in halted:
            os.kill(process, signal.SIGSTOP)
        running.send_signal(signal.SIGINT)
        _, told = running.communicate(timeout=60)
        for process in halted:
            os.kill(process, signal.SIGCONT)
    assert running.returncode == 1
    with embedded_cloud(kept.path, {}, NEVER_SECONDS) as cloud:
        (run_id,) = cloud.ledger.runs()
        assert told == f"Stopped.\nIt goes on: tilepool status {run_id} --dir {kept.path}\n"

        def has_ended() -> bool:
            run = cloud.ledger.load_run(run_id)
            return run is not None and run.state is RunState.DONE_WITH_FAILURES

        until(has_ended)
