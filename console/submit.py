"""A task's way from a file to its run: checked here first, uploaded, and found in the ledger."""

import os
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from console.deployment import Deployment, Uploaded
from console.errors import ConsoleError
from console.follow import await_run
from console.local import (
    ABOUT_TO_OPEN_SECONDS,
    LocalRun,
    cancel_interrupted,
    make_dest,
    prepare_task,
)
from console.options import Where
from dispatcher.check import StoreForms, resolve_stores
from pipeline.errors import BadTask
from pipeline.run import slug
from pipeline.task import Task, is_folder_url, parse_task

PATIENCE_SECONDS = 60
WAIT_SECONDS = 3_600
"""With `--wait`: the function is invoked three times, for a quarter of an hour at most."""


@dataclass(frozen=True, slots=True)
class Folders:
    """What plays a task's buckets on the embedded cloud."""

    source: Path
    dest: Path


@dataclass(frozen=True, slots=True)
class TaskFile:
    """A checked task file, and the key it gets in the batch bucket."""

    key: str
    body: bytes


def prepare_file(body: bytes, folders: Folders | None, where: Where) -> TaskFile:
    """Return what to upload; raises BadTask with all mistakes that can be seen from here."""
    task = parse_task(body)
    if where.stack is not None:
        resolve_stores(task, StoreForms())
    elif folders is None:
        _expect_folders(task)
    else:
        make_dest(folders.dest)
        local = LocalRun(body, folders.source, folders.dest)
        body, _ = prepare_task(local, os.cpu_count() or 1)
    return TaskFile(_new_key(task), body)


def _expect_folders(task: Task) -> None:
    buckets = [name for name in (task.source_bucket, task.dest_bucket) if not is_folder_url(name)]
    if buckets:
        mistake = (
            f"the embedded cloud has no bucket {' or '.join(map(repr, buckets))}: name folders"
            " by --source and --dest or as file:///… in the task, or a deployment by --stack"
        )
        raise BadTask([mistake])


def _new_key(task: Task) -> str:
    """Return a key that no other upload has; their order is that of time."""
    now = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    return f"tasks/{now}-{slug(task.job_name)}-{uuid.uuid4().hex[:8]}.json"


def find_run_of(
    place: Deployment,
    uploaded: Uploaded,
    where: Where,
    *,
    wait: bool,
    patience: float | None = None,
) -> str | None:
    """Return the run of an upload; None where none has come so far.

    Raises ConsoleError when the dispatcher gave up, or one that was to be waited for does not come.
    """
    waits = wait or place.private
    if patience is None:
        patience = WAIT_SECONDS if waits else PATIENCE_SECONDS
    try:
        run_id = await_run(place, uploaded, patience)
    except KeyboardInterrupt:
        if place.private:
            run_id = await_run(place, uploaded, ABOUT_TO_OPEN_SECONDS)
            raise cancel_interrupted(place, run_id, where.typed) from None
        told = f"It is uploaded, and goes on: tilepool runs{where.typed}"
        raise KeyboardInterrupt(told) from None
    if run_id is None and waits:
        raise ConsoleError(
            f"no run has come of {place.bucket}/{uploaded.key} within {patience:.0f} s;"
            " see the dispatcher's log"
        )
    return run_id
