"""What is expected of an `info.json`, without having written it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.verify.documents import BadDocument, parse_document
from console.verify.info import notes_of, parse_info
from console.verify.service import Service
from pipeline.geometry import Pyramid, Size
from worker.info import info_json

SIDES = st.integers(1, 5_000) | st.sampled_from([255, 256, 257, 512, 1024, 2048, 4097, 60_000])


def described(**fields: Any) -> dict[str, Any]:
    """Return an info.json of version 3, with fields replaced."""
    return {
        "@context": "http://iiif.io/api/image/3/context.json",
        "id": "https://x.org/i",
        "type": "ImageService3",
        "protocol": "http://iiif.io/api/image",
        "profile": "level0",
        "width": 1000,
        "height": 700,
        **fields,
    }


def paths(service: Service) -> set[str]:
    return set(service.files())


@given(SIDES, SIDES, st.integers(256, 2048), st.integers(2048, 65_500), st.sampled_from([2, 3]))
def test_all_that_tilepool_writes_is_looked_for_and_nothing_else(
    width: int, height: int, tile_size: int, max_size: int, image_api: int
) -> None:
    max_size = max(max_size, 2 * tile_size)
    pyramid = Pyramid(width, height, tile_size, max_size, image_api)
    service = parse_info(parse_document(info_json("https://x.org/i", pyramid)))
    assert paths(service) == pyramid.paths


@given(SIDES, SIDES, st.integers(2048, 65_500))
def test_the_full_image_is_as_large_as_tilepool_makes_it(
    width: int, height: int, max_size: int
) -> None:
    pyramid = Pyramid(width, height, max_size=max_size)
    service = parse_info(parse_document(info_json("https://x.org/i", pyramid)))
    assert service.files()["full/max/0/default.jpg"].fits(pyramid.full)


@pytest.mark.parametrize(
    ("limits", "full"),
    [
        ({}, (1000, 700)),
        ({"maxWidth": 500}, (500, 350)),
        ({"maxWidth": 2000, "maxHeight": 350}, (500, 350)),
        ({"maxArea": 175_000}, (500, 350)),
        ({"maxWidth": 2000}, (1000, 700)),
    ],
)
def test_limits_make_the_full_image_smaller(limits: dict[str, int], full: Size) -> None:
    assert parse_info(described(**limits)).full == full


def test_a_file_is_promised_or_asked_for_by_someone() -> None:
    tiles = [{"width": 512, "scaleFactors": [1, 2]}]
    files = parse_info(described(tiles=tiles)).files()
    extra = {path.removesuffix("/0/default.jpg") for path, file in files.items() if file.asked_by}
    assert extra == {"0,0,1000,700/500,350", "full/90,", "full/200,"}


def test_a_row_as_wide_as_an_image_has_the_names_that_openseadragon_gives_it() -> None:
    old = described(
        width=300,
        height=1100,
        tiles=[{"width": 512, "scaleFactors": [1, 2, 4]}],
        **{"@context": "http://iiif.io/api/image/2/context.json"},
    )
    files = parse_info(old).files()
    assert not files["0,512,300,512/full/0/default.jpg"].asked_by
    assert files["0,512,300,512/max/0/default.jpg"].asked_by


def test_gaps_in_the_scale_factors_are_filled_as_openseadragon_does() -> None:
    gap = parse_info(described(tiles=[{"width": 256, "scaleFactors": [1, 4]}]))
    assert "0,0,512,512/256,256/0/default.jpg" in paths(gap)
    assert any("powers of two" in note for note in notes_of(gap))


def test_sizes_that_are_taken_for_the_pyramid_are_noted() -> None:
    tiles = [{"width": 512, "scaleFactors": [1, 2]}]
    sizes = [{"width": 100, "height": 70}, {"width": 200, "height": 140}]
    assert any(
        "4.1 to 5" in note for note in notes_of(parse_info(described(tiles=tiles, sizes=sizes)))
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"width": 0},
        {"width": -5},
        {"width": "1000"},
        {"width": 1000.0},
        {"width": True},
        {"width": 10**30},
        {"height": None},
        {"@context": None},
        {"@context": {"a": 1}},
        {"@context": "http://iiif.io/api/image/4/context.json"},
    ],
)
def test_what_describes_no_image_is_bad(fields: dict[str, Any]) -> None:
    with pytest.raises(BadDocument):
        parse_info(described(**fields))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=20,
)


@given(
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            ["id", "type", "profile", "tiles", "sizes", "maxWidth", "maxHeight", "maxArea"], JSON
        ),
    )
)
def test_no_document_breaks_the_reading(fields: dict[str, Any]) -> None:
    service = parse_info(described(**fields))
    list(notes_of(service))
    if service.count() < 10_000:
        assert "full/max/0/default.jpg" in paths(service)
