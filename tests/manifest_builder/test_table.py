"""The metadata CSV: what spreadsheets save is read, what cannot be used is named, never fatal."""

import csv
import io
import tracemalloc
import unicodedata
from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from manifest_builder import table
from manifest_builder.problems import tell
from manifest_builder.table import Catalogue, Cell, Row, read_catalogue
from pipeline.csv_file import BadCsv

BOM = b"\xef\xbb\xbf"
TEXTS = st.text(st.characters(codec="utf-8"), max_size=30)
IDENTIFIERS = st.text("abcdef0123 .-_é#%", min_size=1, max_size=12).map(
    lambda text: unicodedata.normalize("NFC", text.strip())
)


def written(rows: Sequence[Sequence[str]], line_end: str = "\r\n") -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=line_end).writerows(rows)
    return text.getvalue().encode()


def cells_of(catalogue: Catalogue, item: str = "book") -> dict[str, str]:
    """Return an item's texts by the label of their column."""
    return {cell.label: cell.text for cell in catalogue.rows[item].cells}


def test_a_row_gives_its_cells_in_their_order_under_their_columns() -> None:
    catalogue = read_catalogue(b"identifier,Title,Date Created\n\nbook,The book,1911\n")
    cells = (Cell("title", "Title", "The book"), Cell("datecreated", "Date Created", "1911"))
    assert catalogue == Catalogue({"book": Row(3, cells)})


def test_rows_keep_the_order_of_the_file() -> None:
    assert list(read_catalogue(b"identifier\nc\na\nb\n").rows) == ["c", "a", "b"]


def test_columns_may_stand_in_any_order() -> None:
    catalogue = read_catalogue(b"date,title,identifier\n1911,The book,book\n")
    assert cells_of(catalogue) == {"date": "1911", "title": "The book"}


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("start", [b"", BOM])
def test_byte_order_mark_and_line_ends_make_no_difference(start: bytes, line_end: str) -> None:
    content = start + written([("identifier", "title"), ("book", "Büche")], line_end)
    assert read_catalogue(content) == Catalogue(
        {"book": Row(2, (Cell("title", "title", "Büche"),))}
    )


def test_a_byte_order_mark_before_a_quoted_header_is_no_part_of_its_name() -> None:
    assert list(read_catalogue(BOM + b'"identifier","title"\nbook,x\n').rows) == ["book"]


def test_a_last_line_without_an_end_counts() -> None:
    assert list(read_catalogue(b"identifier,title\na,x\nb,y").rows) == ["a", "b"]


def test_quoted_cells_keep_line_ends_commas_and_quotes() -> None:
    content = b'identifier,description\nbook,"one,\ntwo\r\n""three"""\n'
    assert cells_of(read_catalogue(content)) == {"description": 'one,\ntwo\r\n"three"'}


@pytest.mark.parametrize(
    "header", ["Identifier,TITLE", " identifier , Title ", '"IDENTIFIER",tItLe']
)
def test_case_and_spaces_of_the_header_are_forgiven(header: str) -> None:
    row = read_catalogue(f"{header}\nbook,Name\n".encode()).rows["book"]
    assert [(cell.column, cell.text) for cell in row.cells] == [("title", "Name")]


def test_labels_keep_the_case_of_the_header_without_its_spaces() -> None:
    catalogue = read_catalogue(b"identifier, Date Created \nbook,1911\n")
    assert cells_of(catalogue) == {"Date Created": "1911"}


@pytest.mark.parametrize("cell", ["", "  ", '""', "\t"])
def test_empty_cells_are_left_out(cell: str) -> None:
    catalogue = read_catalogue(f"identifier,creator,date\nbook,{cell},1911\n".encode())
    assert cells_of(catalogue) == {"date": "1911"}


@pytest.mark.parametrize("value", ["NA", "nan", "NULL", "None", "True", "007", "1e5", "1.50", "-"])
def test_cells_are_texts_whatever_they_look_like(value: str) -> None:
    catalogue = read_catalogue(f"identifier,title,code\n{value},{value},{value}\n".encode())
    assert cells_of(catalogue, value) == {"title": value, "code": value}


def test_blank_lines_are_passed_over() -> None:
    catalogue = read_catalogue(b"identifier,title\n\na,x\n\n\nb,y\n\n")
    assert (list(catalogue.rows), catalogue.problems) == (["a", "b"], ())


