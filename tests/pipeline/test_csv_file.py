from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.csv_file import BadCsv, check_csv, column_name


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
        pytest.param(b"identifier;title\n", "identifier;title", id="semicolons"),
        pytest.param(b"identifier,Identifier\n", "expected one", id="two identifiers"),
        pytest.param("identifier,größe\n".encode("latin-1"), "UTF-8", id="Latin 1"),
        pytest.param("identifier\n".encode("utf-16"), "UTF-8", id="UTF-16"),
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
