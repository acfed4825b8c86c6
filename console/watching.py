"""`tilepool status --watch`: a run's status again and again, until it ends."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from console.deployment import Deployment
from console.errors import ConsoleError, ExitCode
from console.options import Where
from console.pace import Window
from console.plain import say
from console.report import EXIT_CODES
from console.status import Status, show_status, status_as_json, status_line, status_lines
from console.viewing import view
from pipeline.run import Run

LOOK_SECONDS = 2.0
Show = Callable[[Status], None]


def watch(
    place: Deployment, run: Run, console: Console, where: Where, *, as_json: bool = False
) -> ExitCode:
    """Show a run until it ends; return the exit code that says how.

    Ctrl-C ends the watching, not the run: then the code is that of what was asked for.
    """
    try:
        with _shown(console, where, as_json=as_json) as show:
            for status in _statuses(place, run):
                show(status)
    except KeyboardInterrupt:
        again = f"tilepool reconcile{where.typed}"
        goes_on = f"It goes on: tilepool status {run.run_id}{where.typed}"
        told = f"To go on with it: {again}" if place.private else goes_on
        click.echo(f"No longer watched. {told}", err=True)
        return ExitCode.DONE
    return EXIT_CODES[status.run.state]


def _statuses(place: Deployment, run: Run) -> Iterator[Status]:
    window = Window()
    while True:
        yield view(place, run, window)
        if run.state.ended:
            return
        time.sleep(LOOK_SECONDS)
        now = place.ledger.load_run(run.run_id)
        if now is None:
            raise ConsoleError(f"run {run.run_id} has no row in the ledger any more")
        run = now


@contextmanager
def _shown(console: Console, where: Where, *, as_json: bool) -> Iterator[Show]:
    """Give what shows a status: drawn anew on a terminal, else a line where it has changed."""
    if as_json:
        yield _changes(lambda status: click.echo(status_as_json(status, where.typed, None)))
    elif console.is_terminal:
        with Live(console=console, auto_refresh=False) as live:
            yield lambda status: live.update(_drawn(status, where.typed), refresh=True)
    else:
        show = _changes(lambda status: say(console, f"{status.run.run_id}: {status_line(status)}"))

        def show_to_the_end(status: Status) -> None:
            if status.run.state.ended:
                show_status(console, status, where.typed)
            else:
                show(status)

        yield show_to_the_end


def _changes(show: Show) -> Show:
    """Return what shows a status unless it tells the same as the one before, but for the pace."""
    before: list[object] = []

    def show_changed(status: Status) -> None:
        run = status.run
        told: list[object] = [run.state, run.waits_for, run.fault, status.counts]
        told += [status.worker_states, status.wanted_workers, status.final_job]
        if told != before:
            before[:] = told
            show(status)

    return show_changed


def _drawn(status: Status, options: str) -> Text:
    return Text("\n".join(status_lines(status, options)))
