"""The work queue as the worker sees it: deliveries with verbs. Adapter: takes a client.

Receipt handles never leave this module.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Protocol

import structlog
from botocore.exceptions import ClientError

from pipeline.dead_letters import NO_GROUP
from pipeline.outbox import MAX_BATCH_ENTRIES, Depth, read_depth

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_sqs.type_defs import (
        DeleteMessageBatchRequestEntryTypeDef,
        MessageTypeDef,
    )

MAX_WAIT_SECONDS = 20
"""Long polling's limit; MAX_VISIBILITY_SECONDS that of a lease:
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html"""
MAX_VISIBILITY_SECONDS = 43_200

MAX_RENEWALS = MAX_BATCH_ENTRIES
"""Messages of one call."""

LOST_LEASE_CODES = {
    "AWS.SimpleQueueService.MessageNotInflight",
    "InvalidParameterValue",
    "MessageNotInflight",
    "ReceiptHandleIsInvalid",
}


log = structlog.get_logger()


class Delivery(Protocol):
    """A message in hand. `attempt` counts its deliveries, from 1; `group` is its run, as sent."""

    @property
    def body(self) -> str: ...

    @property
    def attempt(self) -> int: ...

    @property
    def group(self) -> str: ...

    @property
    def receipt(self) -> str:
        """What the inbox knows this delivery by; for the inbox alone."""

    def complete(self) -> None:
        """Delete the message: its outcome is recorded."""

    def release(self, seconds: int) -> None:
        """Give the message back, to be delivered again after some seconds.

        One that is no longer in hand is left alone.
        """


class Renewal(Enum):
    """What became of the renewal of a lease."""

    DONE = "done"
    LOST = "lost"
    FAILED = "failed"
    """Another try may succeed."""


class Inbox(Protocol):
    """What the worker asks of the queue."""

    def receive(self, wait_seconds: int) -> Delivery | None:
        """Return the next message, waiting for one; None where there is none."""

    def renew(self, receipts: Sequence[str]) -> list[Renewal]:
        """Lease messages in hand anew, from now, at most MAX_RENEWALS; return what became of each.

        Raises where the queue cannot be reached.
        """

    def delete(self, deliveries: Sequence[Delivery]) -> None:
        """Delete messages in hand, whose outcomes are recorded, at most MAX_BATCH_ENTRIES."""

    def depth(self) -> Depth:
        """Return about how many messages there are."""


@dataclass(frozen=True, slots=True)
class SqsDelivery:
    """A message in hand, from SQS."""

    client: "SQSClient"
    queue_url: str
    message: "MessageTypeDef"

    @property
    def body(self) -> str:
        return self.message["Body"]

    @property
    def attempt(self) -> int:
        return int(self.message["Attributes"]["ApproximateReceiveCount"])

    @property
    def group(self) -> str:
        # A message put into the queue by hand may have none.
        return self.message["Attributes"].get("MessageGroupId", NO_GROUP)

    @property
    def receipt(self) -> str:
        return self.message["ReceiptHandle"]

    def complete(self) -> None:
        self.client.delete_message(QueueUrl=self.queue_url, ReceiptHandle=self.receipt)

    def release(self, seconds: int) -> None:
        try:
            self.client.change_message_visibility(
                QueueUrl=self.queue_url,
                ReceiptHandle=self.receipt,
                VisibilityTimeout=min(seconds, MAX_VISIBILITY_SECONDS),
            )
        except ClientError as error:
            if error.response["Error"]["Code"] not in LOST_LEASE_CODES:
                raise


class SqsInbox:
    """The work queue in SQS; a received message is leased for `visibility_seconds`."""

    def __init__(
        self,
        client: "SQSClient",
        queue_url: str,
        visibility_seconds: int,
    ) -> None:
        self._client = client
        self._queue_url = queue_url
        self._visibility_seconds = visibility_seconds

    def receive(self, wait_seconds: int) -> Delivery | None:
        answer = self._client.receive_message(
            QueueUrl=self._queue_url,
            MaxNumberOfMessages=1,
            WaitTimeSeconds=min(wait_seconds, MAX_WAIT_SECONDS),
            VisibilityTimeout=self._visibility_seconds,
            MessageSystemAttributeNames=["ApproximateReceiveCount", "MessageGroupId"],
        )
        for message in answer.get("Messages", []):
            return SqsDelivery(self._client, self._queue_url, message)
        return None

    def renew(self, receipts: Sequence[str]) -> list[Renewal]:
        answer = self._client.change_message_visibility_batch(
            QueueUrl=self._queue_url,
            Entries=[
                {
                    "Id": str(index),
                    "ReceiptHandle": receipt,
                    "VisibilityTimeout": self._visibility_seconds,
                }
                for index, receipt in enumerate(receipts)
            ],
        )
        # What stands in neither list of the answer is not known to be renewed.
        renewals = [Renewal.FAILED] * len(receipts)
        for entry in answer.get("Successful", []):
            renewals[int(entry["Id"])] = Renewal.DONE
        for failure in answer.get("Failed", []):
            if failure["Code"] in LOST_LEASE_CODES:
                renewals[int(failure["Id"])] = Renewal.LOST
        return renewals

    def delete(self, deliveries: Sequence[Delivery]) -> None:
        entries: list[DeleteMessageBatchRequestEntryTypeDef] = [
            {"Id": str(index), "ReceiptHandle": delivery.receipt}
            for index, delivery in enumerate(deliveries)
        ]
        answer = self._client.delete_message_batch(QueueUrl=self._queue_url, Entries=entries)
        for failure in answer.get("Failed", []):
            # It comes back after its lease, and its outcome is known.
            log.warning("message_not_deleted", code=failure["Code"])

    def depth(self) -> Depth:
        return read_depth(self._client, self._queue_url)
