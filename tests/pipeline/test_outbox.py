"""Sending in full batches, many at once; what SQS refuses is sent again or told."""

import threading
from typing import Any

import pytest

from pipeline.errors import TransientError
from pipeline.message import Message
from pipeline.outbox import MAX_BATCH_ENTRIES, MAX_SENDS, SqsOutbox
from pipeline.threads import MAX_THREADS
from tests.builders import a_message


class Sqs:
    """The one call that sends, answered by a test."""

    def __init__(self) -> None:
        self.batches: list[list[dict[str, str]]] = []
        self.refused: set[str] = set()

    def send_message_batch(self, **asked: Any) -> Any:
        entries = asked["Entries"]
        self.batches.append(entries)
        failed = [{"Id": e["Id"]} for e in entries if e["MessageBody"] in self.refused]
        return {"Failed": failed}


def pages(count: int) -> list[Message]:
    return [a_message(page=number) for number in range(1, count + 1)]


def outbox(sqs: Sqs) -> SqsOutbox:
    return SqsOutbox(sqs, "https://queue")  # type: ignore[arg-type]  # it has what is used


def test_each_message_is_sent_once_in_batches_that_are_full() -> None:
    sqs, messages = Sqs(), pages(1_234)
    assert outbox(sqs).send(iter(messages)) == 1_234
    sizes = sorted(map(len, sqs.batches))
    assert sizes == [4] + [MAX_BATCH_ENTRIES] * 123
    bodies = [entry["MessageBody"] for batch in sqs.batches for entry in batch]
    assert sorted(bodies) == sorted(message.to_json() for message in messages)


def test_as_many_batches_are_under_way_as_there_are_threads() -> None:
    together = threading.Barrier(MAX_THREADS)

    class Waiting(Sqs):
        def send_message_batch(self, **asked: Any) -> Any:
            together.wait(30)
            return super().send_message_batch(**asked)

    assert outbox(Waiting()).send(pages(2 * MAX_THREADS * MAX_BATCH_ENTRIES)) > 0


def test_what_sqs_keeps_refusing_is_told() -> None:
    sqs, messages = Sqs(), pages(35)
    sqs.refused = {messages[7].to_json()}
    with pytest.raises(TransientError, match="SQS refused 1 messages"):
        outbox(sqs).send(messages)
    again = [batch for batch in sqs.batches if len(batch) == 1]
    assert len(again) == MAX_SENDS - 1
