"""The first line of the metadata CSV, which the dispatcher checks and the manifest builder reads.

Pure. Names are compared without case and surrounding spaces.
"""

import csv
import io

from pipeline.errors import PermanentError

IDENTIFIER = "identifier"
ENCODING = "utf-8-sig"


class BadCsv(PermanentError):
    """A CSV that cannot describe items; the text says what is wrong."""


def column_name(header: str) -> str:
    """Return the form in which a column's name is compared."""
    return header.strip().casefold()


def check_csv(content: bytes) -> None:
    """Raise BadCsv unless the file is UTF-8 and its first line names one `identifier` column."""
    try:
        text = content.decode(ENCODING)
        columns = next(csv.reader(io.StringIO(text, newline="")), [])
    except UnicodeDecodeError as error:
        raise BadCsv("expected UTF-8 text; save the spreadsheet as 'CSV UTF-8'") from error
    except csv.Error as error:
        raise BadCsv(f"expected a CSV file: {error}") from error
    names = [column_name(column) for column in columns]
    if IDENTIFIER not in names:
        shown = ", ".join(columns[:12]) or "an empty line"
        raise BadCsv(f"expected an {IDENTIFIER!r} column; its first line is: {shown}")
    if names.count(IDENTIFIER) > 1:
        raise BadCsv(f"expected one {IDENTIFIER!r} column, found {names.count(IDENTIFIER)}")
