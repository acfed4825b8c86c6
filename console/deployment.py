"""What a command needs of a deployment, on AWS and on the embedded cloud alike."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from dispatcher.resources import UNKNOWN, StackResources
from pipeline.batch import BatchJobs
from pipeline.dead_letters import SqsDeadLetters
from pipeline.dynamo_ledger import DynamoLedger
from pipeline.outbox import SqsOutbox
from pipeline.threads import MAX_THREADS

if TYPE_CHECKING:
    from mypy_boto3_batch.client import BatchClient
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_sqs.client import SQSClient

LETTER_PATIENCE_SECONDS = 10
"""Letters may be in the reconciler's hand, or another command's."""
ON_AWS = Config(retries={"mode": "standard", "max_attempts": 5}, max_pool_connections=MAX_THREADS)
CLOCKS_DIFFER = timedelta(minutes=15)
"""S3 refuses requests whose time is further off than that."""


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A task file in the batch bucket, and a time (ISO 8601, UTC) before which S3 had it not."""

    key: str
    since: str


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """A ledger, two queues, the batch bucket and Batch. Its clients are built at first use.

    `failed_uploads_queue` is the URL of what the dispatcher gave up on; stacks of earlier versions
    do not tell it. `private` tells that the deployment ends with this command: what a command
    starts there, it must follow. `resources` is what tasks
    run with; a stack of an earlier version does not tell.
    """

    session: boto3.Session
    table: str
    queue_url: str
    dead_letter_queue_url: str
    bucket: str
    failed_uploads_queue: str | None = None
    endpoint: str | None = None
    config: Config = ON_AWS
    private: bool = False
    resources: StackResources = UNKNOWN

    @cached_property
    def ledger(self) -> DynamoLedger:
        """Return the ledger."""
        client = self.session.client("dynamodb", endpoint_url=self.endpoint, config=self.config)
        return DynamoLedger(client, self.table)

    @cached_property
    def outbox(self) -> SqsOutbox:
        """Return the way into the work queue."""
        return SqsOutbox(self.sqs, self.queue_url)

    @cached_property
    def dead_letters(self) -> SqsDeadLetters:
        """Return the dead-letter queue."""
        return SqsDeadLetters(self.sqs, self.dead_letter_queue_url, LETTER_PATIENCE_SECONDS)

    @cached_property
    def jobs(self) -> BatchJobs:
        """Return the jobs on Batch."""
        return BatchJobs(self.batch)

    @cached_property
    def batch(self) -> "BatchClient":
        """Return a client of Batch."""
        return self.session.client("batch", endpoint_url=self.endpoint, config=self.config)

    @cached_property
    def sqs(self) -> "SQSClient":
        """Return a client of SQS."""
        return self.session.client("sqs", endpoint_url=self.endpoint, config=self.config)

    @cached_property
    def s3(self) -> "S3Client":
        """Return a client of S3."""
        return self.session.client("s3", endpoint_url=self.endpoint, config=self.config)

    def upload_task(self, key: str, body: bytes) -> Uploaded:
        """Put a task file into the batch bucket; that starts its run."""
        since = datetime.now(UTC) - CLOCKS_DIFFER
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)
        return Uploaded(key, f"{since:%Y-%m-%dT%H:%M:%S}")
