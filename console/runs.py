"""Finding a run by what a person types, and looking at the newest ones."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from console.errors import ConsoleError, ExitCode
from pipeline.ledger import Ledger
from pipeline.run import Counts, Plan, Run

LAST = "last"
MAX_CANDIDATES = 4


@dataclass(frozen=True, slots=True)
class Listed:
    """A run and its counts."""

    run: Run
    counts: Counts


def find_run(ledger: Ledger, name: str) -> Run:
    """Return the run of an id, of an unambiguous beginning of one, or the `last` that was uploaded.

    Raises ConsoleError for none, and for several.
    """
    run = ledger.load_run(name) if name else None
    if run is not None:
        return run
    if name == LAST:
        candidates = list(itertools.islice(ledger.runs(), 1))
    else:
        beginning = (run_id for run_id in ledger.runs() if name and run_id.startswith(name))
        candidates = list(itertools.islice(beginning, MAX_CANDIDATES))
    found = [run for run in map(ledger.load_run, candidates) if run is not None]
    if len(found) == 1:
        return found[0]
    raise ConsoleError(_reason(name, [run.run_id for run in found]), ExitCode.USAGE)


def plan_of(run: Run) -> Plan:
    """Return a run's plan; raises ConsoleError for a rejected run, which has none."""
    if run.plan is None:
        raise ConsoleError(
            f"run {run.run_id} was rejected: its task file has mistakes"
            f" (`tilepool status {run.run_id}`); correct it and run it again"
        )
    return run.plan


def newest_runs(ledger: Ledger, most: int) -> Iterator[Listed]:
    """Yield so many runs, newest first."""
    for run_id in itertools.islice(ledger.runs(), most):
        run = ledger.load_run(run_id)
        if run is not None:
            yield Listed(run, ledger.counts(run_id))


def _reason(name: str, found: list[str]) -> str:
    if found:
        more = ", …" if len(found) == MAX_CANDIDATES else ""
        shown = ", ".join(found[: MAX_CANDIDATES - 1])
        return f"RUN: several runs begin with {name!r}: {shown}{more}"
    if name == LAST:
        return "there is no run yet"
    return f"RUN: there is no run {name!r}; `tilepool runs` lists them"
