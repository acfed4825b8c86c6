"""One invocation of the dispatcher, in a process of its own: its time and memory as JSON.

    python -P benchmarks/one_dispatch.py SECONDS

The clients are the real ones; AWS is where the environment says. The process is the handler's
but for Lambda's context and Batch.
"""

import json
import resource
import sys
import time
from collections.abc import Iterable, Sequence

import boto3
import structlog

from dispatcher.deadline import Deadline
from dispatcher.dispatch import Dispatcher
from dispatcher.handler import RETRIES
from pipeline.dynamo_ledger import DynamoLedger
from pipeline.outbox import SqsOutbox
from pipeline.run import Plan, Run, Upload

TASK = {
    "jobName": "large",
    "jobQueue": "queue",
    "jobDefinition": "definition",
    "environment": [
        {"name": "AWS_REGION", "value": "us-east-1"},
        {"name": "COLLECTION_IDENTIFIER", "value": "Letters"},
        {"name": "ACCESS_DIR", "value": "archive/Letters"},
        {"name": "AWS_SRC_BUCKET", "value": "scans"},
        {"name": "AWS_DEST_BUCKET", "value": "exports"},
        {"name": "DEST_PREFIX", "value": "iiif"},
        {"name": "DEST_URL", "value": "https://images.example.org"},
        {"name": "CSV_PATH", "value": "archive/Letters/csv"},
        {"name": "CSV_NAME", "value": "letters.csv"},
    ],
}
UPLOAD = Upload("batch", "task.json", "1", "2026-03-01T12:00:00.000Z")


class Task:
    """The batch bucket."""

    def read(self, upload: Upload) -> bytes:
        return json.dumps(TASK).encode()


class NoJobs:
    """Batch, which starts nothing."""

    def submit_worker(self, run_id: str, plan: Plan, index: int) -> str:
        return f"job-{index}"

    def submit_final(self, run: Run) -> str:
        return "final"

    def find_worker(self, run_id: str, plan: Plan, index: int) -> str | None:
        return None

    def find_final(self, run: Run) -> str | None:
        return None

    def living(self, job_ids: Sequence[str]) -> set[str]:
        return set(job_ids)

    def unstarted(self, job_ids: Sequence[str]) -> set[str]:
        return set()

    def failed(self, job_ids: Sequence[str]) -> dict[str, float]:
        return {}

    def terminate(self, job_ids: Iterable[str], reason: str) -> None:
        return

    def missing(self, queue: str, definitions: Iterable[str]) -> list[str]:
        return []


def main() -> None:
    """Dispatch for so many seconds at most."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    started, used = time.monotonic(), time.process_time()
    ledger = DynamoLedger(boto3.client("dynamodb", config=RETRIES), "ledger")
    dispatcher = Dispatcher(
        Task(),
        ledger,
        SqsOutbox(boto3.client("sqs", config=RETRIES), "https://sqs/1/pages"),
        NoJobs(),
        deadline=Deadline(started + float(sys.argv[1])),
    )
    run = ledger.load_run(dispatcher.dispatch(UPLOAD))
    measured = {
        "state": run.state.value if run else None,
        "wall": time.monotonic() - started,
        "cpu": time.process_time() - used,
        "peak_kb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
