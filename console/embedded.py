"""Starting, using and stopping the embedded cloud from a command."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import botocore.session
from botocore.config import Config

from console.cloud.child_environment import REGION
from console.errors import ConsoleError
from pipeline.dynamo_ledger import DynamoLedger

if TYPE_CHECKING:
    from mypy_boto3_batch.client import BatchClient

STOP_SECONDS = 60


@dataclass(frozen=True, slots=True)
class EmbeddedCloud:
    """A running embedded cloud."""

    process: "subprocess.Popen[str]"
    session: boto3.Session
    access_key: str
    url: str
    bucket: str
    table: str
    failed_uploads_queue: str
    logs: Path

    @property
    def ledger(self) -> DynamoLedger:
        """Return the cloud's ledger."""
        return DynamoLedger(
            self.session.client("dynamodb", endpoint_url=self.url, config=LOCAL), self.table
        )

    @property
    def batch(self) -> "BatchClient":
        """Return a client of the cloud's Batch."""
        return self.session.client("batch", endpoint_url=self.url, config=LOCAL)

    def upload_task(self, key: str, body: bytes) -> None:
        """Put a task file into the batch bucket; that starts its run."""
        self.session.client("s3", endpoint_url=self.url, config=LOCAL).put_object(
            Bucket=self.bucket, Key=key, Body=body
        )

    def has_failed_uploads(self) -> bool:
        """Tell whether the dispatcher gave up on an upload."""
        sqs = self.session.client("sqs", endpoint_url=self.url, config=LOCAL)
        answer = sqs.get_queue_attributes(
            QueueUrl=self.failed_uploads_queue, AttributeNames=["ApproximateNumberOfMessages"]
        )
        return int(answer["Attributes"]["ApproximateNumberOfMessages"]) > 0


LOCAL = Config(retries={"mode": "standard", "max_attempts": 3}, proxies={})


@contextmanager
def embedded_cloud(job_environment: Mapping[str, str], logs: Path) -> Iterator[EmbeddedCloud]:
    """Start an embedded cloud in a process of its own; stop it, and all its jobs, at the end."""
    with (logs / "cloud.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "console.cloud"],
            env={**os.environ, "PYTHONSAFEPATH": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            # Ctrl-C in the terminal is for the command, which then stops the cloud in order.
            start_new_session=True,
        )
    try:
        yield _connect(process, job_environment, logs)
    finally:
        _stop(process)


def _connect(
    process: "subprocess.Popen[str]", job_environment: Mapping[str, str], logs: Path
) -> EmbeddedCloud:
    assert process.stdin is not None  # noqa: S101  # both are pipes
    assert process.stdout is not None  # noqa: S101
    settings = {"logs": str(logs), "environment": dict(job_environment)}
    try:
        process.stdin.write(json.dumps(settings) + "\n")
        process.stdin.flush()
        ready = json.loads(process.stdout.readline())
    except (BrokenPipeError, ValueError) as error:
        raise ConsoleError(f"the embedded cloud did not start; see {logs / 'cloud.log'}") from error
    return EmbeddedCloud(
        process=process,
        session=_session(ready["access_key"]),
        access_key=ready["access_key"],
        url=ready["url"],
        bucket=ready["bucket"],
        table=ready["table"],
        failed_uploads_queue=ready["failed_uploads"],
        logs=logs,
    )


def _session(access_key: str) -> boto3.Session:
    """Return a session that knows the embedded cloud, and nothing of the user's AWS settings."""
    unset = (None, None, None, None)
    settings = {"profile": unset, "config_file": unset, "credentials_file": unset}
    return boto3.Session(
        access_key,
        access_key,
        region_name=REGION,
        botocore_session=botocore.session.Session(session_vars=settings),
    )


def _stop(process: "subprocess.Popen[str]") -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
