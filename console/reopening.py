"""Setting a run that has ended to tiling again: its items, its messages, its workers."""

import time
from collections import Counter
from collections.abc import Sequence

from console.errors import ConsoleError
from console.parts import Parts
from console.plain import spoken
from console.runs import plan_of
from pipeline.completion import complete_run
from pipeline.ledger import Ledger
from pipeline.pool import look_at_pool, start_workers
from pipeline.run import Page, PageState, Run, RunState


def reopen(run: Run, parts: Parts, requeued: Page | None = None) -> int:
    """Set a run that has ended to tiling; return how many messages that took.

    With `requeued`, that failed page is queued in the same moment; its message is left to the
    caller. A cancelled run gets its items back, and the messages of its queued pages are sent
    again: some may have been dropped. Raises ConsoleError where the run is not to be had.
    """
    is_cancelled = run.state is RunState.CANCELLED
    items = _items(run, parts.ledger) if is_cancelled else []
    _take_items(run, items, parts.ledger)
    if not parts.ledger.reopen(run.run_id, [run.state], trickles=False, requeued=requeued):
        raise ConsoleError(f"run {run.run_id} has changed meanwhile; look at it, and try again")
    if not is_cancelled:
        return 0
    try:
        # Until it was reopened, another run could take them.
        _take_items(run, items, parts.ledger)
    except ConsoleError:
        parts.ledger.cancel(run.run_id, time.time())
        raise
    queued = parts.ledger.pages(run.run_id, PageState.QUEUED)
    mine = requeued.message if requeued is not None else None
    return parts.outbox.send(page.message for page in queued if page.message != mine)


def _items(run: Run, ledger: Ledger) -> list[str]:
    return sorted({page.message.item for page in ledger.pages(run.run_id)})


def _take_items(run: Run, items: Sequence[str], ledger: Ledger) -> None:
    """Make a cancelled run the one that writes its items.

    Raises ConsoleError where a later run has some of them: what that one has made must not be
    mixed with what this one would make.
    """
    export = plan_of(run).export
    others = Counter(ledger.owners(export, items).values())
    del others[run.run_id]
    if not others:
        others = Counter(ledger.take_items(run.run_id, export, items))
    if others:
        other = ledger.load_run(min(others))
        state = f" ({spoken(other.state.value)})" if other is not None else ""
        raise ConsoleError(
            f"run {run.run_id} cannot be taken up again: items of it belong to"
            f" run {min(others)}{state} by now; for the rest, run a task of their own"
        )


def start_workers_for(run_id: str, messages: int, wanted: int | None, parts: Parts) -> int:
    """Start workers for messages that were sent; return how many were started.

    There are as many as `wanted`; None means the run's number, less those that live. At least
    one is started, for those that live may be about to leave, and never more than messages.
    Where there are no messages, the run is completed instead.
    """
    if messages == 0:
        complete_run(run_id, parts.ledger, parts.jobs)
        return 0
    run = parts.ledger.load_run(run_id)
    if run is None:
        raise ConsoleError(f"run {run_id} has no row in the ledger any more")
    plan_of(run)
    pool = look_at_pool(run_id, parts.ledger, parts.jobs)
    if wanted is None:
        wanted = max(1, run.workers - len(pool.living))
    else:
        # Else the reconciler would start as many as the plan has.
        parts.ledger.want_workers(run_id, len(pool.living) + wanted)
    count = min(wanted, messages)
    return len(start_workers(run, count, parts.ledger, parts.jobs, pool.noted))
