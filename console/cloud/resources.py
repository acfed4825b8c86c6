"""What the template creates on AWS, created on the embedded cloud."""

import json
from dataclasses import dataclass
from typing import Any

import boto3

from dispatcher.resources import ANY, StackResources
from pipeline.environment import (
    JOB_DEFINITION,
    JOB_QUEUE,
    MANIFEST_JOB_DEFINITION,
    OTHER_JOB_DEFINITIONS,
    OTHER_JOB_QUEUES,
)

ACCOUNT = "123456789012"
"""moto's own."""
BUCKET = "tilepool-batch"
TABLE = "tilepool-ledger"
QUEUE = "tilepool-pages"
DEAD_LETTER_QUEUE = "tilepool-pages-dead"
UPLOADS_QUEUE = "tilepool-uploads"
FAILED_UPLOADS_QUEUE = "tilepool-uploads-failed"
STACK_RESOURCES = StackResources(
    queue="tilepool",
    definition="tilepool",
    manifest_definition="tilepool-manifests",
    # A laptop is every job queue, and runs the same code under whatever name.
    other_queues=(ANY,),
    other_definitions=(ANY,),
)
STACK_VARIABLES = {
    JOB_QUEUE: STACK_RESOURCES.queue,
    JOB_DEFINITION: STACK_RESOURCES.definition,
    MANIFEST_JOB_DEFINITION: STACK_RESOURCES.manifest_definition,
    OTHER_JOB_QUEUES: ANY,
    OTHER_JOB_DEFINITIONS: ANY,
}
"""The same, as the dispatcher's function reads it."""

MAX_RECEIVES = 10
"""More than the worker's own attempts: the net for messages that no worker survives."""
UPLOAD_ATTEMPTS = 3
"""Lambda invokes an asynchronous function twice again."""
UPLOAD_LEASE_SECONDS = 900
RETENTION_SECONDS = 1_209_600


@dataclass(frozen=True, slots=True)
class Queues:
    """The URLs of the embedded cloud's queues."""

    pages: str
    dead_letters: str
    uploads: str
    failed_uploads: str


def queue_urls(url: str) -> Queues:
    """Return the URLs of the queues on the cloud at an address."""
    return Queues(
        pages=f"{url}/{ACCOUNT}/{QUEUE}",
        dead_letters=f"{url}/{ACCOUNT}/{DEAD_LETTER_QUEUE}",
        uploads=f"{url}/{ACCOUNT}/{UPLOADS_QUEUE}",
        failed_uploads=f"{url}/{ACCOUNT}/{FAILED_UPLOADS_QUEUE}",
    )


def create_resources() -> Queues:
    """Create bucket, table, queues and the bucket's notification; return the queues' URLs."""
    dynamodb: Any = boto3.client("dynamodb")
    dynamodb.create_table(
        TableName=TABLE,
        KeySchema=[
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    sqs = boto3.client("sqs")
    dead_letters = _create_queue(sqs, DEAD_LETTER_QUEUE)
    failed_uploads = _create_queue(sqs, FAILED_UPLOADS_QUEUE)
    queues = Queues(
        pages=_create_queue(sqs, QUEUE, RedrivePolicy=_redrive(sqs, dead_letters, MAX_RECEIVES)),
        dead_letters=dead_letters,
        uploads=_create_queue(
            sqs,
            UPLOADS_QUEUE,
            RedrivePolicy=_redrive(sqs, failed_uploads, UPLOAD_ATTEMPTS),
            VisibilityTimeout=str(UPLOAD_LEASE_SECONDS),
        ),
        failed_uploads=failed_uploads,
    )
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_notification_configuration(
        Bucket=BUCKET,
        NotificationConfiguration={
            "QueueConfigurations": [
                {
                    "QueueArn": _arn(sqs, queues.uploads),
                    "Events": ["s3:ObjectCreated:*"],
                    "Filter": {"Key": {"FilterRules": [{"Name": "suffix", "Value": ".json"}]}},
                }
            ]
        },
    )
    return queues


def _create_queue(sqs: Any, name: str, **attributes: str) -> str:
    attributes["MessageRetentionPeriod"] = str(RETENTION_SECONDS)
    url: str = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return url


def _redrive(sqs: Any, queue_url: str, receives: int) -> str:
    return json.dumps({"deadLetterTargetArn": _arn(sqs, queue_url), "maxReceiveCount": receives})


def _arn(sqs: Any, queue_url: str) -> str:
    answer = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
    arn: str = answer["Attributes"]["QueueArn"]
    return arn
