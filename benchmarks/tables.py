"""Tables in Markdown, and the numbers in them. Pure."""

import math
from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; all columns but the first are numbers."""
    rule = ["---", *["--:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, rule, *rows))


def number(value: float | None) -> str:
    """Return a number with as many digits as a measurement has; a dash for none."""
    if value is None:
        return "–"
    if value == 0:
        return "0"
    if abs(value) >= 1:
        # Three digits, or all before the point.
        places = max(0, 2 - int(math.log10(abs(value))))
        return f"{value:,.{places}f}"
    # Two.
    return f"{value:.{1 - math.floor(math.log10(abs(value)))}f}"


def ratio(value: float | None, other: float | None) -> float | None:
    """Return what a value is of another, where both are known."""
    return None if value is None or not other else value / other
