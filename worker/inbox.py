"""The work queue as the worker sees it: deliveries with verbs. Adapter: takes a client.

Receipt handles never leave this module.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from botocore.exceptions import ClientError

from pipeline.errors import LostLease

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

MAX_WAIT_SECONDS = 20
"""Long polling's limit; MAX_VISIBILITY_SECONDS that of a lease:
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html"""
MAX_VISIBILITY_SECONDS = 43_200

FORBIDDEN = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What SQS takes neither in a body nor in an attribute."""

NO_GROUP = "none"

LOST_LEASE_CODES = {
    "AWS.SimpleQueueService.MessageNotInflight",
    "InvalidParameterValue",
    "MessageNotInflight",
    "ReceiptHandleIsInvalid",
}


class Delivery(Protocol):
    """A message in hand. `attempt` counts its deliveries, from 1."""

    @property
    def body(self) -> str: ...

    @property
    def attempt(self) -> int: ...

    def complete(self) -> None:
        """Delete the message: its outcome is recorded."""

    def release(self, seconds: int) -> None:
        """Give the message back, to be delivered again after some seconds."""

    def extend(self, seconds: int) -> None:
        """Keep the message for so many seconds from now; raises LostLease."""

    def bury(self, body: str, attributes: Mapping[str, str]) -> None:
        """Put a body into the dead-letter queue; the message itself stays in hand."""


class Depth(NamedTuple):
    """About how many messages wait, and how many are in anybody's hand or released for later."""

    waiting: int
    in_flight: int


class Inbox(Protocol):
    """What the worker asks of the queue."""

    def receive(self, wait_seconds: int) -> Delivery | None:
        """Return the next message, waiting for one; None where there is none."""

    def depth(self) -> Depth:
        """Return about how many messages there are."""


@dataclass(frozen=True, slots=True)
class SqsDelivery:
    """A message in hand, from SQS."""

    client: "SQSClient"
    queue_url: str
    dead_letter_queue_url: str
    message: "MessageTypeDef"

    @property
    def body(self) -> str:
        return self.message["Body"]

    @property
    def attempt(self) -> int:
        return int(self.message["Attributes"]["ApproximateReceiveCount"])

    def complete(self) -> None:
        self.client.delete_message(
            QueueUrl=self.queue_url, ReceiptHandle=self.message["ReceiptHandle"]
        )

    def release(self, seconds: int) -> None:
        # A message that is no longer in hand needs no release.
        try:
            self.extend(seconds)
        except LostLease:
            return

    def extend(self, seconds: int) -> None:
        try:
            self.client.change_message_visibility(
                QueueUrl=self.queue_url,
                ReceiptHandle=self.message["ReceiptHandle"],
                VisibilityTimeout=min(seconds, MAX_VISIBILITY_SECONDS),
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in LOST_LEASE_CODES:
                raise LostLease("the message's lease has run out") from error
            raise

    def bury(self, body: str, attributes: Mapping[str, str]) -> None:
        # A message put into the queue by hand may have no group.
        group = self.message["Attributes"].get("MessageGroupId", NO_GROUP)
        self.client.send_message(
            QueueUrl=self.dead_letter_queue_url,
            MessageBody=body,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": FORBIDDEN.sub(" ", value)}
                for name, value in attributes.items()
            },
            MessageGroupId=group,
        )


class SqsInbox:
    """The work queue in SQS; a received message is leased for `visibility_seconds`."""

    def __init__(
        self,
        client: "SQSClient",
        queue_url: str,
        dead_letter_queue_url: str,
        visibility_seconds: int,
    ) -> None:
        self._client = client
        self._queue_url = queue_url
        self._dead_letter_queue_url = dead_letter_queue_url
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
            return SqsDelivery(self._client, self._queue_url, self._dead_letter_queue_url, message)
        return None

    def depth(self) -> Depth:
        answer = self._client.get_queue_attributes(
            QueueUrl=self._queue_url,
            AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        )
        attributes = answer["Attributes"]
        return Depth(
            int(attributes["ApproximateNumberOfMessages"]),
            int(attributes["ApproximateNumberOfMessagesNotVisible"]),
        )
