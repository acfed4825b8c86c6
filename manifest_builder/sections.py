"""A table of contents as it is typed into one cell: `Title page: 1 || Letters: 2-5, 8`. Pure.

Pages are those of the item in their order, counted from 1. Entries do not nest.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from manifest_builder.problems import echo
from manifest_builder.values import position

MAX_SECTIONS = 1_000
MAX_PAGES_LISTED = 100_000
"""In all entries of an item together: they may overlap, so the pages are no limit."""
MAX_SPANS = 200
SPAN = re.compile(r"\s*([0-9]+)\s*(?:[-–—]\s*([0-9]+)\s*)?")


@dataclass(frozen=True, slots=True)
class Section:
    """An entry of a table of contents: its label, and the positions of its pages, from 1."""

    label: str
    pages: tuple[int, ...]


class BadSection(Exception):
    """An entry that cannot be read; the text says why."""


def read_sections(entries: Iterable[str], count: int) -> tuple[tuple[Section, ...], list[str]]:
    """Return the entries of an item, and what is wrong with the others.

    The item has `count` pages that can be told by number.
    """
    sections: list[Section] = []
    mistakes: list[str] = []
    listed = 0
    for entry in entries:
        if len(sections) + len(mistakes) == MAX_SECTIONS or listed > MAX_PAGES_LISTED:
            mistakes.append(f"too many entries or pages; nothing from {echo(entry)} on is used")
            break
        try:
            section = _section(entry, count)
        except BadSection as error:
            mistakes.append(f"{echo(entry)} {error}")
        else:
            sections.append(section)
            listed += len(section.pages)
    return tuple(sections), mistakes


def _section(entry: str, count: int) -> Section:
    label, colon, numbers = entry.rpartition(":")
    spans = [SPAN.fullmatch(part) for part in numbers.split(",")]
    if not colon or not label.strip() or not all(spans):
        raise BadSection("is not of the form 'Letters: 2-5'")
    if len(spans) > MAX_SPANS:
        raise BadSection(f"has more than {MAX_SPANS} parts")
    found = [_bounds(span, count) for span in spans if span]
    pages = dict.fromkeys(page for first, last in found for page in range(first, last + 1))
    return Section(label.strip(), tuple(pages))


def _bounds(span: re.Match[str], count: int) -> tuple[int, int]:
    first, last = (position(text, count) for text in (span[1], span[2] or span[1]))
    if first is None or last is None:
        raise BadSection(f"points beyond page {count}")
    if last < first:
        raise BadSection("ends before it begins")
    return first, last
