"""`info.json` of both versions, field by field; its order is part of it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.geometry import Pyramid
from worker.info import info_json

URL = "https://images.example.org/iiif/b%C3%BCcher/tiles/p-1"


def described(width: int, height: int, **options: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(info_json(URL, Pyramid(width, height, **options)))
    return document


def test_api_2_says_what_there_is_in_the_words_of_version_2() -> None:
    document = described(1300, 900, image_api=2)
    assert next(iter(document)) == "@context"
    assert document == {
        "@context": "http://iiif.io/api/image/2/context.json",
        "@id": URL,
        "protocol": "http://iiif.io/api/image",
        "profile": [
            "http://iiif.io/api/image/2/level0.json",
            {"formats": ["jpg"], "qualities": ["default"]},
        ],
        "width": 1300,
        "height": 900,
        "sizes": [
            {"width": 325, "height": 225},
            {"width": 650, "height": 450},
            {"width": 1300, "height": 900},
        ],
        "tiles": [{"width": 512, "height": 512, "scaleFactors": [1, 2, 4]}],
    }


def test_api_3_says_the_same_in_the_words_of_version_3() -> None:
    new, old = described(1300, 900), described(1300, 900, image_api=2)
    assert next(iter(new)) == "@context"
    assert new.pop("@context") == "http://iiif.io/api/image/3/context.json"
    assert (new.pop("id"), new.pop("type")) == (URL, "ImageService3")
    assert new.pop("profile") == "level0"
    assert new == {name: old[name] for name in ("protocol", "width", "height", "sizes", "tiles")}


def test_the_limit_of_a_giant_stands_where_its_version_wants_it() -> None:
    limits = {"maxWidth": 1500, "maxHeight": 1500}
    old = described(3000, 200, max_size=2048, image_api=2)
    assert old["profile"][1].items() >= limits.items()
    assert not old.keys() & limits.keys()
    assert described(3000, 200, max_size=2048).items() >= limits.items()


@pytest.mark.parametrize("image_api", [3, 2])
def test_an_image_within_the_limit_names_none(image_api: int) -> None:
    document = described(2048, 200, max_size=2048, image_api=image_api)
    assert "maxWidth" not in json.dumps(document)


@given(
    st.integers(1, 100_000),
    st.integers(1, 100_000),
    st.integers(256, 2048),
    st.integers(2048, 65_500),
)
def test_no_tile_and_no_size_is_larger_than_the_limit(
    width: int, height: int, tile_size: int, max_size: int
) -> None:
    max_size = max(max_size, 2 * tile_size)
    document = described(width, height, tile_size=tile_size, max_size=max_size)
    limit = document.get("maxWidth", max(width, height))
    assert document.get("maxHeight", limit) == limit
    assert max(max(size.values()) for size in document["sizes"]) <= limit
    assert "maxWidth" not in document or document["tiles"][0]["width"] <= limit
