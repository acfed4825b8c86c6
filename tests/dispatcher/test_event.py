from typing import Any

import pytest

from dispatcher.event import parse_uploads
from pipeline.errors import BadEvent
from pipeline.run import Upload


def record(key: str, **stored: str) -> dict[str, object]:
    return {
        "eventTime": "2026-03-01T12:00:00.000Z",
        "s3": {
            "bucket": {"name": "batch"},
            "object": {"key": key, "sequencer": "0055AED6", **stored},
        },
    }


def test_every_record_is_an_upload_with_its_key_unquoted() -> None:
    event = {
        "Records": [
            record("tasks/Caf%C3%A9+Nº+1%2B2.json"),
            record("plain.json", versionId="v7"),
        ]
    }
    time = "2026-03-01T12:00:00.000Z"
    assert parse_uploads(event) == [
        Upload("batch", "tasks/Café Nº 1+2.json", "0055AED6", time),
        Upload("batch", "plain.json", "0055AED6", time, "v7"),
    ]


def test_s3s_own_test_event_has_no_uploads() -> None:
    assert parse_uploads({"Service": "Amazon S3", "Event": "s3:TestEvent"}) == []


@pytest.mark.parametrize(
    "event",
    [
        [],
        {"Records": None},
        {"Records": 3},
        {"Records": [None]},
        {"Records": [{}]},
        {"Records": {"s3": 1}},
        {"Records": [record("plain.json") | {"s3": {"bucket": {}, "object": {}}}]},
        {"Records": [record("plain.json") | {"eventTime": 1}]},
        {"Records": [record("plain.json", sequencer="\ud800")]},
        {"Records": [record("plain.json", versionId=7)]},  # type: ignore[arg-type]
    ],
    ids=repr,
)
def test_what_s3_does_not_send_is_told_for_what_it_is(event: Any) -> None:
    with pytest.raises(BadEvent, match="not an event of S3"):
        parse_uploads(event)
