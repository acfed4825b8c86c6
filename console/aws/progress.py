"""How a stack's change is shown: a bar on a terminal, else a line for each resource."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from console.aws.stack_events import Event
from console.aws.stack_state import BUSY
from console.errors import shown
from console.plain import say

WORDS = {
    "CREATE_COMPLETE": "created",
    "UPDATE_COMPLETE": "updated",
    "DELETE_COMPLETE": "deleted",
    "DELETE_SKIPPED": "kept",
}


class Watch(Protocol):
    """Takes each event."""

    def __call__(self, event: Event) -> None: ...


def describe(event: Event) -> str | None:
    """Return a line for an event after which nothing happens to its resource; None for others."""
    name = f"{event.logical_id} ({event.resource_type})"
    if event.is_failure:
        return f"failed    {name}: {event.reason}" if event.is_cause else None
    if event.is_of_stack:
        return None
    word = WORDS.get(event.status)
    return f"{word:<9} {name}" if word else None


def spoken(status: str) -> str:
    """Return a stack's state as people say it."""
    return status.removesuffix(BUSY).replace("_", " ").lower()


@contextmanager
def progress(console: Console, total: int) -> Iterator[Watch]:
    """Show what happens while the block is busy; `total` resources are to change."""
    if console.is_terminal:
        with _bar(console, total) as watch:
            yield watch
    else:
        yield _lines(console)


def _lines(console: Console) -> Watch:
    def watch(event: Event) -> None:
        if line := describe(event):
            say(console, f"  {line}")

    return watch


@contextmanager
def _bar(console: Console, total: int) -> Iterator[Watch]:
    columns = (
        TextColumn("{task.description:<10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("resources  {task.fields[latest]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bars:
        bar = bars.add_task("starting", total=total, latest="")
        ended: set[str] = set()

        def watch(event: Event) -> None:
            line = describe(event)
            if event.is_of_stack:
                bars.update(bar, description=spoken(event.status))
            elif event.is_cause:
                say(bars.console, f"  {line}")
            elif line:
                ended.add(event.logical_id)
                bars.update(bar, completed=min(total, len(ended)), latest=shown(event.logical_id))

        yield watch
