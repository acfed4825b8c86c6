"""The project's own worker, as a process, at a run of images: its queue is drained.

SQS and DynamoDB are the embedded cloud's, in a process of its own, S3 is the endpoint.
"""

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks import usage
from benchmarks.endpoint import EXPORTS, SOURCES, Endpoint
from benchmarks.usage import Usage, cpu_of
from console.cloud.child_environment import child_environment
from console.embedded import NEVER_SECONDS, EmbeddedCloud, embedded_cloud
from pipeline.environment import DEAD_LETTER_QUEUE_URL, QUEUE_URL, TABLE
from pipeline.layout import Layout
from pipeline.message import Message
from pipeline.run import Page, Plan, Run, RunState, Upload
from pipeline.task import Options

WORKER = ["-m", "worker"]
DONE = "page_done"


@dataclass(frozen=True, slots=True)
class Queue:
    """An embedded cloud whose queue holds a run's images."""

    cloud: EmbeddedCloud
    run_id: str
    images: int

    @property
    def cpu_seconds(self) -> float:
        """Return what the cloud's process has had."""
        return cpu_of(self.cloud.process)


@dataclass(frozen=True, slots=True)
class Drained:
    """A worker's life: `begun` is when it began its first page, `ended` when its last was done."""

    usage: Usage
    begun: float
    ended: float

    @property
    def wall_seconds(self) -> float:
        """Return the time from the worker's start until its last page was done."""
        return self.ended - self.usage.started


@contextmanager
def queued(endpoint: Endpoint, names: Sequence[str]) -> Iterator[Queue]:
    """Start a cloud, with a run of these objects in its queue."""
    with (
        tempfile.TemporaryDirectory(dir=endpoint.memory) as folder,
        embedded_cloud(Path(folder), {}, NEVER_SECONDS) as cloud,
    ):
        yield Queue(cloud, _open_run(cloud, endpoint, names), len(names))


def _open_run(cloud: EmbeddedCloud, endpoint: Endpoint, names: Sequence[str]) -> str:
    run_id = f"bench-{endpoint.export}"
    pages = [
        Page(Message(run_id, name.partition(".")[0], 1, name, listed.etag, listed.size))
        for name, listed in ((name, endpoint.sources[name]) for name in names)
    ]
    plan = Plan(
        collection="bench",
        job_queue="any",
        job_definition="any",
        source_store=f"s3://{SOURCES}",
        dest_store=f"s3://{EXPORTS}",
        csv_key="none.csv",
        layout=Layout(endpoint.export, "https://images.example.org"),
        options=Options(),
        workers=1,
    )
    upload = Upload(cloud.bucket, "bench/task", "0", "2026-03-01T12:00:00.000Z")
    cloud.ledger.open_run(Run(run_id, upload, RunState.DISPATCHING, plan, opened_at=1))
    cloud.ledger.take_items(run_id, plan.export, [page.message.item for page in pages])
    cloud.ledger.record_pages(run_id, pages)
    cloud.ledger.seal(run_id, pages)
    cloud.outbox.send(page.message for page in pages)
    cloud.ledger.advance(run_id, RunState.DISPATCHING, RunState.TILING)
    return run_id


def drain(
    queue: Queue,
    scratch: Path,
    s3_url: str,
    cloud_url: str | None = None,
    variables: Mapping[str, str] | None = None,
) -> Drained:
    """Run a worker until its queue is empty; raises RuntimeError where a page was not done."""
    cloud = queue.cloud
    environment = {
        **child_environment(os.environ, cloud_url or cloud.url, cloud.access_key),
        "AWS_ENDPOINT_URL_S3": s3_url,
        TABLE: cloud.table,
        QUEUE_URL: cloud.queue_url,
        DEAD_LETTER_QUEUE_URL: cloud.dead_letter_queue_url,
        # Without them a worker stays a minute and more after its last page.
        "TILEPOOL_IDLE_SECONDS": "1",
        "TILEPOOL_CLAIM_SECONDS": "1",
        "TMPDIR": str(scratch),
        **(variables or {}),
    }
    used = usage.run([sys.executable, *WORKER], environment)
    done = [event for event in _events(used.output) if event["event"] == DONE]
    if len(done) != queue.images:
        raise RuntimeError(f"{len(done)} of {queue.images} images are done:\n{used.output}")
    if not done:
        return Drained(used, used.started, used.ended)
    times = [datetime.fromisoformat(event["timestamp"]).timestamp() for event in done]
    begun = min(at - event["seconds"] for at, event in zip(times, done, strict=True))
    return Drained(used, begun, max(times))


def _events(output: str) -> Iterator[dict[str, Any]]:
    """Yield what a worker has logged."""
    for line in output.splitlines():
        if line.startswith("{"):
            yield json.loads(line)
