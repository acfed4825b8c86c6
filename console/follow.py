"""Following a run in the ledger until it ends, or until it is clear that it will not."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from console.embedded import EmbeddedCloud
from console.errors import ConsoleError
from pipeline.ledger import Ledger
from pipeline.run import Counts, Run, RunState

POLL_SECONDS = 0.3
STALLED_LOOKS = 10
"""So many looks in a row without a living job, and the run is taken for stuck."""

ENDED_JOBS = {"SUCCEEDED", "FAILED"}


@dataclass(frozen=True, slots=True)
class Look:
    """A run at one moment."""

    run: Run
    counts: Counts


def follow_run(cloud: EmbeddedCloud, task_key: str) -> Iterator[Look]:
    """Yield the run that an upload started, again and again; the last look is at its end.

    Raises ConsoleError when the dispatcher gave up, or no job is left to bring the run forward.
    """
    ledger = cloud.ledger
    run_id = _await_run(cloud, ledger, task_key)
    idle_looks = 0
    while True:
        counts = ledger.counts(run_id)
        run = ledger.load_run(run_id)
        if run is None:
            raise ConsoleError(f"run {run_id} has no row in the ledger any more")
        yield Look(run, counts)
        if run.state.ended:
            return
        idle_looks = 0 if _has_living_job(cloud, run) else idle_looks + 1
        if idle_looks == STALLED_LOOKS:
            raise ConsoleError(
                f"run {run_id} is {run.state.value}, but its jobs have ended;"
                f" their logs are in {cloud.logs}"
            )
        time.sleep(POLL_SECONDS)


def _await_run(cloud: EmbeddedCloud, ledger: Ledger, task_key: str) -> str:
    while True:
        for run_id in ledger.runs():
            run = ledger.load_run(run_id)
            if run is not None and run.upload.key == task_key:
                return run_id
        if cloud.has_failed_uploads():
            raise ConsoleError(f"the dispatcher failed; see {cloud.logs / 'dispatcher.log'}")
        if cloud.process.poll() is not None:
            raise ConsoleError(f"the embedded cloud died; see {cloud.logs / 'cloud.log'}")
        time.sleep(POLL_SECONDS)


def _has_living_job(cloud: EmbeddedCloud, run: Run) -> bool:
    if run.state is RunState.DISPATCHING:
        return not cloud.has_failed_uploads()
    if run.state is RunState.BUILDING:
        # Between the claim and the note of the job, a worker is at it.
        job_ids = [run.final_job] if run.final_job else list(run.worker_jobs)
    else:
        job_ids = list(run.worker_jobs)
    answer = cloud.batch.describe_jobs(jobs=job_ids)
    return any(job["status"] not in ENDED_JOBS for job in answer["jobs"])
