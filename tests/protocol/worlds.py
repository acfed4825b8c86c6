"""The two worlds that the rules run against: dictionaries, and the embedded cloud.

In both time passes only when the model says so.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from console.embedded import LOCAL, EmbeddedCloud
from pipeline.dead_letters import DeadLetter, DeadLetters
from pipeline.dynamo_ledger import DynamoLedger
from pipeline.ledger import Ledger
from pipeline.message import Message
from pipeline.outbox import Depth, Outbox
from tests.fakes import MemoryJobs, MemoryLedger, MemoryQueue
from tests.queues import SqsQueue, new_sqs_queue
from worker.inbox import Delivery

START = 1_800_000_000.0
LEASE_SECONDS = 120
LONG_SECONDS = 20_000
"""A lease in SQS that outlasts any test; its end in the model's time is brought about by hand."""
ALL_LETTERS = 10_000


class World(Protocol):
    """What the model's processes share."""

    time: float
    jobs: MemoryJobs

    @property
    def ledger(self) -> Ledger: ...

    @property
    def outbox(self) -> Outbox: ...

    @property
    def dead_letters(self) -> DeadLetters: ...

    def pass_time(self, seconds: float) -> None:
        """Move the clock; leases that run out do."""

    def receive(self) -> Delivery | None:
        """Return the next message that is visible, leased for LEASE_SECONDS."""

    def lapse(self, delivery: Delivery) -> None:
        """Let a lease run out; the holder does not notice."""

    def put(self, body: str, group: str) -> None:
        """Put a message into the work queue, as it is."""

    def bodies(self) -> list[str] | None:
        """Return all messages in the work queue; None where nobody can tell."""

    def close(self) -> None:
        """Throw it all away."""


def all_letters(world: World) -> list[DeadLetter]:
    """Return the letters that nobody has in hand."""
    with world.dead_letters.take(ALL_LETTERS) as hand:
        return list(hand.letters())


class MemoryWorld:
    """The in-memory twins."""

    def __init__(self) -> None:
        self.time = START
        self.jobs = MemoryJobs()
        self.ledger = MemoryLedger()
        self.outbox = MemoryQueue(lease_seconds=LEASE_SECONDS, now=lambda: self.time)
        self.dead_letters = self.outbox.dead_letters

    def pass_time(self, seconds: float) -> None:
        self.time += seconds

    def receive(self) -> Delivery | None:
        return self.outbox.receive(0)

    def lapse(self, delivery: Delivery) -> None:
        delivery.release(0)

    def put(self, body: str, group: str) -> None:
        self.outbox.put(body, group)

    def bodies(self) -> list[str]:
        return [entry.body for entry in self.outbox.entries]

    def close(self) -> None:
        return


class EmbeddedWorld:
    """SQS and DynamoDB on the embedded cloud: a queue and a table for each example."""

    def __init__(self, cloud: EmbeddedCloud) -> None:
        self.time = START
        self.jobs = MemoryJobs()
        self._queue: SqsQueue = new_sqs_queue(cloud, LONG_SECONDS)
        self._dynamodb = cloud.session.client("dynamodb", endpoint_url=cloud.url, config=LOCAL)
        self._table = f"protocol-{uuid.uuid4().hex}"
        self._dynamodb.create_table(
            TableName=self._table,
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
        self.ledger = DynamoLedger(self._dynamodb, self._table)
        self.outbox = LateQueue(self, self._queue)
        self.dead_letters = self._queue.dead_letters
        self.leases: dict[int, Leased] = {}

    def pass_time(self, seconds: float) -> None:
        self.time += seconds
        self.outbox.send_what_is_due(self.time)
        for lease in list(self.leases.values()):
            if lease.ends_at <= self.time:
                self.lapse(lease)

    def receive(self) -> Delivery | None:
        delivery = self._queue.receive(0)
        if delivery is None:
            return None
        lease = Leased(self, delivery, self.time + LEASE_SECONDS)
        self.leases[id(lease)] = lease
        return lease

    def lapse(self, delivery: Delivery) -> None:
        # Whoever has it by now keeps it: moto would take an old receipt handle for the new one.
        lease = self.leases.pop(id(delivery), None)
        if lease is not None:
            lease.delivery.release(0)

    def put(self, body: str, group: str) -> None:
        self._queue.client.send_message(
            QueueUrl=self._queue.url, MessageBody=body, MessageGroupId=group
        )

    def bodies(self) -> None:
        return None

    def close(self) -> None:
        self._dynamodb.delete_table(TableName=self._table)
        for url in (self._queue.url, self._queue.dead_letter_url):
            self._queue.client.delete_queue(QueueUrl=url)
        self._dynamodb.close()
        self._queue.client.close()


@dataclass(slots=True)
class LateQueue:
    """The work queue in SQS; messages are postponed in the model's time."""

    world: EmbeddedWorld = field(repr=False)
    queue: SqsQueue
    late: list[tuple[float, Message]] = field(default_factory=list)

    def send(self, messages: Iterable[Message]) -> int:
        return self.queue.send(messages)

    def postpone(self, message: Message, seconds: int) -> None:
        self.late.append((self.world.time + seconds, message))

    def send_what_is_due(self, now: float) -> None:
        self.queue.send(message for due, message in self.late if due <= now)
        self.late = [(due, message) for due, message in self.late if due > now]

    def depth(self) -> Depth:
        waiting, in_flight = self.queue.depth()
        return Depth(waiting, in_flight + len(self.late))


@dataclass(eq=False, slots=True)
class Leased:
    """A message from SQS, whose lease ends in the model's time."""

    world: EmbeddedWorld = field(repr=False)
    delivery: Delivery
    ends_at: float

    @property
    def body(self) -> str:
        return self.delivery.body

    @property
    def attempt(self) -> int:
        return self.delivery.attempt

    @property
    def group(self) -> str:
        return self.delivery.group

    @property
    def receipt(self) -> str:
        return self.delivery.receipt

    def complete(self) -> None:
        self.world.leases.pop(id(self), None)
        self.delivery.complete()

    def release(self, seconds: int) -> None:
        if seconds == 0:
            self.world.lapse(self)
        self.ends_at = self.world.time + seconds
