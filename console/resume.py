"""Taking up a cancelled run again."""

from dataclasses import dataclass

from console.errors import ConsoleError
from console.parts import Parts
from console.plain import spoken
from console.reopening import reopen, start_workers_for
from console.runs import plan_of
from pipeline.run import Run, RunState


@dataclass(frozen=True, slots=True)
class Resumed:
    """What was sent and started; nothing where the run has to be dispatched anew."""

    messages: int
    workers: int
    is_dispatching: bool = False


def resume(run: Run, parts: Parts, workers: int | None = None) -> Resumed:
    """Take up a cancelled run; one that was cut off in dispatching waits for the dispatcher.

    Raises ConsoleError for a run in another state, and where a later run has items of it.
    """
    plan_of(run)
    if run.state is not RunState.CANCELLED:
        raise ConsoleError(f"run {run.run_id} is {_told(run)}")
    if not run.recorded:
        if not parts.ledger.restart(run.run_id):
            raise ConsoleError(f"run {run.run_id} has changed meanwhile; try again")
        return Resumed(0, 0, is_dispatching=True)
    sent = reopen(run, parts)
    return Resumed(sent, start_workers_for(run.run_id, sent, workers, parts))


def _told(run: Run) -> str:
    state = spoken(run.state.value)
    if run.state is RunState.DONE_WITH_FAILURES:
        return f"{state}: not cancelled; `tilepool replay {run.run_id}` tries its failed pages"
    if not run.state.ended:
        return f"{state}: under way; should it be stuck, see `tilepool status {run.run_id}`"
    return f"{state}: there is nothing to resume"
