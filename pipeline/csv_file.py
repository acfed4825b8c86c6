"""How the metadata CSV is read: the dispatcher checks its first line, the manifest builder all.

Pure. Names are compared without case and surrounding spaces.
"""

import csv
import io
from typing import TYPE_CHECKING

from pipeline.errors import PermanentError

if TYPE_CHECKING:
    from _csv import Reader

IDENTIFIER = "identifier"
ENCODING = "utf-8-sig"
MAX_SHOWN_CHARACTERS = 200
MAX_CELL_CHARACTERS = 100_000_000
"""Above csv's own limit, which loses a row with a long transcription."""


class BadCsv(PermanentError):
    """A CSV that cannot describe items; the text says what is wrong."""


def column_name(header: str) -> str:
    """Return the form in which a column's name is compared."""
    return header.strip().casefold()


def decode_csv(content: bytes) -> str:
    """Return a CSV's text; raises BadCsv where it is not UTF-8."""
    try:
        return content.decode(ENCODING)
    except UnicodeDecodeError as error:
        raise BadCsv("expected UTF-8 text; save the spreadsheet as 'CSV UTF-8'") from error


def csv_reader(text: str) -> "Reader":
    """Return a reader of a CSV's lines that hides nothing: it raises csv.Error for bad quotes."""
    csv.field_size_limit(MAX_CELL_CHARACTERS)
    return csv.reader(io.StringIO(text, newline=""), strict=True)


def check_csv(content: bytes) -> None:
    """Raise BadCsv unless the file is UTF-8 and its first line names one `identifier` column."""
    try:
        columns = next(csv_reader(decode_csv(content)), [])
    except csv.Error as error:
        raise BadCsv(f"expected a CSV file: {error}") from error
    names = [column_name(column) for column in columns]
    if IDENTIFIER not in names:
        shown = ", ".join(columns[:12])[:MAX_SHOWN_CHARACTERS] or "an empty line"
        raise BadCsv(f"expected an {IDENTIFIER!r} column; its first line is: {shown}")
    if names.count(IDENTIFIER) > 1:
        raise BadCsv(f"expected one {IDENTIFIER!r} column, found {names.count(IDENTIFIER)}")
