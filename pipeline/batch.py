"""Jobs on AWS Batch: the workers of a run, and its final job. Adapter: takes a client."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from pipeline.environment import RUN_ID, WORKER
from pipeline.errors import TransientError
from pipeline.run import Plan, Run

if TYPE_CHECKING:
    from mypy_boto3_batch.client import BatchClient
    from mypy_boto3_batch.type_defs import JobDetailTypeDef, KeyValuesPairTypeDef

MAX_DESCRIBED_JOBS = 100
"""https://docs.aws.amazon.com/batch/latest/APIReference/API_DescribeJobs.html"""
MILLISECONDS = 1000
FAILED = "FAILED"
ENDED = {"SUCCEEDED", FAILED}
UNSTARTED = {"SUBMITTED", "PENDING", "RUNNABLE", "STARTING"}
"""https://docs.aws.amazon.com/batch/latest/userguide/job_states.html"""


class Jobs(Protocol):
    """What the stages ask of Batch."""

    def submit_worker(self, run_id: str, plan: Plan, index: int) -> str:
        """Start one more worker; return the job's id."""

    def submit_final(self, run: Run) -> str:
        """Start the manifest builder for a run that is claimed; return the job's id."""

    def find_worker(self, run_id: str, plan: Plan, index: int) -> str | None:
        """Return the id of a worker that was submitted before."""

    def find_final(self, run: Run) -> str | None:
        """Return the id of the final job that was submitted under a run's present claim."""

    def living(self, job_ids: Sequence[str]) -> set[str]:
        """Return those of some jobs that have not ended."""

    def unstarted(self, job_ids: Sequence[str]) -> set[str]:
        """Return those of some jobs whose process does not run yet, the first time or again."""

    def failed(self, job_ids: Sequence[str]) -> dict[str, float]:
        """Return those of some jobs that have ended in a fault, or were terminated.

        With each comes the time of its submission, in seconds since the epoch.
        """

    def terminate(self, job_ids: Iterable[str], reason: str) -> None:
        """End jobs; one that has ended is no error."""

    def missing(self, queue: str, definitions: Iterable[str]) -> list[str]:
        """Return a line for each of them that Batch does not know or does not run."""


class BatchJobs:
    """Jobs on AWS Batch.

    One image serves both: its entry point is `python -m`, and the command names the package. A
    job's name tells what it was submitted for: who does not know whether a
    process that died had submitted it, finds it by that.
    """

    def __init__(self, client: "BatchClient") -> None:
        self._client = client

    def submit_worker(self, run_id: str, plan: Plan, index: int) -> str:
        itself = {RUN_ID: run_id, WORKER: str(index)}
        return self._submit(
            _worker_name(run_id, index), plan.job_queue, plan.job_definition, "worker", itself
        )

    def submit_final(self, run: Run) -> str:
        plan = _plan(run)
        definition = plan.manifest_job_definition or plan.job_definition
        itself = {RUN_ID: run.run_id}
        return self._submit(
            _final_name(run), plan.job_queue, definition, "manifest_builder", itself
        )

    def find_worker(self, run_id: str, plan: Plan, index: int) -> str | None:
        return self._find(plan, _worker_name(run_id, index))

    def find_final(self, run: Run) -> str | None:
        return self._find(_plan(run), _final_name(run))

    def living(self, job_ids: Sequence[str]) -> set[str]:
        return {job["jobId"] for job in self._describe(job_ids) if job["status"] not in ENDED}

    def unstarted(self, job_ids: Sequence[str]) -> set[str]:
        return {job["jobId"] for job in self._describe(job_ids) if job["status"] in UNSTARTED}

    def failed(self, job_ids: Sequence[str]) -> dict[str, float]:
        return {
            job["jobId"]: job["createdAt"] / MILLISECONDS
            for job in self._describe(job_ids)
            if job["status"] == FAILED
        }

    def terminate(self, job_ids: Iterable[str], reason: str) -> None:
        for job_id in job_ids:
            self._client.terminate_job(jobId=job_id, reason=reason)

    def missing(self, queue: str, definitions: Iterable[str]) -> list[str]:
        problems = []
        queues = self._client.describe_job_queues(jobQueues=[queue])["jobQueues"]
        if not any(found["state"] == "ENABLED" for found in queues):
            problems.append(f"jobQueue: expected an enabled Batch job queue, not {queue!r}")
        problems += [
            f"jobDefinition: expected an active job definition, not {definition!r}"
            for definition in definitions
            if not self._is_active(definition)
        ]
        return problems

    def _is_active(self, definition: str) -> bool:
        # Only ARNs and name:revision may stand in jobDefinitions.
        if ":" in definition:
            answer = self._client.describe_job_definitions(jobDefinitions=[definition])
        else:
            answer = self._client.describe_job_definitions(
                jobDefinitionName=definition, status="ACTIVE"
            )
        return any(found["status"] == "ACTIVE" for found in answer["jobDefinitions"])

    def _submit(
        self,
        name: str,
        queue: str,
        definition: str,
        command: str,
        environment: Mapping[str, str],
    ) -> str:
        answer = self._client.submit_job(
            jobName=name,
            jobQueue=queue,
            jobDefinition=definition,
            containerOverrides={
                "command": [command],
                "environment": [
                    {"name": key, "value": value} for key, value in environment.items()
                ],
            },
        )
        return answer["jobId"]

    def _describe(self, job_ids: Sequence[str]) -> "Iterator[JobDetailTypeDef]":
        """Yield those of some jobs that Batch knows."""
        for start in range(0, len(job_ids), MAX_DESCRIBED_JOBS):
            wanted = list(job_ids[start : start + MAX_DESCRIBED_JOBS])
            yield from self._client.describe_jobs(jobs=wanted)["jobs"]

    def _find(self, plan: Plan, name: str) -> str | None:
        by_name: KeyValuesPairTypeDef = {"name": "JOB_NAME", "values": [name]}
        pages = self._client.get_paginator("list_jobs")
        for page in pages.paginate(jobQueue=plan.job_queue, filters=[by_name]):
            for job in page["jobSummaryList"]:
                return job["jobId"]
        return None


def _worker_name(run_id: str, index: int) -> str:
    return f"{run_id}-worker-{index}"


def _final_name(run: Run) -> str:
    return f"{run.run_id}-manifests-{run.claimed_at}"


def _plan(run: Run) -> Plan:
    if run.plan is None:
        raise TransientError(f"{run.run_id}: a rejected run has no jobs")
    return run.plan
