"""What a command shows of many runs."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console
from rich.table import Table
from rich.text import Text

from console.errors import shown
from console.plain import say, spoken
from console.runs import Listed

HEADINGS = ("run", "state", "uploaded", "images", "failed", "to do")


def runs_as_json(listed: Sequence[Listed]) -> str:
    """Return a list of objects, in ASCII."""
    return json.dumps(
        [
            {
                "run": entry.run.run_id,
                "state": entry.run.state.value,
                "uploaded": entry.run.upload.time,
                "task": f"{entry.run.upload.bucket}/{entry.run.upload.key}",
                "counts": asdict(entry.counts) | {"pending": entry.counts.pending},
            }
            for entry in listed
        ],
        indent=2,
    )


def show_runs(console: Console, listed: Sequence[Listed]) -> None:
    """Print a table on a terminal, else a line for each run."""
    if not listed:
        say(console, "There is no run yet")
        return
    if not console.is_terminal:
        for entry in listed:
            say(console, "  ".join(_cells(entry)))
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in HEADINGS:
        table.add_column(heading, overflow="fold")
    for entry in listed:
        table.add_row(*(Text(shown(cell)) for cell in _cells(entry)))
    console.print(table)


def _cells(entry: Listed) -> tuple[str, ...]:
    counts = entry.counts
    return (
        entry.run.run_id,
        spoken(entry.run.state.value),
        entry.run.upload.time,
        f"{counts.total:,}",
        f"{counts.failed:,}",
        f"{counts.pending:,}",
    )
