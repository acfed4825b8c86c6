"""Words for a terminal: what comes from outside is shown as it is and steers nothing. Pure."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from console.errors import shown

if TYPE_CHECKING:
    from rich.console import Console


def say(console: "Console", text: str) -> None:
    """Print a line as it is: names in it come from anywhere and must not steer the terminal."""
    console.out(shown(text), highlight=False)


def counted(number: int, thing: str) -> str:
    """Return a number with its noun: `1 page`, `2,000 pages`."""
    return f"{number:,} {thing if number == 1 else thing + 's'}"


def iso_time(seconds: float) -> str:
    """Return seconds since the epoch as ISO 8601 in UTC; nothing for a time that is not known."""
    if seconds <= 0:
        return ""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def spoken(state: str) -> str:
    """Return a state's name as people say it."""
    return state.replace("_", " ")
