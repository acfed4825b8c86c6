"""SQS's own redrive, which moto does not serve: dead letters go back to where they came from.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
Here a task is over when its call is; letters in somebody's hand stay.
"""

import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from moto.sqs import models as sqs
from werkzeug import Request, Response

from console.cloud.child_environment import REGION
from console.cloud.queues import LOCK, MILLISECONDS, Entry, FairQueue
from console.cloud.resources import ACCOUNT

START = "AmazonSQS.StartMessageMoveTask"
LIST = "AmazonSQS.ListMessageMoveTasks"
MOVES = (START, LIST)
JSON = {"Content-Type": "application/x-amz-json-1.0"}
MAX_LISTED = 10
NO_SOURCE = "CouldNotDetermineMessageSource"
"""Why letters that no queue gave up on, but somebody sent, need a destination."""


class RefusedMove(Exception):
    """A call that SQS would refuse."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Move:
    """A move that is over."""

    source: str
    destination: str | None
    moved: int
    to_move: int
    failure: str | None
    started: int

    @property
    def described(self) -> dict[str, Any]:
        told = {
            "Status": "FAILED" if self.failure else "COMPLETED",
            "SourceArn": self.source,
            "DestinationArn": self.destination,
            "ApproximateNumberOfMessagesMoved": self.moved,
            "ApproximateNumberOfMessagesToMove": self.to_move,
            "FailureReason": self.failure,
            "StartedTimestamp": self.started,
        }
        return {name: value for name, value in told.items() if value is not None}


_moves: list[Move] = []


@Request.application
def move_service(request: Request) -> Response:
    """Answer a call that starts or lists moves."""
    call = request.get_json(force=True)
    try:
        answer = _start(call) if request.headers["X-Amz-Target"] == START else _list(call)
    except RefusedMove as error:
        told = {"__type": f"com.amazonaws.sqs#{error.code}", "message": str(error)}
        return Response(json.dumps(told), 400, JSON)
    return Response(json.dumps(answer), 200, JSON)


def _start(call: Mapping[str, Any]) -> dict[str, Any]:
    source = _queue(call["SourceArn"])
    destination = _queue(call["DestinationArn"]) if call.get("DestinationArn") else None
    if not any(queue.dead_letter_queue is source for queue in _queues().values()):
        raise RefusedMove(
            "InvalidParameterValue", "Source queue must be configured as a Dead Letter Queue."
        )
    with LOCK:
        waiting = source.waiting()
        moved = sum(_move(source, entry, destination) for entry in waiting)
    move = Move(
        source=source.queue_arn,
        destination=destination.queue_arn if destination else None,
        moved=moved,
        to_move=len(waiting),
        failure=NO_SOURCE if moved < len(waiting) else None,
        started=int(time.time() * MILLISECONDS),
    )
    _moves.insert(0, move)
    return {"TaskHandle": str(uuid.uuid4())}


def _move(source: FairQueue, entry: Entry, destination: FairQueue | None) -> bool:
    """Move a letter; for the queue that gets it, it is a new message."""
    target = destination or _queues().get(entry.source or "")
    if target is None:
        return False
    source.forget(entry)
    old = entry.message
    message = sqs.Message(str(uuid.uuid4()), old.body, old.system_attributes)
    message.message_attributes, message.group_id = old.message_attributes, old.group_id
    message.mark_sent()
    target.add_message(message)
    return True


def _list(call: Mapping[str, Any]) -> dict[str, Any]:
    source = _queue(call["SourceArn"]).queue_arn
    most = min(int(call.get("MaxResults") or 1), MAX_LISTED)
    return {"Results": [move.described for move in _moves if move.source == source][:most]}


def _queue(arn: str) -> FairQueue:
    queue = _queues().get(arn)
    if queue is None:
        raise RefusedMove(
            "ResourceNotFoundException",
            "The resource that you specified for the ARN does not exist.",
        )
    return queue


def _queues() -> dict[str, FairQueue]:
    """Return all queues by their ARNs."""
    backend = sqs.sqs_backends[ACCOUNT][REGION]
    return {
        queue.queue_arn: queue for queue in backend.queues.values() if isinstance(queue, FairQueue)
    }
