"""Building a run's manifests again: with the CSV as it is now, or with gaps for failed pages."""

from enum import Enum, auto

from console.errors import ConsoleError
from console.parts import Parts
from console.plain import counted, spoken
from console.runs import plan_of
from pipeline import completion
from pipeline.run import Run, RunState


class Rebuilding(Enum):
    """What was started."""

    BUILT_AGAIN = auto()
    """The final job, of a run that had been built."""
    RESCUED = auto()
    """The final job, of a run that was stuck without a living one."""


def rebuild(run: Run, parts: Parts, *, with_gaps: bool) -> Rebuilding:
    """Start the final job of a run that has been built, or whose final job is dead.

    The latter is built as it was to be, whatever `with_gaps` says. Raises ConsoleError for a run
    that is not so far, or is being built.
    """
    plan_of(run)
    if completion.rebuild(run.run_id, parts.ledger, parts.jobs, with_gaps=with_gaps):
        return Rebuilding.BUILT_AGAIN
    now = parts.ledger.load_run(run.run_id) or run
    if now.state is RunState.BUILDING:
        _rescue(now, parts)
        return Rebuilding.RESCUED
    raise ConsoleError(f"run {run.run_id} is {_told(now, parts)}")


def _rescue(run: Run, parts: Parts) -> None:
    job = run.final_job
    if job is not None and parts.jobs.living([job]):
        raise ConsoleError(f"run {run.run_id} is building its manifests; wait for its end")
    again = completion.submit_again(run, job, parts.ledger, parts.jobs)
    now = parts.ledger.load_run(run.run_id) or run
    if again is not completion.Completion.STARTED or now.final_job == job:
        raise ConsoleError(
            f"run {run.run_id} began to build its manifests a moment ago;"
            f" try again after {counted(completion.CLAIM_SECONDS, 'second')}"
        )


def _told(run: Run, parts: Parts) -> str:
    state = spoken(run.state.value)
    if run.state is RunState.CANCELLED:
        return f"{state}; `tilepool resume {run.run_id}` takes it up again"
    pending = counted(parts.ledger.counts(run.run_id).pending, "page")
    return f"{state}, with {pending} to do; manifests are built when all have ended"
