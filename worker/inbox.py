"""The work queue as the worker sees it: deliveries with verbs. Adapter: takes a client.

Receipt handles never leave this module.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from botocore.exceptions import ClientError

from pipeline.dead_letters import NO_GROUP
from pipeline.errors import LostLease
from pipeline.outbox import Depth, read_depth

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

MAX_WAIT_SECONDS = 20
"""Long polling's limit; MAX_VISIBILITY_SECONDS that of a lease:
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html"""
MAX_VISIBILITY_SECONDS = 43_200

LOST_LEASE_CODES = {
    "AWS.SimpleQueueService.MessageNotInflight",
    "InvalidParameterValue",
    "MessageNotInflight",
    "ReceiptHandleIsInvalid",
}


class Delivery(Protocol):
    """A message in hand. `attempt` counts its deliveries, from 1; `group` is its run, as sent."""

    @property
    def body(self) -> str: ...

    @property
    def attempt(self) -> int: ...

    @property
    def group(self) -> str: ...

    def complete(self) -> None:
        """Delete the message: its outcome is recorded."""

    def release(self, seconds: int) -> None:
        """Give the message back, to be delivered again after some seconds."""

    def extend(self, seconds: int) -> None:
        """Keep the message for so many seconds from now; raises LostLease."""


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

    def depth(self) -> Depth:
        return read_depth(self._client, self._queue_url)
