"""SQS's own redrive of all dead letters, as the button in AWS's console does it.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
"""

import time
from typing import TYPE_CHECKING

from console.deployment import Deployment
from console.dlq import look_at_letters
from console.errors import ConsoleError
from console.plain import counted, say
from console.reopening import start_workers_for
from pipeline.completion import complete_run
from pipeline.dead_letters import IN_HAND_SECONDS, MAX_IN_HAND
from pipeline.pool import living_jobs

if TYPE_CHECKING:
    from rich.console import Console

POLL_SECONDS = 1
MOVING = ("RUNNING", "CANCELLING")


def redrive(place: Deployment, console: "Console", workers: int | None = None) -> list[str]:
    """Have SQS move all letters to the work queue, and start workers; return the runs.

    Whoever takes such a message reopens its run. It is a letter without a source to go back to,
    for workers have put it there, so the queue is named. Raises ConsoleError where SQS gives up.
    """
    survey = look_at_letters(place.dead_letters, place.ledger, MAX_IN_HAND)
    if survey.looked_at == 0:
        say(console, survey.nothing_to_replay)
        return []
    handle = _start_move(place)
    letters = counted(survey.depth, "letter")
    say(console, f"SQS moves about {letters} to the work queue (task {handle[:12]}…)")
    for run_id, number in survey.runs.items():
        started = start_workers_for(run_id, number, workers, place)
        say(console, f"{run_id}: {counted(number, 'letter')}, {counted(started, 'worker')} started")
    _await_moves(place, survey.depth)
    return list(survey.runs)


def await_workers(place: Deployment, run_ids: list[str]) -> None:
    """Wait until the workers of some runs have left the empty queue; have the manifests built."""
    while any(living_jobs(run_id, place.ledger, place.jobs) for run_id in run_ids):
        time.sleep(POLL_SECONDS)
    for run_id in run_ids:
        # A run that messages have reopened is only completed by who has seen that all came.
        complete_run(run_id, place.ledger, place.jobs, is_quiet=True)


def _await_moves(place: Deployment, letters: int) -> None:
    """Wait until SQS has moved so many letters.

    A task leaves behind what somebody has in hand just then, so another one follows until that
    must have come back.
    """
    deadline = time.monotonic() + IN_HAND_SECONDS
    moved = _await_move(place)
    while moved < letters and place.dead_letters.depth() > 0 and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        _start_move(place)
        moved += _await_move(place)


def _start_move(place: Deployment) -> str:
    task = place.sqs.start_message_move_task(
        SourceArn=_arn(place, place.dead_letter_queue_url),
        DestinationArn=_arn(place, place.queue_url),
    )
    return task["TaskHandle"]


def _await_move(place: Deployment) -> int:
    """Wait for the end of the last move; return how many letters it has moved."""
    source = _arn(place, place.dead_letter_queue_url)
    while True:
        (task,) = place.sqs.list_message_move_tasks(SourceArn=source, MaxResults=1)["Results"]
        if task["Status"] == "FAILED":
            raise ConsoleError(f"SQS did not move all letters: {task.get('FailureReason')}")
        if task["Status"] not in MOVING:
            return task.get("ApproximateNumberOfMessagesMoved", 0)
        time.sleep(POLL_SECONDS)


def _arn(place: Deployment, queue_url: str) -> str:
    answer = place.sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
    return answer["Attributes"]["QueueArn"]
