"""Items that are published though pages of theirs have failed, and what stands in for these."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from iiif_prezi3 import Manifest

from manifest_builder.build import finish_run
from manifest_builder.description import UNDESCRIBED, Description
from manifest_builder.document import to_json
from manifest_builder.gaps import gap_label, hidden, nearest
from manifest_builder.manifest import build_manifest
from manifest_builder.sections import Section
from pipeline.ledger import Ledger
from pipeline.run import Page, Plan, RunState, Summary
from tests.builders import a_message, a_plan, done, failed
from tests.builds import (
    building,
    files,
    has_manifest,
    listed,
    manifest_urls,
    pages_of,
    read,
    rebuild,
    replay,
    write_csv,
)
from tests.fakes import MemoryLedger


@pytest.fixture
def plan(source: Path, dest: Path) -> Plan:
    plan = a_plan(source, dest)
    write_csv(plan, b"identifier,title\nbook,The book\n")
    return plan


def pages_without(*missing: int, count: int = 4) -> list[Page]:
    """Return the pages of a book, each of another size, some of which have failed."""
    return [
        failed(a_message(page=number))
        if number in missing
        else done(a_message(page=number), width=1000 * number, height=10 * number)
        for number in range(1, count + 1)
    ]


def built(pages: Sequence[Page], row: Description = UNDESCRIBED) -> dict[str, Any]:
    plan = a_plan()
    document = json.loads(to_json(build_manifest(plan.layout, plan.options, pages, row)))
    Manifest(**document)  # it raises where the model does not allow something
    assert isinstance(document, dict)
    return document


def published(plan: Plan, pages: Sequence[Page]) -> Summary:
    """Publish a run with gaps."""
    ledger = MemoryLedger()
    run_id = building(ledger, plan, pages)
    finish_run(run_id, ledger)
    return rebuild(run_id, ledger, with_gaps=True)


# The canvas


def test_a_failed_page_is_a_canvas_without_an_image_in_its_place() -> None:
    canvases = built(pages_without(2))["items"]
    assert [canvas["id"].rpartition("/")[2] for canvas in canvases] == ["1", "2", "3", "4"]
    assert [len(canvas["items"]) for canvas in canvases] == [1, 0, 1, 1]
    assert canvases[1].keys() == {"id", "type", "label", "width", "height", "items"}


@pytest.mark.parametrize(
    ("missing", "widths"),
    [
        ([1], [2000, 2000, 3000, 4000]),
        ([2], [1000, 1000, 3000, 4000]),
        ([2, 3], [1000, 1000, 4000, 4000]),
        ([1, 2, 4], [3000, 3000, 3000, 3000]),
    ],
)
def test_it_has_the_size_of_the_nearest_page_that_is_there(
    missing: list[int], widths: list[int]
) -> None:
    canvases = built(pages_without(*missing))["items"]
    assert [canvas["width"] for canvas in canvases] == widths
    assert [canvas["height"] for canvas in canvases] == [width // 100 for width in widths]


def test_the_thumbnail_is_of_the_nearest_page_that_is_there() -> None:
    for row, page in ((UNDESCRIBED, 3), (Description(thumbnail_page=4), 3)):
        (thumbnail,) = built(pages_without(1, 2, 4), row)["thumbnail"]
        assert f"/tiles/book-{page}/" in thumbnail["id"]


def test_a_table_of_contents_leads_to_pages_that_are_there() -> None:
    sections = (Section("Title", (1,)), Section("Letters", (1, 2, 3)), Section("Map", (4,)))
    (contents,) = built(pages_without(1, 3), Description(sections=sections))["structures"]
    found = {
        entry["label"]["none"][0]: [canvas["id"].rpartition("/")[2] for canvas in entry["items"]]
        for entry in contents["items"]
    }
    assert found == {"Letters": ["2"], "Map": ["4"]}


def test_entries_keep_their_ids_whether_others_are_there_or_not() -> None:
    row = Description(sections=(Section("Title", (1,)), Section("Letters", (2,))))
    (whole,) = built(pages_without(), row)["structures"]
    (partial,) = built(pages_without(1), row)["structures"]
    assert partial["items"] == whole["items"][1:]


def test_a_table_of_contents_that_leads_nowhere_is_left_out() -> None:
    assert "structures" not in built(
        pages_without(1), Description(sections=(Section("Title", (1,)),))
    )


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("", "none", {"en": ["7 (image missing)"]}),
        ("", "en-GB", {"en-GB": ["7 (image missing)"]}),
        ("", "de", {"de": ["7 (Bild fehlt)"]}),
        ("", "la", {"en": ["7 (image missing)"]}),
        ("1r", "none", {"none": ["1r (image missing)"]}),
        ("1r", "fr-CA", {"fr-CA": ["1r (image manquante)"]}),
        ("1r", "la", {"la": ["1r (image missing)"]}),
        ("<i>1r</i>", "de", {"de": ["1r (Bild fehlt)"]}),
        ("<br>", "de", {"de": ["7 (Bild fehlt)"]}),
    ],
)
def test_the_label_says_that_the_image_is_missing(
    text: str, language: str, expected: dict[str, list[str]]
) -> None:
    assert gap_label(text, "7", language) == expected


def test_a_label_of_the_row_stays_with_its_page() -> None:
    row = Description(language="de", page_labels=("Einband", "", "1v", "2r"))
    labels = [canvas["label"] for canvas in built(pages_without(2, 3), row)["items"]]
    assert labels == [
        {"de": ["Einband"]},
        {"de": ["2 (Bild fehlt)"]},
        {"de": ["1v (Bild fehlt)"]},
        {"de": ["2r"]},
    ]


@given(st.sets(st.integers(1, 60), min_size=1), st.integers(0, 61))
def test_the_nearest_is_the_first_of_those_with_the_least_distance(
    places: set[int], place: int
) -> None:
    ascending = sorted(places)
    assert nearest(ascending, place) == min(ascending, key=lambda other: abs(other - place))


# What a run publishes


def test_an_item_with_a_failed_page_is_published_and_named(plan: Plan, ledger: Ledger) -> None:
    pages = [*pages_of(book=2, map=1), failed(a_message(page=3))]
    run_id = building(ledger, plan, pages)
    finish_run(run_id, ledger)
    assert not has_manifest(plan, "book")
    summary = rebuild(run_id, ledger, with_gaps=True)
    assert (summary.with_gaps, summary.withheld) == (("book",), ())
    assert (summary.items, summary.failed) == (2, 1)
    assert listed(plan) == manifest_urls(plan, "book", "map")
    labels = [canvas["label"] for canvas in read(plan, plan.layout.manifest("book"))["items"]]
    assert labels == [{"none": ["1"]}, {"none": ["2"]}, {"en": ["3 (image missing)"]}]
    run = ledger.load_run(run_id)
    assert run is not None
    assert (run.state, run.summary) == (RunState.DONE_WITH_FAILURES, summary)


def test_an_item_without_any_page_stays_withheld(plan: Plan) -> None:
    summary = published(plan, [*pages_of(map=1), failed(a_message()), failed(a_message(page=2))])
    assert (summary.with_gaps, summary.withheld) == ((), ("book",))
    assert not has_manifest(plan, "book")


def test_a_gap_is_filled_by_a_replay(plan: Plan, dest: Path) -> None:
    ledger = MemoryLedger()
    run_id = building(ledger, plan, [*pages_of(book=2), failed(a_message(page=3))])
    finish_run(run_id, ledger)
    rebuild(run_id, ledger, with_gaps=True)
    summary = replay(run_id, ledger)
    assert (summary.with_gaps, summary.failed) == ((), 0)
    assert files(dest) == whole(plan, dest, pages_of(book=3))


def test_a_gap_that_a_replay_could_not_fill_stays_published(plan: Plan) -> None:
    ledger = MemoryLedger()
    run_id = building(ledger, plan, [*pages_of(book=2, map=1), failed(a_message(page=3))])
    finish_run(run_id, ledger)
    rebuild(run_id, ledger, with_gaps=True)
    summary = replay(run_id, ledger, succeeds=False)
    assert summary.with_gaps == ("book",)
    assert has_manifest(plan, "book")


def test_a_manifest_with_gaps_is_withdrawn_where_they_are_not_wanted_any_more(
    plan: Plan, dest: Path
) -> None:
    ledger = MemoryLedger()
    pages = [*pages_of(book=2, map=1), failed(a_message(page=3))]
    run_id = building(ledger, plan, pages)
    finish_run(run_id, ledger)
    once = files(dest)
    rebuild(run_id, ledger, with_gaps=True)
    assert files(dest) != once
    rebuild(run_id, ledger, with_gaps=False)
    assert files(dest) == once


def whole(plan: Plan, dest: Path, pages: Sequence[Page]) -> dict[str, bytes]:
    """Return what the destination holds after a run with these pages."""
    ledger = MemoryLedger()
    finish_run(building(ledger, plan, pages), ledger)
    return files(dest)


# Files that hide pages


def a_file(name: str, page: int, parts: int = 1) -> list[Page]:
    """Return the pages of a file that was tiled."""
    messages = [a_message(page=page, part=part + 1, key=name) for part in range(parts)]
    return [replace(done(message), parts=parts) for message in messages]


def a_failed_file(name: str, page: int) -> list[Page]:
    return [failed(a_message(page=page, key=name))]


@pytest.mark.parametrize(
    ("pages", "place"),
    [
        ([*a_file("1.tif", 1), *a_failed_file("2.tif", 2)], None),
        ([*a_file("1.tif", 1), *a_failed_file("2.PDF", 2)], 2),
        ([*a_file("1.tif", 1, parts=2), *a_failed_file("2.tif", 2)], 3),
        ([*a_failed_file("1.tif", 1), *a_file("2.tif", 2, parts=2)], 1),
        (a_file("1.pdf", 1, parts=3), None),
    ],
    ids=["as the others", "PDF", "others have several", "others after it", "whole"],
)
def test_a_failed_file_may_hide_pages_where_others_have_several_or_it_is_a_pdf(
    pages: list[Page], place: int | None
) -> None:
    found = hidden(pages)
    assert (None if found is None else pages.index(found) + 1) == place


def test_a_page_of_a_file_whose_number_of_pages_is_known_hides_none() -> None:
    first, second, third = a_file("1.pdf", 1, parts=3)
    assert hidden([first, failed(second.message), third]) is None
    assert hidden([replace(failed(first.message), parts=3), second, third]) is None


def book_of_files(*labels: str, ranges: str) -> tuple[list[Page], bytes]:
    pages = [*a_file("1.tif", 1), *a_failed_file("2.pdf", 2), *a_file("3.tif", 3)]
    row = f"identifier,page_labels,ranges,thumbnail_page\nbook,{'||'.join(labels)},{ranges},3\n"
    return pages, row.encode()


def test_pages_after_a_file_that_may_hide_some_cannot_be_told_by_number(plan: Plan) -> None:
    pages, csv = book_of_files(ranges="Title: 1 || Letters: 3")
    write_csv(plan, csv)
    problems = published(plan, pages).problems
    assert any("ranges: 'Letters: 3' points beyond page 2; left out" in text for text in problems)
    assert any("thumbnail_page: expected a page from 1 to 2" in text for text in problems)
    assert any("'book': how many pages '2.pdf' has is not known" in text for text in problems)
    manifest = read(plan, plan.layout.manifest("book"))
    entries = manifest["structures"][0]["items"]
    assert [entry["label"] for entry in entries] == [{"none": ["Title"]}]
    assert "/tiles/book-1/" in manifest["thumbnail"][0]["id"]


def test_a_label_for_each_page_says_that_no_page_is_hidden(plan: Plan) -> None:
    pages, csv = book_of_files("a", "b", "c", ranges="Title: 1 || Letters: 3")
    write_csv(plan, csv)
    problems = published(plan, pages).problems
    assert not any("left out" in text for text in problems)
    manifest = read(plan, plan.layout.manifest("book"))
    assert [entry["label"] for entry in manifest["structures"][0]["items"]] == [
        {"none": ["Title"]},
        {"none": ["Letters"]},
    ]
    assert [canvas["label"] for canvas in manifest["items"]] == [
        {"none": ["a"]},
        {"none": ["b (image missing)"]},
        {"none": ["c"]},
    ]


def test_labels_for_pages_that_are_hidden_are_left_out(plan: Plan) -> None:
    pages, csv = book_of_files("a", "b", "c", "d", ranges="Title: 1")
    write_csv(plan, csv)
    problems = published(plan, pages).problems
    assert any("expected as many labels as pages, 3, not 4" in text for text in problems)
