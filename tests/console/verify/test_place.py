"""A tile is in its place or it is told, however the whole image was scaled."""

import pytest
from PIL import Image

from console.verify.place import Misplaced, Whole
from console.verify.service import Region
from pipeline.geometry import Size
from tests.images import textured

FULL = Size(1600, 1200)
STEPS = [(x, y) for y in range(0, 1200, 400) for x in range(0, 1600, 400)]


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    pixels = textured(*FULL)
    return Image.frombytes("RGB", FULL, pixels.write_to_memory())


def tile(picture: Image.Image, region: Region) -> Image.Image:
    box = (region.x, region.y, region.x + region.width, region.y + region.height)
    return picture.crop(box)


@pytest.mark.parametrize(
    "filter_", [Image.Resampling.NEAREST, Image.Resampling.LANCZOS, Image.Resampling.BOX]
)
def test_right_tiles_are_right_however_the_whole_was_scaled(
    picture: Image.Image, filter_: Image.Resampling
) -> None:
    whole = Whole(picture.resize((200, 150), filter_), FULL)
    for x, y in STEPS:
        region = Region(x, y, 400, 400)
        assert whole.find_fault(tile(picture, region), region) is None


def test_a_tile_of_another_place_is_told_with_its_own(picture: Image.Image) -> None:
    whole = Whole(picture.resize((200, 150)), FULL)
    for x, y in STEPS[1:]:
        fault = whole.find_fault(tile(picture, Region(0, 0, 400, 400)), Region(x, y, 400, 400))
        assert isinstance(fault, Misplaced)
        assert fault.elsewhere == (0, 0, 400, 400)


def test_a_tile_of_another_image_is_told(picture: Image.Image) -> None:
    whole = Whole(picture.resize((200, 150)), FULL)
    fault = whole.find_fault(Image.new("RGB", (400, 400), "red"), Region(400, 400, 400, 400))
    assert isinstance(fault, Misplaced)
    assert fault.elsewhere is None


def test_flat_tiles_are_right_anywhere() -> None:
    white = Image.new("RGB", (200, 150), "white")
    whole = Whole(white, FULL)
    assert whole.find_fault(white.resize((400, 400)), Region(400, 0, 400, 400)) is None


def test_a_sliver_is_not_compared(picture: Image.Image) -> None:
    whole = Whole(picture.resize((200, 150)), FULL)
    sliver = Region(1599, 0, 1, 400)
    assert not whole.can_show(tile(picture, sliver), sliver)