def test_a_row_with_too_few_cells_is_used_with_what_it_has() -> None:
    catalogue = read_catalogue(b"identifier,title,creator,date\nbook,T\nother,U,x,y\n")
    assert cells_of(catalogue) == {"title": "T"}
    assert list(catalogue.rows) == ["book", "other"]


def test_a_row_with_too_many_cells_costs_itself_alone_and_is_named() -> None:
    catalogue = read_catalogue(b"identifier,title\na,x\nb,Smith, John\nc,z\n")
    assert list(catalogue.rows) == ["a", "c"]
    (problem,) = catalogue.problems
    assert problem.line == 3
    assert "'b'" in problem.text


def test_a_first_row_with_too_many_cells_does_not_shift_the_columns() -> None:
    catalogue = read_catalogue(b"identifier,title\na,Smith, John\nc,z\n")
    assert list(catalogue.rows) == ["c"]
    assert cells_of(catalogue, "c") == {"title": "z"}
    assert len(catalogue.problems) == 1


def test_rows_that_end_in_empty_cells_beyond_the_columns_are_used() -> None:
    # Spreadsheets write these for columns that were used once.
    catalogue = read_catalogue(b"identifier,title\na,x,,\nb,y\nc,z,,\n")
    assert list(catalogue.rows) == ["a", "b", "c"]
    assert catalogue.problems == ()


def test_an_unclosed_quote_is_named() -> None:
    catalogue = read_catalogue(b'identifier,title\na,x\nb,"unclosed\nc,z\n')
    assert "a" in catalogue.rows
    assert catalogue.problems


def test_a_row_with_a_cell_too_long_to_read_is_not_lost_in_silence() -> None:
    content = b"identifier,title\na,x\nb," + b"y" * 200_000 + b"\nc,z\n"
    catalogue = read_catalogue(content)
    assert "c" in catalogue.rows
    assert "b" in catalogue.rows or catalogue.problems


def test_of_two_rows_with_one_identifier_the_first_is_used_and_the_second_named() -> None:
    catalogue = read_catalogue(b"identifier,title\nbook,first\nbook ,second\n")
    assert cells_of(catalogue) == {"title": "first"}
    (problem,) = catalogue.problems
    assert problem.line == 3
    assert "'book'" in problem.text


def test_a_decomposed_identifier_is_that_of_the_composed_item() -> None:
    name = "Bücher-é"
    decomposed = unicodedata.normalize("NFD", name)
    catalogue = read_catalogue(f"identifier,title\n{decomposed},x\n{name},y\n".encode())
    assert list(catalogue.rows) == [name]
    assert len(catalogue.problems) == 1


def test_rows_without_an_identifier_are_told() -> None:
    catalogue = read_catalogue(b"identifier,title\n,x\nbook,y\n  ,z\n")
    assert list(catalogue.rows) == ["book"]
    assert len(catalogue.problems) == 2


def test_rows_end_at_a_limit_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "MAX_ROWS", 3)
    catalogue = read_catalogue(b"identifier\na\n\nb,x\nc\nd\ne\n")
    assert list(catalogue.rows) == ["a", "c"]
    assert [problem.line for problem in catalogue.problems] == [4, 6]
    assert "from here on" in catalogue.problems[-1].text


def test_a_header_alone_describes_nothing() -> None:
    assert read_catalogue(b"identifier,title\n") == Catalogue({})
    assert read_catalogue(b"identifier") == Catalogue({})


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", BOM, b"title,date\nx,y\n", b"identifiers\nx\n", b"\nidentifier\nx\n"],
)
def test_a_file_without_an_identifier_column_is_refused(content: bytes) -> None:
    with pytest.raises(BadCsv, match="identifier"):
        read_catalogue(content)


def test_two_identifier_columns_are_refused() -> None:
    with pytest.raises(BadCsv, match="found 2"):
        read_catalogue(b"identifier,Identifier \na,b\n")


TABLE = [("identifier", "title", "note"), ("book", "Bücher – “neu” €", "a;b\tc,d")]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "cp1252"])
def test_what_spreadsheets_save_is_read(delimiter: str, line_end: str, encoding: str) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=line_end).writerows(TABLE)
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    catalogue = read_catalogue((mark + text.getvalue()).encode(encoding))
    assert cells_of(catalogue) == {"title": TABLE[1][1], "note": TABLE[1][2]}
    assert [problem.line for problem in catalogue.problems] == [None] * (encoding == "cp1252")


