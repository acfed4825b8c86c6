import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from manifest_builder.values import (
    BEHAVIORS,
    VIEWING_DIRECTIONS,
    language_tag,
    nav_date,
    one_of,
    position,
    rivals,
)

XSD_DATE_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("1911", "1911-01-01T00:00:00Z"),
        ("1911-05", "1911-05-01T00:00:00Z"),
        ("1911-05-03", "1911-05-03T00:00:00Z"),
        ("0700", "0700-01-01T00:00:00Z"),
        ("2024-02-29", "2024-02-29T00:00:00Z"),
        ("1911-05-03T10:20:30Z", "1911-05-03T10:20:30Z"),
        ("1911-05-03T01:00:00+02:00", "1911-05-02T23:00:00Z"),
        ("1911-05-03 10:20", "1911-05-03T10:20:00Z"),
        ("1911-05-03T10:20:30.123", "1911-05-03T10:20:30Z"),
    ],
)
def test_dates_become_times_in_utc(text: str, moment: str) -> None:
    assert nav_date(text) == moment


@pytest.mark.parametrize(
    "text",
    [
        *("", "ca. 1911", "May 1911", "1911?", "[1911]", "1911-13", "1911-02-30", "1911-5-3"),
        *("191", "03/05/1911", "1911/05/03", "0000", "19110503", "1911-1914", "١٩١١", "-0044"),
        *("12345", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"),
        "1911-05-03T25:00:00Z",
    ],
)
def test_what_is_no_date_of_the_calendar_is_none(text: str) -> None:
    assert nav_date(text) is None


@given(st.datetimes().map(str) | st.text(st.sampled_from("0123456789-T:+Z. ")))
@example("9999-12-31T23:59:59-00:01")
def test_any_text_is_a_time_in_utc_or_none(text: str) -> None:
    found = nav_date(text)
    assert found is None or XSD_DATE_TIME.fullmatch(found)


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("en", "en"),
        ("EN", "en"),
        ("de-CH", "de-CH"),
        ("zh-Hant-TW", "zh-Hant-TW"),
        ("en_US", "en-US"),
        ("eng", "en"),
        ("ger", "de"),
        ("fro", "fro"),
        ("English", "en"),
        ("français", "fr"),
    ],
)
def test_languages_are_known_by_tag_code_and_name(text: str, tag: str) -> None:
    assert language_tag(text) == tag


@pytest.mark.parametrize("text", ["", "Kurrent", "es-419", "en-", "e", "d'oc", "en fr", "@none"])
def test_what_is_no_language_that_a_manifest_can_name_is_none(text: str) -> None:
    assert language_tag(text) is None


@given(st.text() | st.from_regex(r"[a-z]{2,3}(-[a-zA-Z0-9]{1,4})*"))
def test_any_text_is_a_key_of_a_language_map_or_none(text: str) -> None:
    tag = language_tag(text)
    assert tag is None or re.fullmatch(r"[a-zA-Z-]+", tag)


@pytest.mark.parametrize("text", ["right-to-left", "Right to Left", " RIGHT_TO_LEFT "])
def test_words_are_known_whatever_their_case_and_separators(text: str) -> None:
    assert one_of(VIEWING_DIRECTIONS, text) == "right-to-left"


@pytest.mark.parametrize("text", ["", "rtl", "right", "facing-pages", "multi-part", "sequence"])
def test_words_that_no_manifest_has_are_none(text: str) -> None:
    assert one_of((*VIEWING_DIRECTIONS, *BEHAVIORS), text) is None


def test_behaviors_exclude_those_of_their_kind_both_ways() -> None:
    assert rivals("paged") == {"individuals", "continuous", "unordered"}
    assert rivals("repeat") == {"no-repeat"}
    for one in BEHAVIORS:
        assert one not in rivals(one)
        assert all(one in rivals(other) for other in rivals(one))


@pytest.mark.parametrize(("text", "found"), [("1", 1), ("3", 3), ("003", 3)])
def test_positions_count_from_one_to_the_last(text: str, found: int) -> None:
    assert position(text, 3) == found


@pytest.mark.parametrize("text", ["", "0", "4", "-1", "1.0", "1e0", "٣", "9" * 5_000, "two"])
def test_what_lies_beyond_or_is_no_number_is_none(text: str) -> None:
    assert position(text, 3) is None
