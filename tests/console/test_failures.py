"""The failed pages of a run: complete, in order, and harmless to terminal and spreadsheet."""

import csv
import io
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from console.failures import COLUMNS, Failure, as_csv, as_json, failures_of, line, show_failures
from pipeline.run import Page
from tests.builders import a_message, a_run, failed, new_run_id
from tests.fakes import MemoryLedger

FAILURE = Failure("book", 3, 1, "a/book/p3.tif", "it is damaged", 2, "2026-03-01T12:00:00Z")
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


def shown(failures: list[Failure], *, terminal: bool = False) -> str:
    console = Console(file=io.StringIO(), width=200, force_terminal=terminal)
    show_failures(console, failures)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_they_come_in_the_order_of_items_and_pages_with_what_the_ledger_has() -> None:
    ledger, run_id = MemoryLedger(), new_run_id()
    messages = [a_message(run_id, item, page) for item in ("b", "a") for page in (10, 2, 1)]
    rows = [Page(message) for message in messages]
    ledger.open_run(a_run(run_id))
    ledger.record_pages(run_id, rows)
    ledger.seal(run_id, rows)
    for message in messages:
        if message.page != 1:
            ledger.settle(replace(failed(message, "odd"), attempts=5, ended_at=1_772_366_400))
    found = failures_of(run_id, ledger)
    assert [(failure.item, failure.page) for failure in found] == [
        ("a", 2),
        ("a", 10),
        ("b", 2),
        ("b", 10),
    ]
    assert found[0] == Failure(
        "a", 2, 1, "archive/Letters/a/Access/p2.tif", "odd", 5, "2026-03-01T12:00:00Z"
    )


def test_a_line_names_page_file_reason_time_and_attempts() -> None:
    assert line(FAILURE) == (
        "book, page 3 (a/book/p3.tif): it is damaged  [2026-03-01T12:00:00Z, 2 attempts]"
    )
    part = replace(FAILURE, part=2, attempts=1, time="")
    assert line(part) == "book, image 2 of a/book/p3.tif: it is damaged  [at an unknown time]"


def test_without_a_terminal_each_page_is_one_line() -> None:
    assert shown([FAILURE, FAILURE]) == f"{line(FAILURE)}\n" * 2


def test_a_terminal_shows_a_table() -> None:
    table = shown([FAILURE], terminal=True)
    for word in (*COLUMNS, "book", "a/book/p3.tif", "it is damaged"):
        assert word in table


@pytest.mark.parametrize("terminal", [False, True])
@given(TEXTS)
def test_no_name_steers_the_terminal(terminal: bool, text: str) -> None:
    clean = shown([replace(FAILURE, item="", source="", reason="")], terminal=terminal)
    output = shown([replace(FAILURE, item=text, source=text, reason=text)], terminal=terminal)
    for character in set(output) - set(clean):
        assert character.isprintable()


@given(
    st.lists(
        st.builds(Failure, TEXTS, st.integers(), st.integers(), TEXTS, TEXTS, st.integers(), TEXTS)
    )
)
def test_json_has_everything_as_it_is_in_ascii(failures: list[Failure]) -> None:
    text = as_json(failures)
    assert text.isascii()
    assert [Failure(**entry) for entry in json.loads(text)] == failures


@given(
    st.lists(
        st.builds(
            Failure, TEXTS, st.integers(1), st.integers(1), TEXTS, TEXTS, st.integers(0), TEXTS
        )
    )
)
def test_csv_is_rfc_4180_and_no_cell_is_a_formula(failures: list[Failure]) -> None:
    text = as_csv(failures)
    assert all(character.isprintable() for character in text.replace("\r\n", ""))
    header, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert tuple(header) == COLUMNS
    assert len(rows) == len(failures)
    for row in rows:
        assert len(row) == len(COLUMNS)
        for cell in row:
            assert not cell.lstrip().startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠"))


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "＝1", '=HYPERLINK("x")'])
def test_a_formula_gets_an_apostrophe(text: str) -> None:
    (_, row) = csv.reader(io.StringIO(as_csv([replace(FAILURE, item=text)]), newline=""))
    assert row[0] == f"'{text}"


def test_other_cells_are_as_they_are() -> None:
    failure = replace(FAILURE, item="Lettres d’été, “1911”", reason='a "word", a=b')
    (_, row) = csv.reader(io.StringIO(as_csv([failure]), newline=""))
    assert row[0] == failure.item
    assert row[4] == failure.reason
