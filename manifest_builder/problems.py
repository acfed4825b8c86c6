"""What was wrong with the CSV, told with its lines; the same mistake in many rows is one. Pure."""

from collections.abc import Iterable
from typing import NamedTuple

from pipeline.checks import without_credentials

MAX_LINES_NAMED = 5
MAX_ECHO_CHARACTERS = 80


class Problem(NamedTuple):
    """A mistake and the line of the CSV that it was found in; None for the file as a whole."""

    line: int | None
    text: str


def tell(problems: Iterable[Problem]) -> list[str]:
    """Return a sentence for each different mistake, in the order of their first lines."""
    lines: dict[str, list[int]] = {}
    for problem in sorted(problems, key=lambda problem: problem.line or 0):
        lines.setdefault(problem.text, []).extend([] if problem.line is None else [problem.line])
    return [f"{_where(numbers)}: {text}" for text, numbers in lines.items()]


def echo(text: str) -> str:
    """Return a cell's text, quoted and cut, so that a line can hold it."""
    text = without_credentials(text)
    return repr(text if len(text) <= MAX_ECHO_CHARACTERS else f"{text[:MAX_ECHO_CHARACTERS]}…")


def _where(lines: list[int]) -> str:
    if len(lines) <= 1:
        return " ".join(["CSV", *(f"line {line}" for line in lines)])
    named = ", ".join(map(str, lines[:MAX_LINES_NAMED]))
    if len(lines) > MAX_LINES_NAMED:
        return f"CSV lines {named} and {len(lines) - MAX_LINES_NAMED:,} more"
    return f"CSV lines {named}"
