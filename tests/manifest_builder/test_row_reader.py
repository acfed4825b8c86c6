"""A row's cells as typed values: what is understood, what is named, what is never lost."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from manifest_builder.columns import COLUMN_NAMES
from manifest_builder.description import UNDESCRIBED, Description
from manifest_builder.problems import MAX_ECHO_CHARACTERS
from manifest_builder.row_reader import MAX_PROBLEMS, describe
from manifest_builder.sections import Section
from manifest_builder.table import Cell, Row
from pipeline.csv_file import column_name
from pipeline.defaults import Provider

INC = "http://rightsstatements.org/vocab/InC/1.0/"


def row(*cells: tuple[str, str], line: int = 2) -> Row:
    return Row(line, tuple(Cell(column_name(label), label, text) for label, text in cells))


def described(*cells: tuple[str, str], count: int = 4) -> Description:
    """Return the description of cells in which nothing is wrong."""
    description, problems = describe(row(*cells), count)
    assert problems == ()
    return description


def problem_of(*cells: tuple[str, str], count: int = 4) -> tuple[Description, str]:
    """Return a description and the only problem with it."""
    description, (problem,) = describe(row(*cells, line=7), count)
    assert problem.line == 7
    return description, problem.text


def test_an_item_without_a_row_is_not_described() -> None:
    assert describe(None, 3) == (UNDESCRIBED, ())
    assert described() == UNDESCRIBED


@pytest.mark.parametrize(
    ("label", "text", "field", "value"),
    [
        ("Title", "The book", "title", ("The book",)),
        ("title", "One || Two||", "title", ("One", "Two")),
        ("Description", "About || it", "summary", ("About", "it")),
        ("Rights", "In Copyright", "rights", INC),
        ("rights", "CC0", "rights", "http://creativecommons.org/publicdomain/zero/1.0/"),
        ("Attribution", "By || me", "required_statement", ("By", "me")),
        ("required_statement", "By me", "required_statement", ("By me",)),
        ("requiredStatement", "By me", "required_statement", ("By me",)),
        ("Provider", "The Library", "providers", (Provider("The Library"),)),
        ("home page", "https://a.example", "homepages", ("https://a.example/",)),
        ("navDate", "1911-05", "nav_date", "1911-05-01T00:00:00Z"),
        ("Nav Date", "1911", "nav_date", "1911-01-01T00:00:00Z"),
        ("viewing direction", "Right to left", "viewing_direction", "right-to-left"),
        ("viewingDirection", "top-to-bottom", "viewing_direction", "top-to-bottom"),
        ("behavior", "paged || no-repeat", "behaviors", ("paged", "no-repeat")),
        ("Behaviour", "Continuous", "behaviors", ("continuous",)),
        ("thumbnail_page", "3", "thumbnail_page", 3),
        ("Page Labels", "Cover||1r || ||2r", "page_labels", ("Cover", "1r", "", "2r")),
        ("ranges", "A: 1 || B: 2-4", "sections", (Section("A", (1,)), Section("B", (2, 3, 4)))),
        ("Table of contents", "A: 1", "sections", (Section("A", (1,)),)),
        ("creator", "A. F.||B. G.", "metadata", (("creator", ("A. F.", "B. G.")),)),
    ],
)
def test_a_column_becomes_what_its_name_says(
    label: str, text: str, field: str, value: object
) -> None:
    description = described((label, text))
    expected: dict[str, Any] = {field: value}
    assert description == Description(**expected)


def test_metadata_keeps_the_order_of_the_columns() -> None:
    cells = [("b", "1"), ("title", "T"), ("rights", "Ask."), ("date", "May 1911"), ("a", "2")]
    description, _ = describe(row(*cells), 4)
    assert description.metadata == (
        ("b", ("1",)),
        ("rights", ("Ask.",)),
        ("date", ("May 1911",)),
        ("a", ("2",)),
    )


@pytest.mark.parametrize(
    ("text", "nav_date"),
    [
        ("1911-05-03", "1911-05-03T00:00:00Z"),
        ("ca. 1911 || 1912", "1912-01-01T00:00:00Z"),
        ("ca. 1911", None),
        ("May 1911", None),
    ],
)
def test_a_date_is_always_shown_and_used_where_it_can_be_read(
    text: str, nav_date: str | None
) -> None:
    description = described(("Date", text))
    assert description.nav_date == nav_date
    ((label, values),) = description.metadata
    assert (label, " || ".join(values)) == ("Date", text)


def test_the_column_made_for_navigation_goes_before_the_date() -> None:
    description = described(("date", "1911"), ("navDate", "1912"))
    assert description.nav_date == "1912-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("text", "language"), [("de", "de"), ("English", "en"), ("en || fr", "none"), ("none", "none")]
)
def test_a_language_is_that_of_the_texts_and_always_shown(text: str, language: str) -> None:
    description = described(("Language", text))
    assert description.language == language
    assert description.metadata[0][0] == "Language"


def test_providers_have_pages_and_logos_in_their_order() -> None:
    description = described(
        ("provider", "A || B"),
        ("provider homepage", "https://a.example/ || https://b.example/"),
        ("provider_logo", "https://a.example/l.png"),
    )
    assert description.providers == (
        Provider("A", "https://a.example/", "https://a.example/l.png"),
        Provider("B", "https://b.example/"),
    )


def test_required_statement_and_attribution_are_both_required() -> None:
    description = described(("attribution", "A"), ("required statement", "B"))
    assert description.required_statement == ("B", "A")


# What is wrong


@pytest.mark.parametrize(
    ("label", "text", "told"),
    [
        ("navDate", "ca. 1911", "a date such as 1911, 1911-05 or 1911-05-03, not 'ca. 1911'"),
        ("viewing_direction", "rtl", "one of left-to-right, right-to-left"),
        ("behavior", "fancy", "one of paged, individuals, continuous, unordered"),
        ("behavior", "facing-pages", "one of paged"),
        ("thumbnail_page", "5", "a page from 1 to 4, not '5'"),
        ("thumbnail_page", "0", "a page from 1 to 4"),
        ("thumbnail_page", "first", "a page from 1 to 4"),
        ("page_labels", "a||b||c", "expected as many labels as pages, 4, not 3"),
        ("page_labels", "a||b||c||d||e", "not 5"),
        ("ranges", "A: 3-5", "'A: 3-5' points beyond page 4"),
        ("ranges", "A", "is not of the form 'Letters: 2-5'"),
    ],
)
def test_a_bad_value_is_named_and_left_out(label: str, text: str, told: str) -> None:
    description, problem = problem_of((label, text))
    assert problem.startswith(f"{label}: ")
    assert told in problem
    assert problem.endswith("left out")
    assert description == UNDESCRIBED


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("homepage", "www.example.org"),
        ("homepage", "javascript:alert(1)"),
        ("provider_homepage", "example.org"),
        ("provider_logo", "logo.png"),
        ("rights", "Ask the archivist."),
        ("rights", "https://example.org/rights"),
    ],
)
def test_a_bad_value_that_says_something_is_named_and_shown(label: str, text: str) -> None:
    description, problem = problem_of((label, text))
    assert problem.startswith(f"{label}: expected ")
    assert f"not {text!r}; shown in the metadata" in problem
    assert description.metadata == ((label, (text,)),)


def test_rights_that_have_no_uri_are_stated_all_the_same() -> None:
    assert problem_of(("rights", "Ask."))[0].rights == ""
    assert UNDESCRIBED.rights is None


def test_of_several_rights_the_first_is_used_and_all_are_shown() -> None:
    description, problem = problem_of(("rights", "CC0 || In Copyright"))
    assert description.rights == "http://creativecommons.org/publicdomain/zero/1.0/"
    assert description.metadata == (("rights", ("CC0", "In Copyright")),)
    assert "can state one" in problem


def test_the_same_rights_twice_are_no_mistake() -> None:
    assert described(("rights", f"{INC} || In Copyright")).rights == INC


def test_a_language_that_is_none_is_named_and_shown() -> None:
    description, problem = problem_of(("language", "Kurrent"))
    assert description.language == "none"
    assert description.metadata == (("language", ("Kurrent",)),)
    assert "'Kurrent'" in problem


def test_behaviors_that_exclude_each_other_are_named_and_the_first_kept() -> None:
    description, problem = problem_of(("behavior", "paged || continuous || repeat"))
    assert description.behaviors == ("paged", "repeat")
    assert problem == "behavior: continuous excludes paged; left out"


def test_good_ranges_stay_beside_bad_ones() -> None:
    description, _ = problem_of(("ranges", "A: 1 || B: 9 || C: 2"))
    assert [section.label for section in description.sections] == ["A", "C"]


def test_more_pages_than_providers_are_named() -> None:
    description, problem = problem_of(("provider_homepage", "https://a.example/"))
    assert description.providers == ()
    assert problem.startswith("provider_homepage: more than the 0 providers")


def test_a_bad_or_empty_address_gives_its_provider_none_of_another() -> None:
    description, _ = problem_of(
        ("provider", "A || B || C"), ("provider_homepage", "bad || || https://c.example/")
    )
    assert description.providers == (
        Provider("A"),
        Provider("B"),
        Provider("C", "https://c.example/"),
    )


def test_a_second_column_of_one_meaning_is_named_and_shown() -> None:
    description, problem = problem_of(("Title", "A"), ("title", "B"))
    assert description.title == ("A",)
    assert description.metadata == (("title", ("B",)),)
    assert problem.startswith("title: a second column")


def test_problems_of_a_row_are_cut() -> None:
    _, problems = describe(row(("behavior", "||".join(f"bad{n}" for n in range(1_000)))), 1)
    assert len(problems) == MAX_PROBLEMS + 1
    assert problems[-1].text == "… and 980 more in this row"


@pytest.mark.parametrize("name", COLUMN_NAMES)
def test_any_number_of_values_is_described_in_the_room_of_its_cell(name: str) -> None:
    cell = "x: 1, 2||" * 100_000
    description, problems = describe(row((name, cell)), 2)
    assert len(problems) <= MAX_PROBLEMS + 1
    assert sum(len(values) + 1 for _, values in description.metadata) < 100_002
    assert len(description.sections) <= 1_000


LABELS = st.sampled_from([*COLUMN_NAMES, "creator"]) | st.text(min_size=1)
PIECES = ["||", " ", "1", "2-3", ":", "CC BY 4.0", "https://a.example/", "paged", "1911", "de", "<"]
CELLS = st.tuples(LABELS, st.text(min_size=1) | st.lists(st.sampled_from(PIECES)).map("".join))


@given(st.lists(CELLS), st.integers(1, 5))
@example([("rights", "x" * 10_000)], 1)
@example([("\x00" * 500, "y"), ("homepage", "||" * 1_000)], 1)
def test_whatever_is_typed_is_described_within_its_bounds(
    cells: list[tuple[str, str]], count: int
) -> None:
    description, problems = describe(row(*cells), count)
    assert 1 <= description.thumbnail_page <= count
    assert len(description.page_labels) in (0, count)
    assert all(values and all(values) for _, values in description.metadata)
    assert len(problems) <= MAX_PROBLEMS + 1
    assert all(len(problem.text) < 300 + 5 * MAX_ECHO_CHARACTERS for problem in problems)


def test_a_columns_name_cannot_steer_a_terminal() -> None:
    for label in ("Nav\nDate", "Nav\u200bDate", "Behavior\u200b"):
        _, told = problem_of((label, "x"))
        assert told.isprintable()
