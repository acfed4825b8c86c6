"""The metadata CSV as rows by item. The only importer of pandas; pure but for that."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from manifest_builder.problems import Problem, echo
from pipeline.checks import printable
from pipeline.csv_file import (
    IDENTIFIER,
    UTF_8,
    WINDOWS,
    CsvText,
    check_csv,
    column_name,
    decode_csv,
)
from pipeline.layout import nfc

MAX_ROWS = 1_000_000
READ_AS_WINDOWS = "not UTF-8; read as Windows-1252: look at the accents, or save it as 'CSV UTF-8'"


class Cell(NamedTuple):
    """A cell that holds text: its column's name as compared and as it stands in the header."""

    column: str
    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """What the CSV says of an item: the line its row begins at, its cells in their order."""

    line: int
    cells: tuple[Cell, ...] = ()


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The rows by identifier, in the CSV's order, and what was wrong with the others.

    `charset` is the name of the file's encoding.
    """

    rows: Mapping[str, Row]
    problems: tuple[Problem, ...] = ()
    charset: str = UTF_8


def read_catalogue(content: bytes) -> Catalogue:
    """Read a metadata CSV.

    A row that cannot be used costs itself alone and is named in `problems`. Raises BadCsv for a
    file that check_csv refuses.
    """
    check_csv(content)
    csv_text = decode_csv(content)
    header, lines, problems = _read_lines(csv_text)
    columns = [(column_name(label), label.strip()) for label in header]
    if csv_text.charset == WINDOWS:
        problems.insert(0, Problem(None, READ_AS_WINDOWS))
    place = [name for name, _ in columns].index(IDENTIFIER)
    table = pd.Series(
        [nfc(cells[place].strip()) if place < len(cells) else "" for cells in lines.values()],
        index=list(lines),
        dtype=str,
    )
    missing, repeated = table == "", table.duplicated()
    problems += [Problem(line, "no identifier; not used") for line in table.index[missing]]
    problems += [
        Problem(line, f"{echo(table[line])} is given more than once; the first is used")
        for line in table.index[repeated & ~missing]
    ]
    rows = {
        table[line]: _row(line, columns, lines[line]) for line in table.index[~missing & ~repeated]
    }
    return Catalogue(rows, tuple(problems), csv_text.charset)


def _read_lines(csv_text: CsvText) -> tuple[list[str], dict[int, list[str]], list[Problem]]:
    """Return the header, the cells of each row by its line, and what was wrong with other rows.

    pandas' own readers drop or shift a row that is longer than the header without a word.
    """
    reader = csv_text.reader()
    header: list[str] = []
    lines: dict[int, list[str]] = {}
    problems: list[Problem] = []
    while True:
        line = reader.line_num + csv_text.first_line
        try:
            cells = next(reader)
        except StopIteration:
            return header, lines, problems
        except csv.Error as error:
            problems.append(Problem(line, f"{printable(str(error))}; from here on nothing is used"))
            return header, lines, problems
        if not header:
            header = cells
        elif len(lines) + len(problems) == MAX_ROWS:
            text = f"more than {MAX_ROWS:,} rows; from here on nothing is used"
            return header, lines, [*problems, Problem(line, text)]
        elif any(cell.strip() for cell in cells[len(header) :]):
            text = f"{echo(cells[0])} has more cells than there are columns; not used"
            problems.append(Problem(line, text))
        elif any(cell.strip() for cell in cells):
            lines[line] = cells


def _row(line: int, columns: Sequence[tuple[str, str]], cells: Sequence[str]) -> Row:
    texts = (cell.strip() for cell in cells)
    found = [
        Cell(name, label, text)
        # A row may have fewer cells than there are columns, or empty ones beyond them.
        for (name, label), text in zip(columns, texts, strict=False)
        if text and label and name != IDENTIFIER
    ]
    return Row(line, tuple(found))
