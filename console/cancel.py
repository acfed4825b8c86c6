"""Cancelling a run: nobody begins another page of it, and its jobs end."""

import time

from console.errors import ConsoleError
from console.parts import Parts
from console.plain import spoken
from pipeline.run import Run, RunState

REASON = "the run was cancelled"


def cancel(run: Run, parts: Parts) -> int:
    """Cancel a run and end its jobs; return how many of those lived.

    May be repeated. Raises ConsoleError for a run that has ended otherwise.
    """
    cancelled = parts.ledger.cancel(run.run_id, time.time())
    run = parts.ledger.load_run(run.run_id) or run
    if not cancelled and run.state is not RunState.CANCELLED:
        state = spoken(run.state.value)
        raise ConsoleError(f"run {run.run_id} is {state}: there is nothing to cancel")
    final_job = [run.final_job] if run.final_job else []
    workers = [job.job_id for job in parts.ledger.worker_jobs(run.run_id)]
    living = parts.jobs.living([*workers, *final_job])
    parts.jobs.terminate(sorted(living), REASON)
    return len(living)
