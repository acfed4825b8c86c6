"""The dead-letter queue: the messages of failed pages, with the reason. Adapter: takes a client.

Receipt handles never leave this module.
"""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from pipeline.errors import BadMessage, TransientError
from pipeline.message import Message, parse_message
from pipeline.outbox import MAX_BATCH_ENTRIES, read_depth

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

FORBIDDEN = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What SQS takes neither in a body nor in an attribute."""
NO_GROUP = "none"
IN_HAND_SECONDS = 300
WAIT_SECONDS = 1
"""A long poll asks all of the queue's servers, a short one some."""
MAX_IN_HAND = 100_000
"""SQS lets 120,000 messages be in flight:
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html"""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that failed: its body, the attributes that tell why, and its group.

    `sent_at` is when it first entered a queue, in seconds since the epoch. `letter_id` tells it
    from its copies.
    """

    letter_id: str
    body: str
    attributes: Mapping[str, str]
    group: str
    sent_at: float

    @property
    def message(self) -> Message | None:
        """Return what the body says; None where it is not ours."""
        try:
            return parse_message(self.body)
        except BadMessage:
            return None

    def gives(self, reason: str) -> bool:
        """Tell whether the letter was buried for this reason."""
        return self.attributes.get("reason", "") == sendable(reason)


def letter_attributes(message: Message, reason: str, attempts: int) -> dict[str, str]:
    """Return the attributes of a failed page's letter, for people and their tools."""
    return {
        "run": message.run_id,
        "item": message.item,
        "page": str(message.page),
        "part": str(message.part),
        "reason": reason,
        "attempts": str(attempts),
    }


class Hand(Protocol):
    """Dead letters taken out for a while; those that are not removed go back at the end."""

    def letters(self) -> Iterator[DeadLetter]:
        """Yield one letter after another."""

    def remove(self, *letters: DeadLetter) -> None:
        """Take letters out for good."""


class DeadLetters(Protocol):
    """What the stages ask of the dead-letter queue."""

    def bury(self, body: str, attributes: Mapping[str, str], group: str) -> None:
        """Put a message in."""

    def take(self, most: int) -> "AbstractContextManager[Hand]":
        """Take so many letters out for a while: nobody else sees them until the block is left."""

    def depth(self) -> int:
        """Return about how many letters there are, also those in somebody's hand."""


class SqsDeadLetters:
    """The dead-letter queue in SQS.

    Who takes letters waits so many seconds of `patience` for those that others have in hand.
    """

    def __init__(self, client: "SQSClient", queue_url: str, patience: float = 0) -> None:
        self._client = client
        self._queue_url = queue_url
        self._patience = patience

    def bury(self, body: str, attributes: Mapping[str, str], group: str) -> None:
        self._client.send_message(
            QueueUrl=self._queue_url,
            MessageBody=body,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": sendable(value)}
                for name, value in attributes.items()
                if value
            },
            MessageGroupId=group,
        )

    @contextmanager
    def take(self, most: int) -> Iterator["SqsHand"]:
        hand = SqsHand(self._client, self._queue_url, min(most, MAX_IN_HAND), self._patience)
        try:
            yield hand
        finally:
            hand.put_back()

    def depth(self) -> int:
        return sum(read_depth(self._client, self._queue_url))


@dataclass(slots=True)
class SqsHand:
    """Letters in hand, from SQS."""

    client: "SQSClient"
    queue_url: str
    most: int
    patience: float = 0
    handles: dict[str, str] = field(default_factory=dict)
    """Receipt handles of the letters that are not removed, by letter."""

    def letters(self) -> Iterator[DeadLetter]:
        count = 0
        seen: set[str] = set()
        patient_until: float | None = None
        while count < self.most:
            answer = self.client.receive_message(
                QueueUrl=self.queue_url,
                MaxNumberOfMessages=min(MAX_BATCH_ENTRIES, self.most - count),
                VisibilityTimeout=IN_HAND_SECONDS,
                WaitTimeSeconds=WAIT_SECONDS,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["MessageGroupId", "SentTimestamp"],
            )
            new = [m for m in answer.get("Messages", []) if m["MessageId"] not in seen]
            self.handles |= {m["MessageId"]: m["ReceiptHandle"] for m in answer.get("Messages", [])}
            if not new:
                now = time.monotonic()
                patient_until = patient_until or now + self.patience
                if now >= patient_until or not self._others_have_some():
                    return
            for message in new:
                seen.add(message["MessageId"])
                count += 1
                yield _letter(message)

    def remove(self, *letters: DeadLetter) -> None:
        handles = [self.handles.pop(letter.letter_id) for letter in letters]
        for start in range(0, len(handles), MAX_BATCH_ENTRIES):
            answer = self.client.delete_message_batch(
                QueueUrl=self.queue_url,
                Entries=[
                    {"Id": str(index), "ReceiptHandle": handle}
                    for index, handle in enumerate(handles[start : start + MAX_BATCH_ENTRIES])
                ],
            )
            if answer.get("Failed"):
                raise TransientError(f"SQS keeps a dead letter: {answer['Failed'][0]}")

    def put_back(self) -> None:
        handles = list(self.handles.values())
        for start in range(0, len(handles), MAX_BATCH_ENTRIES):
            # One that cannot be put back comes back by itself.
            self.client.change_message_visibility_batch(
                QueueUrl=self.queue_url,
                Entries=[
                    {"Id": str(index), "ReceiptHandle": handle, "VisibilityTimeout": 0}
                    for index, handle in enumerate(handles[start : start + MAX_BATCH_ENTRIES])
                ],
            )

    def _others_have_some(self) -> bool:
        return read_depth(self.client, self.queue_url).in_flight > len(self.handles)


def sendable(value: str) -> str:
    """Return a text as SQS takes it."""
    return FORBIDDEN.sub(" ", value)


def _letter(message: "MessageTypeDef") -> DeadLetter:
    attributes = message.get("MessageAttributes", {})
    return DeadLetter(
        letter_id=message["MessageId"],
        body=message["Body"],
        attributes={name: value.get("StringValue", "") for name, value in attributes.items()},
        group=message["Attributes"].get("MessageGroupId", NO_GROUP),
        sent_at=int(message["Attributes"]["SentTimestamp"]) / 1000,
    )
