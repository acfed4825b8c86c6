"""How jobs fare, as Batch tells it. Adapter: takes a client."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.batch import ENDED, MAX_DESCRIBED_JOBS

if TYPE_CHECKING:
    from mypy_boto3_batch.client import BatchClient

GONE = "GONE"
"""Batch forgets a job some days after its end."""


@dataclass(frozen=True, slots=True)
class JobView:
    """A job's status in Batch's words, why it has that, and where its log is."""

    job_id: str
    status: str = GONE
    reason: str = ""
    log: str = ""

    @property
    def lives(self) -> bool:
        """Tell whether the job has not ended."""
        return self.status not in {*ENDED, GONE}


def view_jobs(client: "BatchClient", job_ids: Sequence[str]) -> list[JobView]:
    """Return jobs in the order asked for; those that Batch has forgotten as gone."""
    views: dict[str, JobView] = {}
    for start in range(0, len(job_ids), MAX_DESCRIBED_JOBS):
        wanted = list(job_ids[start : start + MAX_DESCRIBED_JOBS])
        for job in client.describe_jobs(jobs=wanted)["jobs"]:
            views[job["jobId"]] = JobView(
                job["jobId"],
                job["status"],
                job.get("statusReason", ""),
                job.get("container", {}).get("logStreamName", ""),
            )
    return [views.get(job_id, JobView(job_id)) for job_id in job_ids]
