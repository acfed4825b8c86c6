"""Starting a run's workers; the ledger keeps their jobs' ids."""

import structlog

from pipeline.batch import Jobs
from pipeline.errors import TransientError
from pipeline.ledger import Ledger
from pipeline.run import Run

log = structlog.get_logger()


def start_workers(run: Run, count: int, ledger: Ledger, jobs: Jobs) -> list[str]:
    """Submit some more workers for a run, and note each; return the jobs' ids.

    A job that was submitted by a process that died before it could note it is noted, not
    submitted again. Stops where another process starts workers for the same run.
    """
    if run.plan is None:
        raise TransientError(f"{run.run_id}: a rejected run has no workers")
    started: list[str] = []
    first = len(ledger.worker_jobs(run.run_id))
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
    if job_id not in ledger.worker_jobs(run_id):
        jobs.terminate([job_id], "another process started this worker")
