import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifest_builder import sections
from manifest_builder.sections import MAX_SPANS, Section, read_sections


@pytest.mark.parametrize(
    ("entry", "section"),
    [
        ("Title page: 1", Section("Title page", (1,))),
        ("Letters: 2-5", Section("Letters", (2, 3, 4, 5))),
        ("Letters : 2 – 4 , 6", Section("Letters", (2, 3, 4, 6))),
        ("Part 1: the start: 3", Section("Part 1: the start", (3,))),
        ("Twice: 1-3, 2-4", Section("Twice", (1, 2, 3, 4))),
        ("Backwards: 3, 1", Section("Backwards", (3, 1))),
    ],
)
def test_an_entry_has_a_label_and_pages(entry: str, section: Section) -> None:
    assert read_sections([entry], 6) == ((section,), [])


@pytest.mark.parametrize(
    ("entry", "mistake"),
    [
        ("Letters", "form"),
        ("Letters: two", "form"),
        (": 1", "form"),
        ("Letters:", "form"),
        ("Letters: 1-2-3", "form"),
        ("Letters: 0", "beyond page 6"),
        ("Letters: 5-7", "beyond page 6"),
        ("Letters: 1-99999999999999999999", "beyond page 6"),
        ("Letters: 4-2", "ends before it begins"),
        ("Letters: " + ",".join("1" * (MAX_SPANS + 1)), "parts"),
    ],
)
def test_an_entry_that_cannot_be_read_is_left_out_and_named(entry: str, mistake: str) -> None:
    found, (told,) = read_sections(["First: 1", entry, "Last: 6"], 6)
    assert found == (Section("First", (1,)), Section("Last", (6,)))
    assert mistake in told
    assert repr(entry)[:20] in told


def test_entries_end_at_a_limit_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sections, "MAX_SECTIONS", 2)
    found, (told,) = read_sections(["a: 1", "b: 1", "c: 1", "d: 1"], 1)
    assert len(found) == 2
    assert "'c: 1'" in told


def test_pages_in_overlapping_entries_end_at_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sections, "MAX_PAGES_LISTED", 10)
    found, told = read_sections(["a: 1-8"] * 100, 8)
    assert len(found) == 2
    assert len(told) == 1


@given(st.lists(st.text() | st.text(st.sampled_from("ab:,- –0123456789"))), st.integers(1, 9))
def test_pages_are_those_of_the_item_whatever_is_typed(entries: list[str], count: int) -> None:
    found, told = read_sections(entries, count)
    assert len(found) + len(told) == len(entries)
    for section in found:
        assert section.label
        assert section.pages
        assert set(section.pages) <= set(range(1, count + 1))
