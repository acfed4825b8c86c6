"""The failed pages of a run, as a table, as lines, as JSON and as CSV."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from console.errors import shown
from console.plain import iso_time, say
from pipeline.ledger import Ledger
from pipeline.run import Page, PageState

FORMULA_STARTS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What makes a spreadsheet compute a cell; after a full-width one some do, too:
https://owasp.org/www-community/attacks/CSV_Injection"""


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed page. `source` is its file's key, `time` ISO 8601 in UTC."""

    item: str
    page: int
    part: int
    source: str
    reason: str
    attempts: int
    time: str


COLUMNS = tuple(Failure.__annotations__)


def failures_of(run_id: str, ledger: Ledger) -> list[Failure]:
    """Return a run's failed pages, in the order of items and pages."""
    pages = sorted(ledger.pages(run_id, PageState.FAILED), key=lambda page: page.message.place)
    return [failure_of(page) for page in pages]


def failure_of(page: Page) -> Failure:
    """Return what there is to say of a failed page."""
    message = page.message
    return Failure(
        item=message.item,
        page=message.page,
        part=message.part,
        source=message.key,
        reason=page.reason or "",
        attempts=page.attempts,
        time=iso_time(page.ended_at),
    )


def as_json(failures: Sequence[Failure]) -> str:
    """Return a list of objects, in ASCII."""
    return json.dumps([asdict(failure) for failure in failures], indent=2)


def as_csv(failures: Sequence[Failure]) -> str:
    """Return a table as RFC 4180 has it, safe to open in a spreadsheet.

    A text that a spreadsheet would take for a formula gets an apostrophe in front.
    """
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(COLUMNS)
    table.writerows([map(_cell, asdict(failure).values()) for failure in failures])
    return text.getvalue()


def show_failures(console: Console, failures: Sequence[Failure]) -> None:
    """Print a table on a terminal, else a line for each page."""
    if not console.is_terminal:
        for failure in failures:
            say(console, line(failure))
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in COLUMNS:
        table.add_column(column, justify="right" if column in {"page", "attempts"} else "left")
    for failure in failures:
        table.add_row(*(Text(shown(str(value))) for value in asdict(failure).values()))
    console.print(table)


def line(failure: Failure) -> str:
    """Return a failed page in one line."""
    if failure.part > 1:
        where = f"{failure.item}, image {failure.part} of {failure.source}"
    else:
        where = f"{failure.item}, page {failure.page} ({failure.source})"
    times = f", {failure.attempts} attempts" if failure.attempts > 1 else ""
    return f"{where}: {failure.reason}  [{failure.time or 'at an unknown time'}{times}]"


def _cell(value: str | int) -> str | int:
    if isinstance(value, int):
        return value
    text = shown(value)
    return f"'{text}" if text.lstrip().startswith(FORMULA_STARTS) else text
