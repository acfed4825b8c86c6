"""What lies beside a page's tiles is ours only if every value makes sense."""

import json
from dataclasses import asdict
from typing import Any

import pytest

from pipeline.task import Options
from worker.budget import MAX_PARTS
from worker.receipt import Receipt, parse_receipt

GOOD = Receipt('"e1"', Options(thumbnail_widths=(90,)), "https://a.example/x", 600, 400, 9, 2)


def written(**fields: Any) -> bytes:
    return json.dumps({**asdict(GOOD), **fields}).encode()


def test_a_receipt_is_read_as_it_was_written() -> None:
    assert parse_receipt(GOOD.to_json()) == GOOD


@pytest.mark.parametrize(
    "fields",
    [
        {"width": "600"},
        {"width": 0},
        {"height": -1},
        {"height": 400.0},
        {"width": True},
        {"width": 10**400},
        {"width": 50_000, "height": 50_000},
        {"tiles": None},
        {"parts": MAX_PARTS + 1},
        {"etag": 1},
        {"service_url": None},
        {"service_url": "\ud800"},
        {"options": asdict(Options(tile_size=0))},
        {"options": {**asdict(Options()), "tile_size": 512.0}},
        {"options": {**asdict(Options()), "thumbnail_widths": ["90"]}},
        {"options": []},
        {"more": 1},
    ],
    ids=str,
)
def test_a_receipt_with_a_value_that_makes_no_sense_is_none(fields: dict[str, Any]) -> None:
    assert parse_receipt(written(**fields)) is None


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"\xff", b"[" * 100_000], ids=len)
def test_what_is_no_receipt_is_none(content: bytes) -> None:
    assert parse_receipt(content) is None
