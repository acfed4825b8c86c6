"""Giving a run another number of workers while it is at work.

The number is noted first: whoever asks last is obeyed, and the reconciler keeps it up.
"""

from dataclasses import dataclass

from console.errors import ConsoleError
from console.parts import Parts
from console.plain import counted, spoken
from console.runs import plan_of
from pipeline.pool import Pool, look_at_pool, start_workers
from pipeline.run import Run, RunState

REASON = "the run was scaled down"
MAX_LOOKS = 10


@dataclass(frozen=True, slots=True)
class Scaled:
    """What was done.

    `living` workers took pages before, `ended` of them had not begun, and `retired` finish what
    they have in hand. `pending` pages were still to do.
    """

    run: Run
    living: int = 0
    pending: int = 0
    started: int = 0
    ended: int = 0
    retired: int = 0


def scale(run: Run, number: int, parts: Parts) -> Scaled:
    """Have a run that is under way keep so many workers up; start or retire some.

    May be repeated. Raises ConsoleError for a run that has ended.
    """
    plan_of(run)
    if not parts.ledger.want_workers(run.run_id, number):
        run = parts.ledger.load_run(run.run_id) or run
        state = spoken(run.state.value)
        raise ConsoleError(f"run {run.run_id} is {state}: it has no work for workers")
    for _ in range(MAX_LOOKS):
        scaled = _fit(_load(run, parts), parts)
        if _load(run, parts).workers == scaled.run.workers:
            return scaled
        # Somebody has asked for another number meanwhile; one of us must see to that one.
    raise ConsoleError(f"run {run.run_id} is being scaled by others; try again")


def told(scaled: Scaled) -> list[str]:
    """Return what was done, in words."""
    run = scaled.run
    wanted = f"{run.run_id}: {counted(run.workers, 'worker')} wanted"
    if run.state is RunState.DISPATCHING:
        return [f"{wanted}, when it starts"]
    if run.state is not RunState.TILING:
        return [f"{wanted}; but it is {spoken(run.state.value)}, and no page is left"]
    done = [
        f"{number:,} {what}"
        for number, what in (
            (scaled.started, "started"),
            (scaled.ended, "ended before they began"),
            (scaled.retired, "retired: each finishes the images in hand"),
        )
        if number
    ]
    lines = [f"{wanted}, {', '.join(done) or f'{scaled.living:,} at work: nothing to do'}"]
    if scaled.living + scaled.started < run.workers and scaled.pending < run.workers:
        pages = counted(scaled.pending, "page")
        lines.append(f"  no more than there are pages to do: {pages}")
    return lines


def _load(run: Run, parts: Parts) -> Run:
    now = parts.ledger.load_run(run.run_id)
    if now is None:
        raise ConsoleError(f"run {run.run_id} has no row in the ledger any more")
    return now


def _fit(run: Run, parts: Parts) -> Scaled:
    """Start or retire workers of a run that is tiling, until it has as many as it wants."""
    if run.state is not RunState.TILING:
        return Scaled(run)
    pool = look_at_pool(run.run_id, parts.ledger, parts.jobs)
    living = len(pool.living)
    pending = parts.ledger.counts(run.run_id).pending
    if living > run.workers:
        ended, retired = _shrink(run, pool, parts)
        return Scaled(run, living, pending, ended=ended, retired=retired)
    missing = min(run.workers, pending) - living
    started = start_workers(run, missing, parts.ledger, parts.jobs, pool.noted)
    return Scaled(run, living, pending, started=len(started))


def _shrink(run: Run, pool: Pool, parts: Parts) -> tuple[int, int]:
    """Retire the surplus; return how many of it had not begun, and how many had.

    Those that have yet to begin go first, for they hold nothing, then the newest. Should one
    begin at this moment, it is stopped in order, as by Batch itself.
    """
    unstarted = parts.jobs.unstarted([job.job_id for job in pool.living])
    order = sorted(pool.living, key=lambda job: (job.job_id in unstarted, job.index), reverse=True)
    leaving = order[: len(pool.living) - run.workers]
    for job in leaving:
        parts.ledger.retire_worker(run.run_id, job.index)
    idle = [job.job_id for job in leaving if job.job_id in unstarted]
    parts.jobs.terminate(idle, REASON)
    return len(idle), len(leaving) - len(idle)