def test_the_encoding_that_was_taken_for_a_file_is_told() -> None:
    catalogue = read_catalogue("identifier,title\nbook,Bücher\n".encode("cp1252"))
    (problem,) = tell(catalogue.problems)
    assert problem.startswith("CSV: not UTF-8; read as Windows-1252")
    assert catalogue.charset == "windows-1252"


def test_the_line_that_names_excels_separator_is_no_header() -> None:
    catalogue = read_catalogue(b"sep=;\r\nidentifier;title\r\n;x\r\nbook;a,b\r\n")
    assert cells_of(catalogue) == {"title": "a,b"}
    assert [problem.line for problem in catalogue.problems] == [3]


def test_a_row_of_few_cells_costs_no_more_than_these() -> None:
    header = ",".join(["identifier", *(f"c{number}" for number in range(999))])
    rows = "\n".join(f"item{number}" for number in range(20_000))
    tracemalloc.start()
    catalogue = read_catalogue(f"{header}\n{rows}\n".encode())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(catalogue.rows) == 20_000
    assert peak < 20_000 * 999  # a byte for each cell that is not there


def test_columns_without_a_name_give_no_made_up_label() -> None:
    rows = read_catalogue(b"identifier,title,\nbook,T,stray\n").rows
    assert [cell.label for cell in rows["book"].cells] == ["title"]


def test_columns_of_one_name_keep_it() -> None:
    rows = read_catalogue(b"identifier,creator,creator\nbook,A,B\n").rows
    assert [(cell.label, cell.text) for cell in rows["book"].cells] == [
        ("creator", "A"),
        ("creator", "B"),
    ]


@pytest.mark.parametrize(
    "value",
    [
        "=HYPERLINK(1)",
        "<script>alert(1)</script>",
        "'; DROP TABLE x; --",
        "../../etc/passwd",
        "\u202etxt.exe",
        "\x00",
        "a\x00b",
        "\x1b[31m",
        "𝔘\U0010ffff",
        "a\u2028b",
        "x" * 100_000,
    ],
)
def test_hostile_cells_are_texts_like_others(value: str) -> None:
    catalogue = read_catalogue(written([("identifier", "title", "note"), ("book", value, value)]))
    assert cells_of(catalogue) == {"title": value.strip(), "note": value.strip()}


@given(
    st.dictionaries(
        IDENTIFIERS.filter(bool), st.text("abc ,\"\n\r'é", max_size=20), min_size=1, max_size=8
    )
)
def test_what_a_csv_writer_writes_is_read_back(titles: dict[str, str]) -> None:
    catalogue = read_catalogue(written([("identifier", "title"), *titles.items()]))
    assert {name: cells_of(catalogue, name) for name in catalogue.rows} == {
        name: {"title": title.strip()} if title.strip() else {} for name, title in titles.items()
    }
    assert catalogue.problems == ()


def refuses_or_reads(content: bytes) -> None:
    try:
        catalogue = read_catalogue(content)
    except BadCsv:
        return
    assert all(identifier.strip() for identifier in catalogue.rows)
    assert all(cell.text for row in catalogue.rows.values() for cell in row.cells)


@settings(deadline=None)
@given(st.binary(max_size=200))
@example(b"identifier\n\xff")
def test_no_bytes_raise_anything_but_bad_csv(content: bytes) -> None:
    refuses_or_reads(content)


@settings(deadline=None)
@given(TEXTS, st.lists(st.lists(TEXTS, max_size=5), max_size=5))
@example("title", [["a", "b", "c", "d"]])
@example("identifier.1", [["a"]])
@example("", [["a", "b", "c"]])
def test_no_cells_raise_anything_but_bad_csv(column: str, rows: list[list[str]]) -> None:
    refuses_or_reads(written([("identifier", column), *rows]))


@settings(deadline=None)
@given(st.text(st.sampled_from("ab,\"\n\r\x00\ufeff \t;'\\#é"), max_size=60))
@example('a,"b')
@example('"')
@example("a,b,c,d")
def test_no_text_below_a_good_header_raises_anything(text: str) -> None:
    refuses_or_reads(f"identifier,title,note\n{text}".encode())
