"""A task from one local folder to another, on the embedded cloud."""

import json
import os
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from console.deployment import Deployment, Uploaded
from console.embedded import JOB_ENVIRONMENT, EmbeddedCloud
from console.errors import ConsoleError, ExitCode
from console.follow import Look, await_run, follow_upload
from console.options import Where
from console.place import embedded_deployment
from pipeline.pool import living_jobs
from pipeline.run import Page, PageState, Run, RunState
from pipeline.task import BUCKET_NAME, is_folder_url

DEFAULT_WORKERS = 2
ABOUT_TO_OPEN_SECONDS = 10
"""After an interrupt, so long for the run of what was just uploaded to come, to be cancelled."""


@dataclass(frozen=True, slots=True)
class LocalRun:
    """What `tilepool local` was asked for; None means what the task says."""

    task: bytes
    source: Path
    dest: Path
    workers: int | None = None
    base_url: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """An ended run, its failed pages, and its wall time."""

    run: Run
    failures: tuple[Page, ...]
    seconds: float


def run_locally(local: LocalRun, where: Where, watch: Callable[[Look], None]) -> Result:
    """Run a task to its end, calling `watch` with each look at it.

    Its rows, dead letters and logs stay in the embedded cloud's folder. Raises ConsoleError when
    the run cannot come to an end.
    """
    started = time.monotonic()
    make_dest(local.dest)
    cores = os.cpu_count() or 1
    body, workers = prepare_task(local, cores)
    environment = {**JOB_ENVIRONMENT, "TILEPOOL_PROCESSES": str(max(1, cores // workers))}
    with embedded_deployment(where, environment) as cloud:
        # A cloud that is kept, or shared with another command, serves many uploads.
        key = f"{uuid.uuid4()}/task.json"
        look = _follow(cloud, cloud.upload_task(key, body), watch)
        failures = tuple(_failures(cloud.ledger.pages(look.run.run_id, PageState.FAILED)))
        # What the embedded cloud takes to stop is no part of the run.
        seconds = time.monotonic() - started
    return Result(look.run, failures, seconds)


def make_dest(dest: Path) -> None:
    """Make the folder of an export, where it is not there; raises ConsoleError if it cannot be."""
    try:
        dest.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = f"--dest: {dest} cannot be made a folder: {error.strerror}"
        raise ConsoleError(reason, ExitCode.USAGE) from error
    if not os.access(dest, os.W_OK | os.X_OK):
        raise ConsoleError(f"--dest: {dest} cannot be written to", ExitCode.USAGE)


def _follow(cloud: EmbeddedCloud, uploaded: Uploaded, watch: Callable[[Look], None]) -> Look:
    """Return the last look at the run of an upload.

    A run that is interrupted is cancelled, and so is one that would wait for ever.
    """
    look: Look | None = None
    try:
        for look in follow_upload(cloud, uploaded):  # the last is wanted, and the latest
            watch(look)
    except KeyboardInterrupt:
        run_id = look.run.run_id if look else await_run(cloud, uploaded, ABOUT_TO_OPEN_SECONDS)
        raise cancel_interrupted(cloud, run_id) from None
    except ConsoleError:
        if look is not None and look.run.state is RunState.DISPATCHING:
            cloud.ledger.cancel(look.run.run_id, time.time())
        raise
    if look is None:
        raise ConsoleError(f"no run came of the upload {uploaded.key}")
    return look


def cancel_interrupted(
    place: Deployment, run_id: str | None, options: str = ""
) -> KeyboardInterrupt:
    """Cancel a run, if there is one, whose cloud ends; return what its user's interrupt says.

    Else a later command, on the same state, would go on with it unasked.
    """
    if run_id is None or not place.ledger.cancel(run_id, time.time()):
        return KeyboardInterrupt()
    living = living_jobs(run_id, place.ledger, place.jobs)
    place.jobs.terminate(sorted(living), "stopped by its user")
    return KeyboardInterrupt(f"To go on with it: tilepool resume {run_id}{options}")


def prepare_task(local: LocalRun, cores: int) -> tuple[bytes, int]:
    """Return the task file to upload, and its workers.

    Buckets, `workers` and DEST_URL are replaced as asked. A task that is no JSON is uploaded as it
    is: the dispatcher tells what is wrong with it.
    """
    try:
        task = json.loads(local.task.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return local.task, DEFAULT_WORKERS
    if not isinstance(task, dict):
        return local.task, DEFAULT_WORKERS
    entries = task.get("environment")
    if isinstance(entries, list):
        _replace_bucket(entries, "AWS_SRC_BUCKET", local.source)
        _replace_bucket(entries, "AWS_DEST_BUCKET", local.dest)
        if local.base_url is not None:
            _replace_dest_url(entries, local.base_url)
    workers = local.workers
    if workers is None:
        # A task made for AWS may ask for hundreds.
        asked = task.get("workers", DEFAULT_WORKERS)
        workers = min(asked, cores) if isinstance(asked, int) and asked > 0 else None
    if workers is not None:
        task["workers"] = workers
    return json.dumps(task).encode(), workers or DEFAULT_WORKERS


def _replace_bucket(entries: list[Any], name: str, folder: Path) -> None:
    """Let a folder play a bucket; what is no bucket's name stays, for the dispatcher to tell."""
    for entry in _named(entries, name):
        value = entry.get("value")
        if isinstance(value, str) and (BUCKET_NAME.fullmatch(value) or is_folder_url(value)):
            entry["value"] = folder.resolve().as_uri()


def _replace_dest_url(entries: list[Any], base_url: str) -> None:
    given = _named(entries, "DEST_URL")
    for entry in given:
        entry["value"] = base_url
    if not given:
        entries.append({"name": "DEST_URL", "value": base_url})


def _named(entries: list[Any], name: str) -> list[dict[str, Any]]:
    return [entry for entry in entries if isinstance(entry, dict) and entry.get("name") == name]


def _failures(pages: Iterable[Page]) -> list[Page]:
    return sorted(pages, key=lambda page: page.message.place)
