"""Values that tests start from."""

import itertools
import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dispatcher.deadline import Deadline
from pipeline.layout import Layout
from pipeline.message import Message
from pipeline.run import Page, PageState, Plan, Run, RunState, TiledPage, Upload
from pipeline.task import Options

ENVIRONMENT = {
    "AWS_REGION": "us-east-1",
    "COLLECTION_IDENTIFIER": "Letters",
    "ACCESS_DIR": "archive/Letters",
    "AWS_SRC_BUCKET": "scans",
    "AWS_DEST_BUCKET": "exports",
    "DEST_PREFIX": "iiif/archive",
    "DEST_URL": "https://images.example.org",
    "CSV_PATH": "archive/Letters/csv",
    "CSV_NAME": "letters.csv",
}


def task_content(environment: Mapping[str, Any] | None = None, **top_level: Any) -> dict[str, Any]:
    """Return a task file's content, with entries replaced; a value of None leaves one out."""
    values = {**ENVIRONMENT, **(environment or {})}
    content = {
        "jobName": "job1",
        "jobQueue": "IIIFS3JobQueue",
        "jobDefinition": "IIIFS3JobDefinition",
        "environment": [
            {"name": name, "value": value} for name, value in values.items() if value is not None
        ],
        **top_level,
    }
    return {name: value for name, value in content.items() if value is not None}


def task_body(environment: Mapping[str, Any] | None = None, **top_level: Any) -> bytes:
    """Return a task file."""
    return json.dumps(task_content(environment, **top_level)).encode()


def deadline_after(looks: int) -> Deadline:
    """Return a deadline that is over when the clock has been looked at so often."""
    return Deadline(looks, itertools.count().__next__)


def new_run_id() -> str:
    """Return a run id that no other test uses."""
    return f"test-{uuid.uuid4().hex[:12]}"


def a_message(run_id: str = "run-1", item: str = "book", page: int = 1, **fields: Any) -> Message:
    """Return a message."""
    key = f"archive/Letters/{item}/Access/p{page}.tif"
    return Message(
        **{
            "key": key,
            "etag": '"e1"',
            "size": 1000,
            **fields,
            "run_id": run_id,
            "item": item,
            "page": page,
        }
    )


def a_plan(source: Path | None = None, dest: Path | None = None, **fields: Any) -> Plan:
    """Return a plan, with folders as its stores."""
    values = {
        "collection": "Letters",
        "job_queue": "IIIFS3JobQueue",
        "job_definition": "IIIFS3JobDefinition",
        "source_store": source.as_uri() if source else "s3://scans",
        "dest_store": dest.as_uri() if dest else "s3://exports",
        "csv_key": "archive/Letters/csv/letters.csv",
        "layout": Layout("iiif/archive/Letters", "https://images.example.org"),
        "options": Options(),
        "workers": 2,
    }
    return Plan(**{**values, **fields})


def an_upload(key: str = "tasks/task.json", sequencer: str = "0055AED6DCD90281E5") -> Upload:
    """Return an upload."""
    return Upload("batch", key, sequencer, "2026-03-01T12:00:00.000Z")


def a_run(run_id: str, plan: Plan | None = None, **fields: Any) -> Run:
    """Return a run that is being dispatched."""
    values = {"upload": an_upload(), "state": RunState.DISPATCHING, "plan": plan or a_plan()}
    return Run(run_id, **{**values, **fields})


def done(message: Message, **fields: Any) -> Page:
    """Return a finished page."""
    values = {"width": 600, "height": 400, "sizes": (), "tiles": 9, "seconds": 1.5}
    return Page(message, PageState.DONE, TiledPage(**{**values, **fields}))


def failed(message: Message, reason: str = "damaged") -> Page:
    """Return a failed page."""
    return Page(message, PageState.FAILED, reason=reason)
