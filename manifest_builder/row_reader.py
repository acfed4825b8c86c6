"""A row of the CSV as a description: typed values, and a problem for each bad one. Pure.

Nothing that a cell holds breaks the item: what cannot be read is left out, or shown with the
other metadata where that says something to a reader.
"""

from collections.abc import Callable
from itertools import zip_longest

from manifest_builder.columns import COLUMNS, SHOWN, meaning_of
from manifest_builder.description import NO_LANGUAGE, UNDESCRIBED, Description
from manifest_builder.problems import Problem, echo
from manifest_builder.sections import Section, read_sections
from manifest_builder.table import Cell, Row
from manifest_builder.values import (
    BEHAVIORS,
    VIEWING_DIRECTIONS,
    language_tag,
    nav_date,
    one_of,
    position,
    rivals,
)
from pipeline.address import page_url
from pipeline.checks import printable
from pipeline.defaults import EXPECTED_ADDRESS, EXPECTED_RIGHTS, Provider
from pipeline.rights import rights_uri

SEPARATOR = "||"
MAX_LABEL_CHARACTERS = 80
MAX_PROBLEMS = 20
"""Of one row; a cell may hold any number of bad values."""


def describe(
    row: Row | None, count: int, known: int | None = None
) -> tuple[Description, tuple[Problem, ...]]:
    """Return what a row says of an item of `count` pages, and what in it could not be read.

    `known` is how many of its first pages can be told by number, where not all: a file after them
    may hide more. If the row has a label for each of the `count` pages, it hides none.
    """
    if row is None:
        return UNDESCRIBED, ()
    reader = _RowReader(count, count if known is None else known)
    for cell in row.cells:
        reader.take(cell)
    description = reader.description()
    return description, tuple(Problem(row.line, text) for text in reader.problems)


def split(text: str) -> tuple[str, ...]:
    """Return the values of a cell, without empty ones."""
    return tuple(part.strip() for part in text.split(SEPARATOR) if part.strip())


