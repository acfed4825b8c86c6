"""Putting together what there is to see of a run."""

import time

from console import pace
from console.deployment import Deployment
from console.job_view import view_jobs
from console.status import Status
from pipeline.pool import MAX_LOOKED_AT
from pipeline.run import Run, RunState


def view(place: Deployment, run: Run, window: pace.Window | None = None) -> Status:
    """Return a run with its counts and its jobs; its rate is that over the window, if it has one.

    What that costs depends on the number of its workers, not on that of its pages.
    """
    # That of a run that was reopened has built what was there before.
    job = None if run.state is RunState.TILING else run.final_job
    finals = [job] if job else []
    workers = place.ledger.worker_jobs(run.run_id)[-MAX_LOOKED_AT:]
    jobs = view_jobs(place.batch, [*(worker.job_id for worker in workers), *finals])
    counts = place.ledger.counts(run.run_id)
    rate = pace.estimate(run, counts, time.time())
    if window is not None and run.state is RunState.TILING:
        seen = window.rate(counts, time.monotonic())
        rate = rate if seen is None else seen
    return Status(
        run,
        counts,
        tuple(jobs[: len(workers)]),
        jobs[-1] if finals else None,
        frozenset(worker.job_id for worker in workers if worker.retired),
        rate,
        place.ledger.last_failures(run.run_id) if counts.failed else (),
    )
