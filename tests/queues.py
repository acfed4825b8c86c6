"""A work queue on the embedded cloud, with the side doors that its in-memory twin has."""

import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from console.embedded import EmbeddedCloud
from pipeline.dead_letters import SqsDeadLetters
from pipeline.message import Message
from pipeline.outbox import Depth, SqsOutbox
from worker.inbox import Delivery, Renewal, SqsInbox

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient

LEASE_SECONDS = 2
MAX_RECEIVES = 10


@dataclass(frozen=True, slots=True)
class SqsQueue:
    """Inbox and outbox of one queue in SQS."""

    client: "SQSClient"
    url: str
    dead_letter_url: str
    lease_seconds: int

    @property
    def inbox(self) -> SqsInbox:
        return SqsInbox(self.client, self.url, self.lease_seconds)

    def receive(self, wait_seconds: int) -> Delivery | None:
        return self.inbox.receive(wait_seconds)

    def renew(self, receipts: Sequence[str]) -> list[Renewal]:
        return self.inbox.renew(receipts)

    def depth(self) -> Depth:
        return self.inbox.depth()

    def send(self, messages: Iterable[Message]) -> int:
        return SqsOutbox(self.client, self.url).send(messages)

    def postpone(self, message: Message, seconds: int) -> None:
        SqsOutbox(self.client, self.url).postpone(message, seconds)

    def put(self, body: str) -> None:
        self.client.send_message(QueueUrl=self.url, MessageBody=body)

    @property
    def dead_letters(self) -> SqsDeadLetters:
        return SqsDeadLetters(self.client, self.dead_letter_url)


def new_sqs_queue(
    cloud: EmbeddedCloud, lease_seconds: int, max_receives: int = MAX_RECEIVES
) -> SqsQueue:
    """Create a queue of a random name, and its dead letters."""
    client = cloud.session.client("sqs", endpoint_url=cloud.url)
    name = f"test-{uuid.uuid4().hex}"
    dead = client.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    arn = client.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])
    policy = {
        "deadLetterTargetArn": arn["Attributes"]["QueueArn"],
        "maxReceiveCount": max_receives,
    }
    url = client.create_queue(QueueName=name, Attributes={"RedrivePolicy": json.dumps(policy)})
    return SqsQueue(client, url["QueueUrl"], dead, lease_seconds)
