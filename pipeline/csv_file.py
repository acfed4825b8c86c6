"""How the metadata CSV is read: the dispatcher checks its first line, the manifest builder all.

Pure. Spreadsheets save in several encodings and with several separators; which ones is told by
the file's first bytes and by the line that names the columns.
"""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.checks import printable
from pipeline.errors import PermanentError

if TYPE_CHECKING:
    from _csv import Reader

IDENTIFIER = "identifier"
MAX_CSV_BYTES = 50_000_000
"""Both stages hold the file in memory, the manifest builder as some 30 times as much: 1.5 GB."""
MAX_COLUMNS = 1_000
MAX_COLUMN_NAME_CHARACTERS = 500
"""A column's name stands in the manifest of every item that has a value in it."""
MAX_SHOWN_CHARACTERS = 200

UTF_8 = "utf-8"
WINDOWS = "windows-1252"
UTF_16 = "utf-16"
BYTE_ORDER_MARKS = {
    b"\xef\xbb\xbf": ("utf-8-sig", UTF_8),
    b"\xff\xfe": ("utf-16", UTF_16),
    b"\xfe\xff": ("utf-16", UTF_16),
}
"""Python's codec, which takes the mark off, and the encoding's name."""
DELIMITERS = (",", ";", "\t")
EXCEL_DELIMITER = re.compile(r'"?sep=([,;\t])"?(?:\r\n?|\n)')
"""A line that Excel writes and obeys; it is no part of the table."""
LINE = re.compile(r"[^\r\n]*+(?:\r\n?|\n|\Z)")
FORGIVEN = re.compile(r"[\s_\u200b\ufeff-]+")


class BadCsv(PermanentError):
    """A CSV that cannot describe items; the text says what is wrong."""


@dataclass(frozen=True, slots=True)
class CsvText:
    """A CSV's text from the line that names the columns on, and how it is to be read.

    `charset` is the name of the encoding in HTTP; `first_line` is the header's number in the file.
    """

    text: str
    charset: str
    delimiter: str = ","
    first_line: int = 1

    def reader(self) -> "Reader":
        """Return a reader that hides nothing: it raises csv.Error for bad quotes."""
        # csv's own limit loses a row with a long transcription.
        csv.field_size_limit(MAX_CSV_BYTES)
        return csv.reader(self._lines(), delimiter=self.delimiter, strict=True)

    def _lines(self) -> Iterator[str]:
        return (found[0] for found in LINE.finditer(self.text) if found[0])


def column_name(header: str) -> str:
    """Return the form in which a column's name is compared: no case, spaces, `_` and `-`."""
    return FORGIVEN.sub("", header).casefold()


def decode_csv(content: bytes) -> CsvText:
    """Return a CSV's text; raises BadCsv where it is in no encoding that spreadsheets write."""
    if len(content) > MAX_CSV_BYTES:
        raise BadCsv(f"expected at most {MAX_CSV_BYTES:,} bytes")
    text, charset = _decode(content)
    if sep := EXCEL_DELIMITER.match(text):
        return CsvText(text[sep.end() :], charset, sep[1], first_line=2)
    return max((CsvText(text, charset, delimiter) for delimiter in DELIMITERS), key=_columns_named)


def check_csv(content: bytes) -> None:
    """Raise BadCsv unless the file can be decoded and its header names one `identifier` column."""
    try:
        columns = next(decode_csv(content).reader(), [])
    except csv.Error as error:
        raise BadCsv(f"expected a CSV file: {printable(str(error))}") from error
    names = [column_name(column) for column in columns]
    if IDENTIFIER not in names:
        shown = printable(", ".join(columns[:12])[:MAX_SHOWN_CHARACTERS]) or "an empty line"
        raise BadCsv(f"expected an {IDENTIFIER!r} column; its first line is: {shown}")
    if names.count(IDENTIFIER) > 1:
        raise BadCsv(f"expected one {IDENTIFIER!r} column, found {names.count(IDENTIFIER)}")
    if len(columns) > MAX_COLUMNS:
        raise BadCsv(f"expected at most {MAX_COLUMNS:,} columns, found {len(columns):,}")
    if longest := max((c for c in columns if len(c) > MAX_COLUMN_NAME_CHARACTERS), default=""):
        raise BadCsv(
            f"expected at most {MAX_COLUMN_NAME_CHARACTERS} characters in a column's name,"
            f" not {longest[:MAX_SHOWN_CHARACTERS]!r}…"
        )


def _decode(content: bytes) -> tuple[str, str]:
    for mark, (codec, charset) in BYTE_ORDER_MARKS.items():
        if content.startswith(mark):
            return _decode_as(codec, content), charset
    try:
        return content.decode(UTF_8), UTF_8
    except UnicodeDecodeError:
        return _decode_as(WINDOWS, content), WINDOWS


def _decode_as(codec: str, content: bytes) -> str:
    try:
        return content.decode(codec)
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise BadCsv(
            f"expected UTF-8 text; line {line} is not valid {codec.removesuffix('-sig')};"
            " save the spreadsheet as 'CSV UTF-8'"
        ) from error


def _columns_named(csv_text: CsvText) -> tuple[bool, int]:
    """Tell how good a delimiter is: whether it yields `identifier`, and how many columns."""
    try:
        columns = next(csv_text.reader(), [])
    except csv.Error:
        return False, 0
    return IDENTIFIER in map(column_name, columns), len(columns)
