"""Sending pages to the work queue, and how many wait there. Adapter: takes a client."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple, Protocol

from pipeline.errors import TransientError
from pipeline.message import Message
from pipeline.threads import call_all

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

MAX_BATCH_ENTRIES = 10
MAX_DELAY_SECONDS = 900
"""https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html"""
MAX_SENDS = 5


class Depth(NamedTuple):
    """About how many messages wait, and how many are in anybody's hand or to be had later."""

    waiting: int
    in_flight: int


class Outbox(Protocol):
    """What the stages that send ask of the queue."""

    def send(self, messages: Iterable[Message]) -> int:
        """Send messages, in batches and several at once; return how many."""

    def postpone(self, message: Message, seconds: int) -> None:
        """Send a message that nobody gets for so many seconds."""

    def depth(self) -> Depth:
        """Return about how many messages there are."""


class SqsOutbox:
    """The work queue in SQS.

    The run is the message group: on a standard queue, which gives fair shares to groups, a run of
    a million pages does not starve one of ten.
    """

    def __init__(self, client: "SQSClient", queue_url: str) -> None:
        self._client = client
        self._queue_url = queue_url

    def send(self, messages: Iterable[Message]) -> int:
        return sum(call_all(self._send_batch, _batches(messages)))

    def postpone(self, message: Message, seconds: int) -> None:
        self._client.send_message(
            QueueUrl=self._queue_url,
            MessageBody=message.to_json(),
            MessageGroupId=message.run_id,
            DelaySeconds=min(seconds, MAX_DELAY_SECONDS),
        )

    def depth(self) -> Depth:
        return read_depth(self._client, self._queue_url)

    def _send_batch(self, batch: list[Message]) -> int:
        entries: list[SendMessageBatchRequestEntryTypeDef] = [
            {
                "Id": str(index),
                "MessageBody": message.to_json(),
                "MessageGroupId": message.run_id,
            }
            for index, message in enumerate(batch)
        ]
        for _ in range(MAX_SENDS):
            answer = self._client.send_message_batch(QueueUrl=self._queue_url, Entries=entries)
            refused = {failure["Id"] for failure in answer.get("Failed", [])}
            entries = [entry for entry in entries if entry["Id"] in refused]
            if not entries:
                return len(batch)
        raise TransientError(f"SQS refused {len(entries)} messages: {answer['Failed'][0]}")


def read_depth(client: "SQSClient", queue_url: str) -> Depth:
    """Return about how many messages a queue has."""
    answer = client.get_queue_attributes(
        QueueUrl=queue_url,
        AttributeNames=[
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        ],
    )
    attributes = answer["Attributes"]
    return Depth(
        int(attributes["ApproximateNumberOfMessages"]),
        int(attributes["ApproximateNumberOfMessagesNotVisible"])
        + int(attributes["ApproximateNumberOfMessagesDelayed"]),
    )


def _batches(messages: Iterable[Message]) -> Iterator[list[Message]]:
    batch: list[Message] = []
    for message in messages:
        batch.append(message)
        if len(batch) == MAX_BATCH_ENTRIES:
            yield batch
            batch = []
    if batch:
        yield batch
