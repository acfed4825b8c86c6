"""Following a run to its end, and saying what it came to."""

import time
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from console.deployment import Deployment
from console.errors import ExitCode
from console.follow import follow_run
from console.local import Result
from console.report import progress, report
from pipeline.run import PageState, Run

if TYPE_CHECKING:
    from rich.console import Console


def follow_to_end(
    place: Deployment, run_id: str, console: "Console", options: str = ""
) -> ExitCode:
    """Show a run until it has ended; return the exit code that says how."""
    started = time.monotonic()
    with progress(console) as watch:
        for look in follow_run(place, run_id):
            watch(look)
    failed = place.ledger.pages(run_id, PageState.FAILED)
    failures = tuple(sorted(failed, key=lambda page: page.message.place))
    seconds = time.monotonic() - started
    return report(console, Result(look.run, failures, seconds), dest_of(look.run), options=options)


def dest_of(run: Run) -> str:
    """Return where a run's export goes, a folder as people write it."""
    if run.plan is None:
        return ""
    url = urlsplit(run.plan.dest_store)
    return unquote(url.path) if url.scheme == "file" else run.plan.dest_store
