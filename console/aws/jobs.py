"""Ending a job queue's jobs: a queue with jobs keeps its stack from being deleted."""

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from mypy_boto3_batch.client import BatchClient

    from console.aws.account import Account
    from console.aws.stack_state import Stack

LIVING: tuple[Literal["SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING"], ...] = (
    "SUBMITTED",
    "PENDING",
    "RUNNABLE",
    "STARTING",
    "RUNNING",
)
OUTPUT = "JobQueue"
REASON = "the stack is being removed"


def end_jobs(account: "Account", stack: "Stack") -> int:
    """Close the stack's job queue and end its jobs; return their number."""
    queue = stack.outputs.get(OUTPUT)
    if queue is None:
        return 0
    batch = account.batch
    known = batch.describe_job_queues(jobQueues=[queue])["jobQueues"]
    if not known or known[0].get("status") in {"DELETING", "DELETED"}:
        return 0
    if known[0]["state"] == "ENABLED":
        # Else the reconciler would start new jobs in place of those that end.
        batch.update_job_queue(jobQueue=queue, state="DISABLED")
    return _terminate(batch, queue)


def _terminate(batch: "BatchClient", queue: str) -> int:
    ended = 0
    for status in LIVING:
        for page in batch.get_paginator("list_jobs").paginate(jobQueue=queue, jobStatus=status):
            for job in page["jobSummaryList"]:
                batch.terminate_job(jobId=job["jobId"], reason=REASON)
                ended += 1
    return ended
