"""The embedded cloud's queues: fair to groups, quick however deep, redriven as SQS does it."""

import json
import sys
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from moto.sqs.exceptions import ReceiptHandleIsInvalid
from moto.sqs.models import Message

from console.cloud.queues import FairQueue
from console.embedded import EmbeddedCloud

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient

LEASE = 600


def queue_of(**groups: int) -> FairQueue:
    """Return a queue with so many messages of each group, one group after the other."""
    queue = FairQueue("queue", "us-east-1", "123456789012")  # type: ignore[abstract]  # as moto's
    for group, count in groups.items():
        fill(queue, group, count)
    return queue


def fill(queue: FairQueue, group: str | None, count: int) -> None:
    for number in range(count):
        message = Message(str(uuid.uuid4()), f"{group} {number}")
        message.group_id = group
        message.mark_sent()
        queue.add_message(message)


def take(queue: FairQueue, lease: int = LEASE) -> Message:
    (message,) = queue.receive(1, 0, lease)
    return message


def finish(queue: FairQueue, message: Message) -> None:
    assert message.receipt_handle is not None
    queue.delete_message(message.receipt_handle)


def test_a_small_run_behind_a_large_one_does_not_wait_for_it() -> None:
    queue = queue_of(large=50_000)
    hands = [take(queue), take(queue)]
    fill(queue, "small", 10)
    taken = []
    for turn in range(40):
        finish(queue, hands[turn % 2])
        hands[turn % 2] = take(queue)
        taken.append(hands[turn % 2].group_id)
    assert taken.count("small") == 10
    # The large one is not shut out meanwhile: fair goes both ways.
    assert "large" in taken[:5]
    assert queue.approximate_number_of_messages > 49_900


@pytest.mark.parametrize("hands", [1, 2, 7])
def test_groups_share_evenly(hands: int) -> None:
    queue = queue_of(a=300, b=300, c=300)
    held: list[Message] = []
    taken = []
    for _ in range(90):
        if len(held) == hands:
            finish(queue, held.pop(0))
        held.append(take(queue))
        taken.append(held[-1].group_id)
    assert {group: taken.count(group) for group in "abc"} == {"a": 30, "b": 30, "c": 30}


def test_a_group_whose_messages_are_long_in_hand_waits_for_the_others() -> None:
    queue = queue_of(slow=10, quick=5)
    for _ in range(3):
        take(queue)  # and keep
    while (message := take(queue)).group_id != "slow":
        finish(queue, message)
    rest = [message for message in queue.entries() if message.group == "quick"]
    assert len(rest) <= 1


def test_within_a_group_the_first_comes_first() -> None:
    queue = queue_of(a=5)
    given_back = take(queue)
    assert given_back.receipt_handle is not None
    queue.lease(given_back.receipt_handle, 0)
    assert [take(queue).body for _ in range(5)] == [f"a {number}" for number in range(5)]


def test_messages_without_a_group_are_all_delivered() -> None:
    queue = queue_of()
    fill(queue, None, 3)
    fill(queue, "a", 3)
    bodies = {take(queue).body for _ in range(6)}
    assert len(bodies) == 6
    assert queue.receive(1, 0, LEASE) == []


def calls_during(work: Callable[[], object]) -> int:
    """Return how many functions are called, of Python and of C."""
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls


def test_all_calls_cost_the_same_however_deep_the_queue() -> None:
    def work(queue: FairQueue) -> None:
        message = take(queue)
        assert message.receipt_handle is not None
        queue.lease(message.receipt_handle, 60)
        finish(queue, message)
        fill(queue, "a", 1)
        assert queue.approximate_number_of_messages > 0
        assert queue.approximate_number_of_messages_not_visible == 0

    shallow, deep = queue_of(a=10), queue_of(a=50_000)
    for queue in (shallow, deep):
        work(queue)
    assert calls_during(lambda: work(deep)) <= calls_during(lambda: work(shallow)) + 20


def test_a_lease_that_is_lost_cannot_be_renewed() -> None:
    queue = queue_of(a=1)
    first = take(queue, lease=0)
    second = take(queue)
    assert first.receipt_handle is not None
    with pytest.raises(ReceiptHandleIsInvalid):
        queue.lease(first.receipt_handle, 60)
    assert queue.approximate_number_of_messages_not_visible == 1
    finish(queue, second)
    finish(queue, second)
    finish(queue, first)
    assert queue.entries() == []


def test_nothing_is_lost_or_doubled_by_many_at_once() -> None:
    queue = queue_of()
    seen: list[str] = []
    start = threading.Barrier(6)

    def send(group: str) -> None:
        start.wait()
        fill(queue, group, 300)

    def drain() -> None:
        start.wait()
        while messages := queue.receive(3, 1, LEASE):
            seen.extend(message.body for message in messages)
            for message in messages:
                finish(queue, message)

    with ThreadPoolExecutor(6) as threads:
        work = [threads.submit(send, group) for group in "abc"]
        work += [threads.submit(drain) for _ in range(3)]
    for done in work:
        done.result()
    assert sorted(seen) == sorted(f"{group} {number}" for group in "abc" for number in range(300))
    assert queue.entries() == []


