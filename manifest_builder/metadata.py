"""The metadata CSV as rows by item. The only importer of pandas; pure but for that."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from pipeline.csv_file import IDENTIFIER, check_csv, column_name, csv_reader, decode_csv
from pipeline.layout import nfc

TITLE = "title"
DESCRIPTION = "description"


@dataclass(frozen=True, slots=True)
class Row:
    """What the CSV says of an item; `metadata` holds the other columns that are not empty."""

    title: str
    description: str
    metadata: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The rows by identifier, in the CSV's order, and what was wrong with the others."""

    rows: Mapping[str, Row]
    problems: tuple[str, ...]


def read_catalogue(content: bytes) -> Catalogue:
    """Read a metadata CSV: UTF-8 with or without BOM.

    A row that cannot be used costs itself alone and is named in `problems`. Raises BadCsv for a
    file without an `identifier` column.
    """
    check_csv(content)
    header, cells, problems = _read_cells(decode_csv(content))
    names = [column_name(column) for column in header]
    frame = pd.DataFrame(cells.values(), index=list(cells), columns=range(len(header)), dtype=str)
    frame = frame.apply(lambda column: column.str.strip())
    identifiers = frame[names.index(IDENTIFIER)].map(nfc)
    missing, repeated = identifiers == "", identifiers.duplicated()
    problems += [f"{_line(line)}: no identifier; not used" for line in frame.index[missing]]
    problems += [
        f"{_line(line)}: {identifiers[line]!r} is given more than once; the first is used"
        for line in frame.index[repeated & ~missing]
    ]
    rows = {
        identifiers[line]: _row(header, names, values)
        for line, *values in frame[~missing & ~repeated].itertuples(name=None)
    }
    return Catalogue(rows, tuple(problems))


def _read_cells(text: str) -> tuple[list[str], dict[int, list[str]], list[str]]:
    """Return the header, the cells of each row by its line, and what was wrong with other rows.

    pandas' own readers drop or shift a row that is longer than the header without a word.
    """
    reader = csv_reader(text)
    header: list[str] = []
    cells: dict[int, list[str]] = {}
    problems: list[str] = []
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return header, cells, problems
        except csv.Error as error:
            problems.append(f"{_line(line)}: {error}; from here on nothing is used")
            return header, cells, problems
        if not header:
            header = row
        elif any(cell.strip() for cell in row[len(header) :]):
            problems.append(
                f"{_line(line)}: {row[0]!r} has more cells than there are columns; not used"
            )
        elif any(cell.strip() for cell in row):
            cells[line] = [*row, *[""] * len(header)][: len(header)]


def _row(header: list[str], names: list[str], values: list[str]) -> Row:
    own = {name: names.index(name) for name in (IDENTIFIER, TITLE, DESCRIPTION) if name in names}
    return Row(
        title=values[own[TITLE]] if TITLE in own else "",
        description=values[own[DESCRIPTION]] if DESCRIPTION in own else "",
        metadata=tuple(
            (label.strip(), value)
            for position, (label, value) in enumerate(zip(header, values, strict=True))
            if value and label.strip() and position not in own.values()
        ),
    )


def _line(number: int) -> str:
    return f"CSV line {number}"
