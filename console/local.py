"""A task from one local folder to another, on an embedded cloud that lives as long as the run."""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from console.embedded import embedded_cloud
from console.errors import ConsoleError, ExitCode
from console.follow import Look, follow_run
from pipeline.environment import DEST_STORE, SOURCE_STORE
from pipeline.run import Page, PageState, Run

DEFAULT_WORKERS = 2
IDLE_SECONDS = 2
LEASE_SECONDS = 30
"""So long a page waits when its worker was killed."""
TASK_KEY = "task.json"


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


def run_locally(local: LocalRun, watch: Callable[[Look], None]) -> Result:
    """Run a task to its end, calling `watch` with each look at it.

    Raises ConsoleError when the run cannot come to an end, and keeps the logs then.
    """
    started = time.monotonic()
    try:
        local.dest.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = f"--dest: {local.dest} cannot be made a folder: {error.strerror}"
        raise ConsoleError(reason, ExitCode.USAGE) from error
    if not os.access(local.dest, os.W_OK | os.X_OK):
        raise ConsoleError(f"--dest: {local.dest} cannot be written to", ExitCode.USAGE)
    cores = os.cpu_count() or 1
    body, workers = prepare_task(local, cores)
    environment = {
        SOURCE_STORE: local.source.resolve().as_uri(),
        DEST_STORE: local.dest.resolve().as_uri(),
        "TILEPOOL_PROCESSES": str(max(1, cores // workers)),
        "TILEPOOL_IDLE_SECONDS": str(IDLE_SECONDS),
        "TILEPOOL_LEASE_SECONDS": str(LEASE_SECONDS),
    }
    with _logs() as logs, embedded_cloud(environment, logs) as cloud:
        cloud.upload_task(TASK_KEY, body)
        for look in follow_run(cloud, TASK_KEY):
            watch(look)
        failures = tuple(_failures(cloud.ledger.pages(look.run.run_id, PageState.FAILED)))
        # What the embedded cloud takes to stop is no part of the run.
        seconds = time.monotonic() - started
    return Result(look.run, failures, seconds)


@contextmanager
def _logs() -> Iterator[Path]:
    """Make a folder for logs; it stays only where an error names it."""
    logs = Path(tempfile.mkdtemp(prefix="tilepool-logs-"))
    try:
        yield logs
    except ConsoleError:
        raise
    except BaseException:
        shutil.rmtree(logs)
        raise
    shutil.rmtree(logs)


def prepare_task(local: LocalRun, cores: int) -> tuple[bytes, int]:
    """Return the task file to upload, with `workers` and DEST_URL as asked, and the workers.

    A task that is no JSON is uploaded as it is: the dispatcher tells what is wrong with it.
    """
    try:
        task = json.loads(local.task.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return local.task, DEFAULT_WORKERS
    if not isinstance(task, dict):
        return local.task, DEFAULT_WORKERS
    if local.base_url is not None:
        _replace_dest_url(task.get("environment"), local.base_url)
    workers = local.workers
    if workers is None:
        # A task made for AWS may ask for hundreds.
        asked = task.get("workers", DEFAULT_WORKERS)
        workers = min(asked, cores) if isinstance(asked, int) and asked > 0 else None
    if workers is not None:
        task["workers"] = workers
    return json.dumps(task).encode(), workers or DEFAULT_WORKERS


def _replace_dest_url(entries: Any, base_url: str) -> None:
    if not isinstance(entries, list):
        return
    given = [e for e in entries if isinstance(e, dict) and e.get("name") == "DEST_URL"]
    for entry in given:
        entry["value"] = base_url
    if not given:
        entries.append({"name": "DEST_URL", "value": base_url})


def _failures(pages: Iterable[Page]) -> list[Page]:
    return sorted(pages, key=lambda page: page.message.place)
