"""What a command shows of a run: a bar on a terminal, else plain lines; a summary at the end."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from console.errors import ExitCode
from console.follow import Look
from console.local import Result
from console.plain import say
from console.status import Status, next_steps
from pipeline.run import Counts, Page, Run, RunState, Summary

MAX_SHOWN = 20
LINES_PER_RUN = 10
"""Progress lines where there is no terminal."""

EXIT_CODES = {
    RunState.DONE: ExitCode.DONE,
    RunState.DONE_WITH_FAILURES: ExitCode.DONE_WITH_FAILURES,
    RunState.REJECTED: ExitCode.USAGE,
    RunState.CANCELLED: ExitCode.FAILED,
}


class Watch(Protocol):
    """Takes each look at a run."""

    def __call__(self, look: Look) -> None: ...


@contextmanager
def progress(console: Console) -> Iterator[Watch]:
    """Show a run's progress while the block is busy."""
    if console.is_terminal:
        with _bar(console) as watch:
            yield watch
    else:
        yield _Lines(console)


@contextmanager
def _bar(console: Console) -> Iterator[Watch]:
    columns = (
        TextColumn("{task.description:<11}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("images{task.fields[failed]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bars:
        bar = bars.add_task("starting", total=None, failed="")

        def watch(look: Look) -> None:
            failed = f", {look.counts.failed} failed" if look.counts.failed else ""
            bars.update(
                bar,
                description=_state(look.run),
                total=look.counts.total or None,
                completed=look.counts.done + look.counts.failed,
                failed=failed,
            )

        yield watch


class _Lines:
    """Prints a line when the state changes, and some while images are tiled."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._state = ""
        self._step = 0

    def __call__(self, look: Look) -> None:
        ended, total = look.counts.done + look.counts.failed, look.counts.total
        step = ended * LINES_PER_RUN // max(1, total)
        # The total grows while files of several images are opened, so a step may come again.
        state = _state(look.run)
        if state != self._state or step > self._step:
            self._state, self._step = state, max(step, self._step)
            of_total = f"{ended} of {total} images" if total else ""
            self._console.print(f"{state} {of_total}".rstrip(), highlight=False)


def _state(run: Run) -> str:
    if run.state is RunState.DISPATCHING and run.waits_for:
        return f"waits for run {run.waits_for}"
    return run.state.value.replace("_", " ")


def report(
    console: Console, result: Result, dest: Path | str, name: str | None = None, options: str = ""
) -> ExitCode:
    """Print what a run came to; return the exit code that says the same.

    `dest` is where the export is. `name` and `options` stand in the commands that are named.
    """
    run = result.run
    if run.summary is not None:
        _report_summary(console, result, run.summary, dest)
    for error in run.errors:
        say(console, f"  {error}")
    if run.errors:
        many = "one mistake" if len(run.errors) == 1 else f"{len(run.errors)} mistakes"
        console.print(f"The task has {many}; nothing was started.", style="bold red")
    elif run.summary is None:
        console.print(run.state.value.capitalize(), style="bold yellow")
    for step in next_steps(Status(run, Counts(failed=len(result.failures))), name, options):
        say(console, f"  {'next':<11}{step}")
    return EXIT_CODES[run.state]


def _report_summary(console: Console, result: Result, summary: Summary, dest: Path | str) -> None:
    def line(name: str, text: str) -> None:
        say(console, f"  {name:<11}{text}")

    def names(name: str, entries: tuple[str, ...]) -> None:
        for entry in entries[:MAX_SHOWN]:
            line(name, entry)
        if len(entries) > MAX_SHOWN:
            line(name, f"… and {len(entries) - MAX_SHOWN} more")

    plan = result.run.plan
    title = result.run.state.value.replace("_", " ").capitalize()
    console.print(title, style="bold green" if summary.failed == 0 else "bold yellow")
    unchanged = f", {summary.reused} unchanged and not tiled again" if summary.reused else ""
    line("images", f"{summary.images - summary.failed} of {summary.images}{unchanged}")
    line("tiles", f"{summary.tiles:,}")
    line("manifests", f"{summary.items}")
    line("seconds", f"{result.seconds:.1f}")
    if plan is not None:
        line("collection", f"{dest}/{plan.layout.collection}")
    line("its URL", summary.collection_url)
    # All of them: nothing else says why once the embedded cloud is gone.
    for page in result.failures:
        line("failed", _failure(page))
    names("withheld", tuple(f"{item}: no manifest, pages failed" for item in summary.withheld))
    names("with gaps", tuple(f"{item}: published, pages failed" for item in summary.with_gaps))
    names("superseded", tuple(f"{item}: left to a later run" for item in summary.superseded))
    names("no CSV row", summary.without_row)
    names("look at", summary.problems)


def _failure(page: Page) -> str:
    message = page.message
    if message.part > 1 or page.parts > 1:
        return f"{message.item}, image {message.part} of {message.key}: {page.reason}"
    return f"{message.item}, page {message.page} ({message.key}): {page.reason}"
