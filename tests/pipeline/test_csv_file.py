import io
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import csv_file
from pipeline.csv_file import BadCsv, CsvText, check_csv, column_name


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"identifier,title\r\nbook,Letters\r\n", id="plain"),
        pytest.param(b"title,identifier\n", id="in another place"),
        pytest.param(b"identifier", id="alone, without an end of line"),
        pytest.param(b"\xef\xbb\xbfidentifier,title\n", id="with a byte order mark"),
        pytest.param(b"Identifier,Title\n", id="in capitals"),
        pytest.param(b" identifier ,title\n", id="with spaces"),
        pytest.param(b'"identifier","title, long"\n', id="in quotes"),
        pytest.param(b'"a title\nof two lines",identifier\n', id="after a line break in quotes"),
        pytest.param("identifier,größe\n".encode(), id="beside other letters"),
        pytest.param("identifier,größe\n".encode("latin-1"), id="in Latin 1"),
        pytest.param("identifier\tgröße\r\n".encode("utf-16"), id="in Excel's Unicode text"),
        pytest.param("\ufeffidentifier".encode("utf-16-be"), id="in UTF-16, high bytes first"),
        pytest.param(b"identifier;title\n", id="with semicolons"),
        pytest.param(b'"Identifier";"a,b";"c\td"\n', id="with semicolons and quotes"),
        pytest.param(b"sep=;\nidentifier;title\n", id="after Excel's own line"),
        pytest.param(b"\xef\xbb\xbfIDENTI_FIER\n", id="with an underscore"),
        pytest.param(b"identifier,title,title\n", id="beside a doubled column"),
    ],
)
def test_an_identifier_column_is_found(content: bytes) -> None:
    check_csv(content)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(b"", "an empty line", id="an empty file"),
        pytest.param(b"\n\n", "an empty line", id="empty lines"),
        pytest.param(b"title,date\n", "its first line is: title, date", id="no identifier"),
        pytest.param(b"identifier|title\n", "identifier|title", id="another separator"),
        pytest.param(b"identifier,Identifier\n", "expected one", id="two identifiers"),
        pytest.param(b"identifier,\x81\n", "UTF-8", id="neither UTF-8 nor Windows-1252"),
        pytest.param(b"\xef\xbb\xbfidentifier\nx\n\xff", "line 3", id="bad bytes after a mark"),
        pytest.param(b"\xff\xfei\x00d\x00", "identifier", id="UTF-16 without the column"),
        pytest.param(b"\xff\xfei\x00d\x00x", "UTF-8", id="half a letter of UTF-16"),
        pytest.param(b"i\x00d\x00e\x00", "identifier", id="UTF-16 without a mark"),
        pytest.param(b"identifier" + b",c" * 1_000, "at most 1,000", id="columns without end"),
        pytest.param(b"identifier," + b"c" * 501, "at most 500", id="a name without end"),
        pytest.param(b'"' + b"x" * 200_000, "expected a CSV file", id="a quote without end"),
    ],
)
def test_what_cannot_describe_items_is_bad_and_says_why(content: bytes, problem: str) -> None:
    with pytest.raises(BadCsv, match=problem):
        check_csv(content)


def test_a_long_first_line_is_shown_in_part() -> None:
    with pytest.raises(BadCsv) as caught:
        check_csv(",".join(f"column {n}" for n in range(100)).encode())
    assert "column 11" in str(caught.value)
    assert "column 12" not in str(caught.value)


@given(st.binary() | st.text().map(str.encode))
def test_any_file_passes_or_is_bad(content: bytes) -> None:
    with suppress(BadCsv):
        check_csv(content)


@given(st.sampled_from(["identifier", "Title", "ÉCOLE"]), st.sampled_from(["", " ", "\t"]))
def test_columns_are_compared_without_case_and_surrounding_spaces(name: str, space: str) -> None:
    assert column_name(f"{space}{name}{space}") == column_name(name.upper())


@given(st.sampled_from(["viewing_direction", "Viewing Direction", "viewingDirection"]))
def test_separators_within_a_name_are_forgiven(name: str) -> None:
    assert column_name(name) == column_name("viewing-direction")


def test_a_file_beyond_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_file, "MAX_CSV_BYTES", 20)
    check_csv(b"identifier,title\na,b")
    with pytest.raises(BadCsv, match="at most 20 bytes"):
        check_csv(b"identifier,title\na,bc")


@given(st.text(st.sampled_from('ab,;\t"\n\r\u2028\x0b\x1c')))
def test_lines_end_where_csv_ends_them(text: str) -> None:
    read = CsvText(text, "utf-8")
    assert "".join(read._lines()) == text
    assert list(read._lines()) == list(io.StringIO(text, newline=""))


@pytest.mark.parametrize("content", [b'a\t"b"c\n', b"\x1b[2J\xe2\x80\xae,title\n"])
def test_what_is_wrong_is_told_without_steering_a_terminal(content: bytes) -> None:
    with pytest.raises(BadCsv) as caught:
        check_csv(content)
    assert str(caught.value).isprintable()
