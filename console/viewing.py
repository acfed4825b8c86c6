"""Putting together what there is to see of a run."""

from console.deployment import Deployment
from console.job_view import view_jobs
from console.status import Status
from pipeline.run import Run, RunState


def view(place: Deployment, run: Run) -> Status:
    """Return a run with its counts and its jobs."""
    # That of a run that was reopened has built what was there before.
    job = None if run.state is RunState.TILING else run.final_job
    finals = [job] if job else []
    worker_jobs = place.ledger.worker_jobs(run.run_id)
    jobs = view_jobs(place.batch, [*worker_jobs, *finals])
    workers = tuple(jobs[: len(worker_jobs)])
    final_job = jobs[-1] if finals else None
    return Status(run, place.ledger.counts(run.run_id), workers, final_job)
