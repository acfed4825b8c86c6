"""Following a run in the ledger until it ends, or until it is clear that it will not."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

from console.deployment import Deployment, Uploaded
from console.embedded import EmbeddedCloud
from console.errors import ConsoleError
from console.failed_uploads import find_failure
from pipeline.pool import living_jobs
from pipeline.run import Counts, Run, RunState

POLL_SECONDS = 0.3
STALLED_LOOKS = 10
"""So many looks in a row without a living job, and the run is taken for stuck."""
RECONCILED_LOOKS = 2_000
"""Where a reconciler comes by every five minutes it has the time of two passes."""


@dataclass(frozen=True, slots=True)
class Look:
    """A run at one moment."""

    run: Run
    counts: Counts


def follow_upload(place: Deployment, uploaded: Uploaded) -> Iterator[Look]:
    """Yield the run that an upload started, again and again; the last look is at its end.

    Raises ConsoleError when the dispatcher gave up, or no job is left to bring the run forward.
    """
    run_id = await_run(place, uploaded)
    if run_id is not None:
        yield from follow_run(place, run_id)


def follow_run(place: Deployment, run_id: str) -> Iterator[Look]:
    """Yield a run, again and again; the last look is at its end.

    Raises ConsoleError when no job is left to bring it forward.
    """
    idle_looks = 0
    while True:
        counts = place.ledger.counts(run_id)
        run = place.ledger.load_run(run_id)
        if run is None:
            raise ConsoleError(f"run {run_id} has no row in the ledger any more")
        yield Look(run, counts)
        if run.state.ended:
            return
        idle_looks = 0 if _is_at_work(place, run) else idle_looks + 1
        if idle_looks == (STALLED_LOOKS if place.private else RECONCILED_LOOKS):
            raise ConsoleError(_stalled(place, run))
        time.sleep(POLL_SECONDS)


def _stalled(place: Deployment, run: Run) -> str:
    if run.state is RunState.DISPATCHING and run.waits_for:
        return (
            f"run {run.run_id} waits for run {run.waits_for}, which has some of its items and was"
            f" cut off: `tilepool reconcile` completes that, `tilepool cancel {run.waits_for}`"
            " gives it up"
        )
    if run.state is RunState.BUILDING and run.fault is not None:
        return (
            f"the manifests of run {run.run_id} could not be built: {run.fault};"
            f" repair that, then `tilepool manifests {run.run_id}`"
        )
    return (
        f"run {run.run_id} is {run.state.value}, but its jobs have ended;"
        f" their logs are {_logs(place)}"
    )


def _logs(place: Deployment) -> str:
    return f"in {place.logs}" if isinstance(place, EmbeddedCloud) else "in CloudWatch"


def await_run(place: Deployment, uploaded: Uploaded, patience: float = math.inf) -> str | None:
    """Return the run of an upload, once there is one; None where none came in so many seconds.

    Raises ConsoleError when the dispatcher gave up.
    """
    deadline = time.monotonic() + patience
    while True:
        run_id = place.ledger.run_of_upload(place.bucket, uploaded.key, uploaded.since)
        if run_id is not None:
            return run_id
        failure = find_failure(place, uploaded.key)
        if failure is not None:
            raise ConsoleError(failure)
        if time.monotonic() > deadline:
            return None
        time.sleep(POLL_SECONDS)


def _is_at_work(place: Deployment, run: Run) -> bool:
    if run.state is RunState.DISPATCHING and run.waits_for:
        other = place.ledger.load_run(run.waits_for)
        is_waiting_too = other is not None and other.state is RunState.DISPATCHING
        # One that has ended is no longer waited for from the reconciler's next pass on.
        return other is None or other.state.ended or is_waiting_too or _is_at_work(place, other)
    if run.state is RunState.DISPATCHING:
        # On AWS the reconciler goes on with what the dispatcher gave up.
        return not isinstance(place, EmbeddedCloud) or find_failure(place, run.upload.key) is None
    if run.state is RunState.BUILDING and run.final_job:
        return bool(place.jobs.living([run.final_job]))
    # Between the claim of the final job and the note of its id, a worker is at it.
    return bool(living_jobs(run.run_id, place.ledger, place.jobs))
