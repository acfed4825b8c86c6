"""Before a stack goes its job queue is closed, and its jobs are ended."""

from typing import Any

import pytest
from botocore.stub import Stubber

from console.aws.account import Account
from console.aws.jobs import LIVING, end_jobs
from console.aws.stack_state import Stack
from tests.console.aws.conftest import SESSION

QUEUE = "arn:aws:batch:eu-west-1:123456789012:job-queue/archive"
STACK = Stack("archive", "id", "CREATE_COMPLETE", {}, {"JobQueue": QUEUE})


def account(stub: Stubber) -> Account:
    """Return an account whose Batch is the stub."""
    made = Account(SESSION, "123456789012", "eu-west-1", "aws")
    made.__dict__["batch"] = stub.client
    return made


def queue(**fields: str) -> dict[str, Any]:
    told = {"jobQueueName": "archive", "jobQueueArn": QUEUE, "state": "ENABLED", "status": "VALID"}
    return {"jobQueues": [{**told, "priority": 1, "computeEnvironmentOrder": [], **fields}]}


def add_jobs(stub: Stubber) -> None:
    for status in LIVING:
        job = {"jobId": f"job-{status}", "jobName": "worker"}
        stub.add_response(
            "list_jobs", {"jobSummaryList": [job]}, {"jobQueue": QUEUE, "jobStatus": status}
        )
        stub.add_response(
            "terminate_job", {}, {"jobId": job["jobId"], "reason": "the stack is being removed"}
        )


def test_the_queue_is_closed_first_and_living_jobs_of_all_states_are_ended(batch: Stubber) -> None:
    batch.add_response("describe_job_queues", queue(), {"jobQueues": [QUEUE]})
    batch.add_response(
        "update_job_queue",
        {"jobQueueName": "archive", "jobQueueArn": QUEUE},
        {"jobQueue": QUEUE, "state": "DISABLED"},
    )
    add_jobs(batch)
    assert end_jobs(account(batch), STACK) == len(LIVING)


def test_a_queue_that_is_closed_already_is_left_so(batch: Stubber) -> None:
    batch.add_response("describe_job_queues", queue(state="DISABLED"))
    add_jobs(batch)
    assert end_jobs(account(batch), STACK) == len(LIVING)


@pytest.mark.parametrize("answer", [{"jobQueues": []}, queue(status="DELETING")])
def test_a_queue_that_is_gone_has_no_jobs(batch: Stubber, answer: dict[str, Any]) -> None:
    batch.add_response("describe_job_queues", answer)
    assert end_jobs(account(batch), STACK) == 0


def test_a_stack_without_a_queue_has_no_jobs(batch: Stubber) -> None:
    stack = Stack("archive", "id", "CREATE_COMPLETE", {}, {})
    assert end_jobs(account(batch), stack) == 0
