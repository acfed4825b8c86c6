"""AWS Batch as its client sees it: jobs that nobody runs, and no more calls than it takes."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from botocore.config import Config
from botocore.exceptions import ClientError

from benchmarks.simulation.service import Bucket, Client, World, refusal


@dataclass
class Jobs:
    """The jobs that were submitted, and how many calls may come."""

    submits: Bucket
    names: list[str] = field(default_factory=list)


class Batch(Client):
    """A client."""

    def __init__(self, world: World, jobs: Jobs, config: Config | None = None) -> None:
        super().__init__(world, "batch", config)
        self._jobs = jobs
        self._limits = world.aws.batch

    def submit_job(self, **call: Any) -> Any:
        """Note a job."""

        def serve() -> Any:
            if not self._jobs.submits.holds(1, self._world.clock.now):
                code = "TooManyRequestsException"
                raise ClientError(refusal(code, "SubmitJob"), "SubmitJob")
            self._jobs.submits.tokens -= 1
            self._jobs.names.append(call["jobName"])
            return {"jobId": f"job-{len(self._jobs.names)}"}

        return self._call("SubmitJob", self._limits.call_seconds, serve)

    def describe_jobs(self, **call: Any) -> Any:
        """Return jobs that run for ever."""

        def serve() -> Any:
            return {"jobs": [{"jobId": job_id, "status": "RUNNING"} for job_id in call["jobs"]]}

        return self._call("DescribeJobs", self._limits.call_seconds, serve)

    def get_paginator(self, operation: str) -> Any:
        """Return the paginator of a list that is empty: no job's submitter has died."""

        def paginate(**_: Any) -> Any:
            yield self._call(operation, self._limits.call_seconds, lambda: {"jobSummaryList": []})

        return SimpleNamespace(paginate=paginate)
