"""SQS's own redrive: all letters, also those that somebody had in hand when it began."""

import io
import time
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from console import deployment
from console.deployment import Deployment
from console.embedded import EmbeddedCloud
from console.redrive import redrive
from pipeline import dead_letters
from pipeline.dead_letters import SqsDeadLetters
from pipeline.outbox import Depth, read_depth
from tests.builders import a_message
from tests.queues import SqsQueue, new_sqs_queue

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient

LEASE = 600


@pytest.fixture
def queue(cloud: EmbeddedCloud, monkeypatch: pytest.MonkeyPatch) -> SqsQueue:
    """Two letters of a run that is not known."""
    monkeypatch.setattr(deployment, "LETTER_PATIENCE_SECONDS", 0)
    queue = new_sqs_queue(cloud, LEASE)
    for page in (1, 2):
        queue.dead_letters.bury(a_message("unknown", page=page).to_json(), {}, "unknown")
    return queue


@pytest.fixture
def place(cloud: EmbeddedCloud, queue: SqsQueue) -> Deployment:
    return Deployment(
        session=cloud.session,
        table=cloud.table,
        queue_url=queue.url,
        dead_letter_queue_url=queue.dead_letter_url,
        bucket=cloud.bucket,
        endpoint=cloud.url,
    )


def take(queue: SqsQueue, most: int) -> list[str]:
    """Take letters in hand; return their receipts."""
    taken = queue.client.receive_message(
        QueueUrl=queue.dead_letter_url, MaxNumberOfMessages=most, VisibilityTimeout=LEASE
    )
    return [message["ReceiptHandle"] for message in taken["Messages"]]


def put_back(queue: SqsQueue, receipt: str) -> None:
    queue.client.change_message_visibility(
        QueueUrl=queue.dead_letter_url, ReceiptHandle=receipt, VisibilityTimeout=0
    )


def told(place: Deployment) -> str:
    console = Console(file=io.StringIO(), width=200)
    assert redrive(place, console) == []
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_letter_that_was_in_anothers_hand_is_moved_when_it_is_back(
    place: Deployment, queue: SqsQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    (receipt,) = take(queue, 1)
    waits = iter(["still in hand", "back"])

    def wait(_: float) -> None:
        if next(waits) == "back":
            put_back(queue, receipt)

    monkeypatch.setattr(time, "sleep", wait)
    assert "about 2 letters" in told(place)
    assert (queue.depth().waiting, queue.dead_letters.depth()) == (2, 0)


def test_letters_that_are_all_in_anothers_hand_are_named(
    place: Deployment, queue: SqsQueue
) -> None:
    take(queue, 2)
    assert "about 2 dead letters in somebody else's hand; try again" in told(place)
    assert queue.depth().waiting == 0


def test_a_look_waits_for_letters_that_come_back(
    queue: SqsQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "WAIT_SECONDS", 0)
    _, receipt = take(queue, 2)
    real = read_depth

    def put_back_late(client: "SQSClient", url: str) -> Depth:
        depth = real(client, url)
        if depth.waiting == 0 and depth.in_flight == 2:
            put_back(queue, receipt)
        return depth

    monkeypatch.setattr(dead_letters, "read_depth", put_back_late)
    for patience, seen in ((0, 0), (LEASE, 1)):
        patient = SqsDeadLetters(queue.client, queue.dead_letter_url, patience)
        with patient.take(1) as hand:
            assert len(list(hand.letters())) == seen
