"""Checks that all parts of the task file share, and how a mistake shows its texts. Pure."""

import difflib
import re
from collections.abc import Collection, Iterable, Iterator

from pipeline.layout import has_utf8_form

MAX_VALUE_BYTES = 1_024
"""The longest key of S3; nothing else in a task is longer, unless it says so."""
MAX_ECHO_CHARACTERS = 100
USER = re.compile(r"//[^/?#\s]*@")
QUERY = re.compile(r"(://[^?#\s]*)[?#]\S*")
PRINTABLE = re.compile(r"[^\x00-\x1f\x7f]*")


def text_mistake(value: object, max_bytes: int = MAX_VALUE_BYTES) -> str | None:
    """Return what keeps a value from being a text that is there, fits and can be stored."""
    if not isinstance(value, str):
        return f"expected text, not {kind_of(value)}"
    if not value.strip():
        return "expected text, but it is empty"
    if not has_utf8_form(value):
        return "expected text that UTF-8 can hold"
    if len(value.encode()) > max_bytes:
        return f"expected at most {max_bytes:,} bytes"
    if not PRINTABLE.fullmatch(value):
        return "expected text without control characters"
    return None


def unknown_names(given: Iterable[str], known: Collection[str], where: str) -> Iterator[str]:
    """Yield a line for each name that is not known, with the one that may be meant."""
    close = {other.casefold(): other for other in known}
    for name in given:
        if name not in known:
            nearest = difflib.get_close_matches(name.casefold(), close, 1, 0.6)
            hint = f"did you mean {close[nearest[0]]}?" if nearest else "not a known name"
            yield f"{where}{echo(name)}: {hint}"


def echo(text: str) -> str:
    """Return text from a task so that a line and the ledger can hold it."""
    safe = printable(without_credentials(text))
    return safe if len(safe) <= MAX_ECHO_CHARACTERS else f"{safe[:MAX_ECHO_CHARACTERS]}…"


def without_credentials(text: str) -> str:
    """Return a text without the parts of addresses that may hold a password, token or signature."""
    return QUERY.sub(r"\1?…", USER.sub("//…@", text))


def printable(text: str) -> str:
    """Return a text that steers no terminal: what is not printable is shown by its escapes."""
    return text if text.isprintable() else ascii(text)[1:-1]


def kind_of(value: object) -> str:
    """Return what a value is called in JSON."""
    kinds = {str: "text", bool: "true or false", dict: "an object", list: "a list"}
    if value is None:
        return "null"
    return kinds.get(type(value), "a number")
