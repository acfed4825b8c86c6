"""The metadata CSV as rows by item. The only importer of pandas; pure but for that."""

import io
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from pipeline.csv_header import ENCODING, IDENTIFIER, check_csv, column_name
from pipeline.layout import nfc

TITLE = "title"
DESCRIPTION = "description"
OWN_COLUMNS = {IDENTIFIER, TITLE, DESCRIPTION}


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
    problems: list[str] = []

    def refuse(cells: list[str]) -> None:
        problems.append(f"CSV row {cells[0]!r}: more cells than there are columns; not used")

    frame = pd.read_csv(
        io.BytesIO(content),
        dtype=str,
        encoding=ENCODING,
        index_col=False,
        keep_default_na=False,
        engine="python",
        on_bad_lines=refuse,
    ).fillna("")
    columns = {column_name(str(column)): str(column) for column in frame.columns}
    rows: dict[str, Row] = {}
    for record in frame.to_dict("records"):
        cells = {str(column): str(value).strip() for column, value in record.items()}
        identifier = nfc(cells[columns[IDENTIFIER]])
        if not identifier:
            problems.append("CSV: a row without an identifier; not used")
        elif identifier in rows:
            problems.append(f"CSV row {identifier!r}: given more than once; the first is used")
        else:
            rows[identifier] = _row(cells, columns)
    return Catalogue(rows, tuple(problems))


def _row(cells: Mapping[str, str], columns: Mapping[str, str]) -> Row:
    own = {columns[name] for name in OWN_COLUMNS & columns.keys()}
    return Row(
        title=cells.get(columns.get(TITLE, ""), ""),
        description=cells.get(columns.get(DESCRIPTION, ""), ""),
        metadata=tuple(
            (column.strip(), value)
            for column, value in cells.items()
            if value and column not in own
        ),
    )
