import json
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.errors import BadMessage
from pipeline.message import (
    MAX_ITEM_BYTES,
    MAX_NUMBER,
    MAX_TEXT_BYTES,
    VERSION,
    Message,
    parse_message,
)
from tests.builders import a_message

MAX_BODY_BYTES = 1_048_576

texts = st.text(max_size=MAX_TEXT_BYTES // 4)
messages = st.builds(
    Message,
    run_id=texts,
    item=st.text(max_size=MAX_ITEM_BYTES // 4),
    page=st.integers(1, MAX_NUMBER),
    key=texts,
    etag=texts,
    size=st.integers(0, MAX_NUMBER),
    part=st.integers(1, MAX_NUMBER),
    replays=st.integers(0, MAX_NUMBER),
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def body(**fields: Any) -> str:
    """Return a body with fields replaced; `...` leaves one out."""
    values = {"version": VERSION, **asdict(a_message()), **fields}
    return json.dumps({name: value for name, value in values.items() if value is not ...})


def parses_or_is_bad(text: str) -> None:
    try:
        message = parse_message(text)
    except BadMessage:
        return
    assert parse_message(message.to_json()) == message


@given(messages)
def test_a_message_comes_back_as_it_was_sent(message: Message) -> None:
    assert parse_message(message.to_json()) == message


@given(messages)
def test_a_body_is_printable_ascii(message: Message) -> None:
    text = message.to_json()
    assert text.isascii()
    assert text.isprintable()


def test_a_body_of_the_longest_key_is_far_below_the_queues_limit() -> None:
    longest = "\U0001f4dc" * 256
    assert len(a_message(key=longest, item=longest).to_json()) < MAX_BODY_BYTES / 100


def test_a_body_names_its_version() -> None:
    assert json.loads(a_message().to_json())["version"] == VERSION


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("not JSON", id="text"),
        pytest.param("{", id="cut off"),
        pytest.param("null", id="null"),
        pytest.param("[]", id="a list"),
        pytest.param('"text"', id="a string"),
        pytest.param("1", id="a number"),
        pytest.param("{}", id="an empty object"),
        pytest.param("1" * 5000, id="a number beyond Python's limit"),
        pytest.param("[" * 100_000, id="lists within lists"),
        pytest.param('{"a":' * 100_000, id="objects within objects"),
        pytest.param("\ufeff" + body(), id="a byte order mark"),
        pytest.param(body(version=...), id="no version"),
        pytest.param(body(version=VERSION + 1), id="a later version"),
        pytest.param(body(version=str(VERSION)), id="a version in quotes"),
        pytest.param(body(version=None), id="version null"),
        pytest.param(body(colour="red"), id="an unknown field"),
    ],
)
def test_what_is_not_a_message_of_this_version_is_bad(text: str) -> None:
    with pytest.raises(BadMessage):
        parse_message(text)


@pytest.mark.parametrize("name", list(Message.__annotations__))
@pytest.mark.parametrize("value", [..., None, True, 1.5, [], {}])
def test_a_field_that_is_missing_or_of_another_kind_is_bad(name: str, value: object) -> None:
    with pytest.raises(BadMessage):
        parse_message(body(**{name: value}))


@pytest.mark.parametrize("name", ["run_id", "item", "key", "etag"])
def test_a_number_where_text_belongs_is_bad(name: str) -> None:
    with pytest.raises(BadMessage):
        parse_message(body(**{name: 1}))


@pytest.mark.parametrize("name", ["page", "size", "part", "replays"])
def test_text_where_a_number_belongs_is_bad(name: str) -> None:
    with pytest.raises(BadMessage):
        parse_message(body(**{name: "1"}))


def test_text_that_no_store_can_hold_is_bad() -> None:
    with pytest.raises(BadMessage):
        parse_message(body(item="\ud800"))


@given(st.text())
def test_any_text_is_a_message_or_bad(text: str) -> None:
    parses_or_is_bad(text)


@given(anything)
@example({"version": VERSION})
def test_any_json_is_a_message_or_bad(value: object) -> None:
    parses_or_is_bad(json.dumps(value))


@given(st.dictionaries(st.sampled_from(["version", *Message.__annotations__]), anything))
def test_our_fields_with_any_values_are_a_message_or_bad(fields: dict[str, Any]) -> None:
    parses_or_is_bad(body(**fields))


@pytest.mark.parametrize("name", ["page", "size", "part", "replays"])
@pytest.mark.parametrize("number", [MAX_NUMBER + 1, 10**400, -1])
def test_a_number_that_no_row_can_hold_is_bad(name: str, number: int) -> None:
    with pytest.raises(BadMessage):
        parse_message(body(**{name: number}))


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("run_id", MAX_TEXT_BYTES),
        ("item", MAX_ITEM_BYTES),
        ("key", MAX_TEXT_BYTES),
        ("etag", MAX_TEXT_BYTES),
    ],
)
def test_a_text_longer_than_any_key_is_bad(name: str, most: int) -> None:
    assert parse_message(body(**{name: "é" * (most // 2)}))
    with pytest.raises(BadMessage):
        parse_message(body(**{name: "é" * (most // 2) + "e"}))