class _RowReader:
    """Takes the cells of one row, in their order."""

    def __init__(self, count: int, known: int) -> None:
        self._count = count
        self._known = known
        self._seen: dict[str, Cell] = {}
        self._places: dict[Cell, int] = {}
        self._metadata: list[tuple[int, str, tuple[str, ...]]] = []
        self._problems: list[str] = []
        self._untold = 0

    @property
    def problems(self) -> list[str]:
        """Return what could not be read; of many problems the first, and how many more."""
        more = [f"… and {self._untold:,} more in this row"] if self._untold else []
        return self._problems + more

    def take(self, cell: Cell) -> None:
        """Keep a cell for its meaning; one of no meaning of its own is metadata."""
        meaning = meaning_of(cell.column)
        self._places.setdefault(cell, len(self._places))
        if meaning not in COLUMNS or meaning in self._seen:
            if meaning in COLUMNS:
                self._tell(cell, "a second column of this meaning; shown in the metadata")
            self._show(cell)
            return
        self._seen[meaning] = cell
        if meaning in SHOWN:
            self._show(cell)

    def description(self) -> Description:
        """Return what the cells say."""
        labels = self._page_labels()
        if labels:
            self._known = self._count
        providers = self._providers()
        attribution = self._values("attribution")
        homepages = tuple(url for url in self._addresses("homepage") if url)
        return Description(
            title=self._values("title"),
            summary=self._values("description"),
            language=self._language(),
            rights=self._rights(),
            required_statement=(*self._values("requiredstatement"), *attribution),
            providers=providers,
            homepages=homepages,
            nav_date=self._nav_date(),
            viewing_direction=self._viewing_direction(),
            behaviors=self._behaviors(),
            thumbnail_page=self._thumbnail_page(),
            page_labels=labels,
            sections=self._sections(),
            # The last, as the others add to it; it has the order of the columns.
            metadata=tuple((label, values) for _, label, values in sorted(self._metadata)),
        )

    def _values(self, meaning: str) -> tuple[str, ...]:
        cell = self._seen.get(meaning)
        return split(cell.text) if cell else ()

    def _show(self, cell: Cell, values: tuple[str, ...] | None = None) -> None:
        if shown := split(cell.text) if values is None else values:
            self._metadata.append((self._places[cell], cell.label, shown))

    def _tell(self, cell: Cell, text: str) -> None:
        if len(self._problems) < MAX_PROBLEMS:
            self._problems.append(f"{printable(cell.label[:MAX_LABEL_CHARACTERS])}: {text}")
        else:
            self._untold += 1

    def _one(self, meaning: str, read: Callable[[str], str | None], expected: str) -> str | None:
        """Return a column's only value as read, after telling what is wrong with it."""
        cell = self._seen.get(meaning)
        if cell is None:
            return None
        value = read(cell.text)
        if value is None:
            self._tell(cell, f"expected {expected}, not {echo(cell.text)}; left out")
        return value

    def _rights(self) -> str | None:
        cell = self._seen.get("rights")
        if cell is None:
            return None
        values = self._values("rights")
        meant = {value: rights_uri(value) for value in values}
        unclear = [value for value, uri in meant.items() if uri is None]
        uris = list(dict.fromkeys(uri for uri in meant.values() if uri))
        if unclear:
            told = f"{EXPECTED_RIGHTS}, not {echo(unclear[0])}; shown in the metadata"
            self._tell(cell, told)
        elif len(uris) > 1:
            self._tell(cell, "a manifest can state one; the first is used, all are shown")
        if unclear or len(uris) > 1:
            self._show(cell)
        return uris[0] if uris else ""

    def _language(self) -> str:
        cell, values = self._seen.get("language"), self._values("language")
        if cell is None or len(values) != 1 or values[0].casefold() == NO_LANGUAGE:
            return NO_LANGUAGE  # of several, it is not known which one a text is in
        tag = language_tag(values[0])
        if tag is None:
            expected = "expected a language such as en, de-CH or French"
            self._tell(cell, f"{expected}, not {echo(values[0])}; texts are left without one")
        return tag or NO_LANGUAGE

    def _providers(self) -> tuple[Provider, ...]:
        names = self._values("provider")
        pages, logos = self._addresses("providerhomepage"), self._addresses("providerlogo")
        for meaning, found in (("providerhomepage", pages), ("providerlogo", logos)):
            if any(found[len(names) :]):
                told = f"more than the {len(names)} providers; those beyond are left out"
                self._tell(self._seen[meaning], told)
        return tuple(
            Provider(name, homepage=page, logo=logo)
            for name, page, logo in zip_longest(names, pages, logos)
            if name is not None
        )

    def _addresses(self, meaning: str) -> tuple[str | None, ...]:
        """Return the addresses of a column, None in the places of bad and empty ones."""
        cell = self._seen.get(meaning)
        if cell is None:
            return ()
        values = [part.strip() for part in cell.text.split(SEPARATOR)]
        found = {value: page_url(value) for value in values}
        bad = tuple(value for value, url in found.items() if value and url is None)
        for value in bad:
            self._tell(cell, f"{EXPECTED_ADDRESS}, not {echo(value)}; shown in the metadata")
        self._show(cell, bad)
        return tuple(found[value] for value in values)

    def _nav_date(self) -> str | None:
        expected = "a date such as 1911, 1911-05 or 1911-05-03"
        stated = self._one("navdate", nav_date, expected)
        dates = (nav_date(value) for value in self._values("date"))
        return stated or next(filter(None, dates), None)

    def _viewing_direction(self) -> str | None:
        def read(text: str) -> str | None:
            return one_of(VIEWING_DIRECTIONS, text)

        return self._one("viewingdirection", read, f"one of {', '.join(VIEWING_DIRECTIONS)}")

    def _behaviors(self) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for value in self._values("behavior"):
            cell, behavior = self._seen["behavior"], one_of(BEHAVIORS, value)
            if behavior is None:
                expected = f"expected one of {', '.join(BEHAVIORS)}"
                self._tell(cell, f"{expected}, not {echo(value)}; left out")
            elif excluded := rivals(behavior) & found.keys():
                self._tell(cell, f"{behavior} excludes {', '.join(excluded)}; left out")
            else:
                found[behavior] = None
        return tuple(found)

    def _thumbnail_page(self) -> int:
        def read(text: str) -> str | None:
            return None if position(text, self._known) is None else text

        page = self._one("thumbnailpage", read, f"a page from 1 to {self._known}")
        return int(page or 1)

    def _page_labels(self) -> tuple[str, ...]:
        cell = self._seen.get("pagelabels")
        if cell is None:
            return ()
        labels = [part.strip() for part in cell.text.split(SEPARATOR)]
        if len(labels) != self._count:
            told = f"expected as many labels as pages, {self._count}, not {len(labels)}; left out"
            self._tell(cell, told)
            return ()
        return tuple(labels)

    def _sections(self) -> tuple[Section, ...]:
        sections, mistakes = read_sections(self._values("ranges"), self._known)
        for mistake in mistakes:
            self._tell(self._seen["ranges"], f"{mistake}; left out")
        return sections
