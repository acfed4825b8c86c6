"""A run's workers: which of them live, and starting more; the ledger keeps their jobs' ids."""

from dataclasses import dataclass

import structlog

from pipeline.batch import Jobs
from pipeline.errors import TransientError
from pipeline.ledger import Ledger
from pipeline.run import Run, WorkerJob

MAX_LOOKED_AT = 2_000
"""Jobs, the newest of a run. Who replaces workers for weeks leaves thousands of ended ones, and
Batch describes 100 in a call."""

STARTED_TWICE = "another process started this worker"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Pool:
    """A run's workers at one moment.

    `noted` jobs have been started for it since its beginning. Those of the `living`, oldest
    first, have not ended, and take pages: the retired are not among them.
    """

    noted: int
    living: tuple[WorkerJob, ...]


def look_at_pool(run_id: str, ledger: Ledger, jobs: Jobs) -> Pool:
    """Return a run's workers."""
    noted = ledger.worker_jobs(run_id)
    staying = [job for job in noted[-MAX_LOOKED_AT:] if not job.retired]
    living = jobs.living([job.job_id for job in staying])
    return Pool(len(noted), tuple(job for job in staying if job.job_id in living))


def living_jobs(run_id: str, ledger: Ledger, jobs: Jobs) -> set[str]:
    """Return the ids of a run's worker jobs that have not ended, the retired among them."""
    noted = ledger.worker_jobs(run_id)[-MAX_LOOKED_AT:]
    return jobs.living([job.job_id for job in noted])


def start_workers(
    run: Run, count: int, ledger: Ledger, jobs: Jobs, noted: int | None = None
) -> list[str]:
    """Submit some more workers for a run, and note each; return the jobs' ids.

    `noted` is how many jobs there were when `count` was found to be missing; None: now. A job
    that was submitted by a process that died before it could note it is noted, not submitted
    again. Stops where another process starts, or has started since, workers for the same run.
    """
    if run.plan is None:
        raise TransientError(f"{run.run_id}: a rejected run has no workers")
    started: list[str] = []
    first = len(ledger.worker_jobs(run.run_id)) if noted is None else noted
    for index in range(first, first + count):
        # Only the first can have been submitted without being noted.
        found = jobs.find_worker(run.run_id, run.plan, index) if index == first else None
        job_id = found or jobs.submit_worker(run.run_id, run.plan, index)
        if not ledger.add_worker_job(run.run_id, index, job_id):
            _end_unless_noted(run.run_id, job_id, ledger, jobs)
            break
        started.append(job_id)
    if started:
        log.info("workers_started", run=run.run_id, jobs=len(started))
    return started


def _end_unless_noted(run_id: str, job_id: str, ledger: Ledger, jobs: Jobs) -> None:
    if all(job.job_id != job_id for job in ledger.worker_jobs(run_id)):
        jobs.terminate([job_id], STARTED_TWICE)
