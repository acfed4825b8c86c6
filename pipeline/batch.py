"""Jobs on AWS Batch: the workers of a run, and its final job. Adapter: takes a client."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from pipeline.environment import RUN_ID
from pipeline.run import Plan

if TYPE_CHECKING:
    from mypy_boto3_batch.client import BatchClient


class Jobs(Protocol):
    """What the stages ask of Batch."""

    def submit_worker(self, run_id: str, plan: Plan, index: int) -> str:
        """Start one more worker; return the job's id."""

    def submit_final(self, run_id: str, plan: Plan) -> str:
        """Start the manifest builder for a run; return the job's id."""

    def missing(self, queue: str, definition: str) -> list[str]:
        """Return a line for each of the two that Batch does not know or does not run."""


class BatchJobs:
    """Jobs on AWS Batch.

    One job definition serves both: its image's entry point is `python -m`, and the command names
    the package.
    """

    def __init__(self, client: "BatchClient") -> None:
        self._client = client

    def submit_worker(self, run_id: str, plan: Plan, index: int) -> str:
        return self._submit(f"{run_id}-worker-{index}", plan, "worker", {})

    def submit_final(self, run_id: str, plan: Plan) -> str:
        return self._submit(f"{run_id}-manifests", plan, "manifest_builder", {RUN_ID: run_id})

    def missing(self, queue: str, definition: str) -> list[str]:
        problems = []
        queues = self._client.describe_job_queues(jobQueues=[queue])["jobQueues"]
        if not any(found["state"] == "ENABLED" for found in queues):
            problems.append(f"jobQueue: expected an enabled Batch job queue, not {queue!r}")
        # Only ARNs and name:revision may stand in jobDefinitions.
        if ":" in definition:
            answer = self._client.describe_job_definitions(jobDefinitions=[definition])
        else:
            answer = self._client.describe_job_definitions(
                jobDefinitionName=definition, status="ACTIVE"
            )
        if not any(found["status"] == "ACTIVE" for found in answer["jobDefinitions"]):
            problems.append(f"jobDefinition: expected an active job definition, not {definition!r}")
        return problems

    def _submit(self, name: str, plan: Plan, command: str, environment: Mapping[str, str]) -> str:
        answer = self._client.submit_job(
            jobName=name,
            jobQueue=plan.job_queue,
            jobDefinition=plan.job_definition,
            containerOverrides={
                "command": [command],
                "environment": [
                    {"name": key, "value": value} for key, value in environment.items()
                ],
            },
        )
        return answer["jobId"]