# SQS's own redrive


@pytest.fixture
def sqs(cloud: EmbeddedCloud) -> "SQSClient":
    return cloud.sqs


def arn(sqs: "SQSClient", url: str) -> str:
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return answer["Attributes"]["QueueArn"]


@pytest.fixture
def pair(sqs: "SQSClient") -> tuple[str, str]:
    """A queue that gives up after one receive, and its dead letters."""
    name = f"test-{uuid.uuid4().hex}"
    dead = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    policy = {"deadLetterTargetArn": arn(sqs, dead), "maxReceiveCount": 1}
    attributes: Any = {"RedrivePolicy": json.dumps(policy)}
    return sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"], dead


def receive(sqs: "SQSClient", url: str, lease: int = LEASE) -> Any:
    return sqs.receive_message(
        QueueUrl=url,
        VisibilityTimeout=lease,
        MessageAttributeNames=["All"],
        MessageSystemAttributeNames=["All"],
    ).get("Messages", [])


def test_dead_letters_go_back_to_where_they_came_from(
    sqs: "SQSClient", pair: tuple[str, str]
) -> None:
    url, dead = pair
    reason: Any = {"reason": {"DataType": "String", "StringValue": "x"}}
    sqs.send_message(QueueUrl=url, MessageBody="b", MessageAttributes=reason, MessageGroupId="r")
    (first,) = receive(sqs, url, lease=0)
    assert receive(sqs, url) == []
    assert sqs.start_message_move_task(SourceArn=arn(sqs, dead))["TaskHandle"]
    (again,) = receive(sqs, url)
    assert (again["Body"], again["MessageAttributes"]["reason"]["StringValue"]) == ("b", "x")
    assert again["Attributes"]["MessageGroupId"] == "r"
    assert again["Attributes"]["ApproximateReceiveCount"] == "1"
    assert again["MessageId"] != first["MessageId"]
    assert receive(sqs, dead) == []
    (task,) = sqs.list_message_move_tasks(SourceArn=arn(sqs, dead))["Results"]
    assert (task["Status"], task["ApproximateNumberOfMessagesMoved"]) == ("COMPLETED", 1)


def test_letters_that_somebody_sent_need_a_destination(
    sqs: "SQSClient", pair: tuple[str, str]
) -> None:
    url, dead = pair
    for body in "ab":
        sqs.send_message(QueueUrl=dead, MessageBody=body)
    sqs.start_message_move_task(SourceArn=arn(sqs, dead))
    (task,) = sqs.list_message_move_tasks(SourceArn=arn(sqs, dead))["Results"]
    assert (task["Status"], task["FailureReason"]) == ("FAILED", "CouldNotDetermineMessageSource")
    sqs.start_message_move_task(SourceArn=arn(sqs, dead), DestinationArn=arn(sqs, url))
    assert {receive(sqs, url)[0]["Body"] for _ in "ab"} == {"a", "b"}
    tasks = sqs.list_message_move_tasks(SourceArn=arn(sqs, dead), MaxResults=10)["Results"]
    assert [task["Status"] for task in tasks] == ["COMPLETED", "FAILED"]


def test_letters_in_somebodys_hand_stay(sqs: "SQSClient", pair: tuple[str, str]) -> None:
    url, dead = pair
    for body in "ab":
        sqs.send_message(QueueUrl=dead, MessageBody=body)
    (held,) = receive(sqs, dead)
    sqs.start_message_move_task(SourceArn=arn(sqs, dead), DestinationArn=arn(sqs, url))
    (moved,) = receive(sqs, url)
    assert {held["Body"], moved["Body"]} == {"a", "b"}
    assert receive(sqs, url) == []


def test_what_is_no_dead_letter_queue_cannot_be_redriven(
    sqs: "SQSClient", pair: tuple[str, str]
) -> None:
    with pytest.raises(ClientError, match="must be configured as a Dead Letter Queue"):
        sqs.start_message_move_task(SourceArn=arn(sqs, pair[0]))
    with pytest.raises(sqs.exceptions.ResourceNotFoundException):
        sqs.start_message_move_task(SourceArn=arn(sqs, pair[0]) + "-none")


def test_a_fifo_queue_is_refused(sqs: "SQSClient") -> None:
    attributes: Any = {"FifoQueue": "true"}
    with pytest.raises(ClientError, match="no FIFO queues"):
        sqs.create_queue(QueueName="test.fifo", Attributes=attributes)
