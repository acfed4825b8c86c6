"""Uploads that the dispatcher gave up on, as their queue tells them."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from console.cloud.uploads import NO_EVENT
from console.deployment import Deployment
from console.embedded import EmbeddedCloud

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_sqs.type_defs import MessageTypeDef

HIDDEN_SECONDS = 1
MAX_LOOKS = 10
"""Of ten messages each: so many may lie there before one is missed, until the next look."""


@dataclass(frozen=True, slots=True)
class FailedUpload:
    """The keys of an event that the dispatcher gave up on, and why, where that is told."""

    keys: tuple[str, ...]
    reason: str = ""


def find_failure(place: Deployment, key: str) -> str | None:
    """Return where to look for why the dispatcher gave up on an upload; None where it has not.

    The embedded cloud's message is taken off its queue. On AWS it stays: an alarm goes by it.
    """
    for message in _messages(place):
        failed = parse_failed_upload(message["Body"])
        if key not in failed.keys:
            continue
        if isinstance(place, EmbeddedCloud):
            place.sqs.delete_message(
                QueueUrl=place.failed_uploads_queue, ReceiptHandle=message["ReceiptHandle"]
            )
            return f"the dispatcher failed; see {place.logs / 'dispatcher.log'}"
        reason = f" ({failed.reason})" if failed.reason else ""
        return (
            f"the dispatcher failed{reason}; see its log in CloudWatch, and the queue"
            f" {place.failed_uploads_queue}"
        )
    return None


def _messages(place: Deployment) -> "Iterator[MessageTypeDef]":
    if place.failed_uploads_queue is None:
        return
    for _ in range(MAX_LOOKS):
        answer = place.sqs.receive_message(
            QueueUrl=place.failed_uploads_queue,
            MaxNumberOfMessages=10,
            VisibilityTimeout=HIDDEN_SECONDS,
        )
        messages = answer.get("Messages", [])
        yield from messages
        if not messages:
            return


def parse_failed_upload(body: str) -> FailedUpload:
    """Read a message of the queue; what is none has no keys.

    On the embedded cloud it is S3's event, on AWS Lambda's record of the invocation:
    https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
    """
    try:
        content: Any = json.loads(body)
        event = content.get("requestPayload", content)
        records = event.get("Records", [])
        keys = tuple(unquote_plus(record["s3"]["object"]["key"]) for record in records)
    except NO_EVENT:
        return FailedUpload(())
    return FailedUpload(keys, _reason(content.get("responsePayload")))


def _reason(answer: Any) -> str:
    """Return the error of a function's answer, which is null where it ran out of time."""
    told = answer if isinstance(answer, dict) else {}
    parts = (told.get("errorType"), told.get("errorMessage"))
    return ": ".join(part for part in parts if isinstance(part, str) and part)
