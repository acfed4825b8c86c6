"""What is read, how it comes out, and what is refused with which words."""

from pathlib import Path

import pytest
import pyvips

from pipeline.errors import BadImage
from tests.images import textured, write_corrupt, write_image, write_truncated
from tests.pixels import open_pixels
from worker import pixels
from worker.budget import MAX_PIXELS

KINDS = ["scan.tif", "scan.jpg", "scan.png", "scan.webp", "scan.gif", "scan.avif"]
CHECKED_KINDS = KINDS[:4]


@pytest.mark.parametrize("name", KINDS)
def test_the_kinds_are_read(tmp_path: Path, name: str) -> None:
    image = open_pixels(write_image(tmp_path / name, 70, 50), tmp_path)
    assert (image.width, image.height, image.bands) == (70, 50, 3)
    assert (image.format, image.interpretation) == ("uchar", "srgb")


def test_the_kind_is_told_from_the_content_not_from_the_name(tmp_path: Path) -> None:
    misnamed = write_image(tmp_path / "scan.png", 70, 50).rename(tmp_path / "scan.tif")
    assert open_pixels(misnamed, tmp_path).width == 70


def test_gray_stays_one_band(tmp_path: Path) -> None:
    file = tmp_path / "gray.tif"
    textured(40, 30)[0].copy(interpretation="b-w").write_to_file(str(file))
    assert open_pixels(file, tmp_path).bands == 1


def test_sixteen_bits_are_scaled_not_clipped(tmp_path: Path) -> None:
    file = tmp_path / "deep.tif"
    deep = (textured(40, 30)[0] * 257).cast("ushort").copy(interpretation="grey16")
    deep.write_to_file(str(file))
    difference = (open_pixels(file, tmp_path) - textured(40, 30)[0]).abs()
    assert difference.max() <= 1


def test_alpha_is_flattened_on_white(tmp_path: Path) -> None:
    file = tmp_path / "glass.png"
    pyvips.Image.black(8, 8, bands=4).copy(interpretation="srgb").write_to_file(str(file))
    assert open_pixels(file, tmp_path)(3, 3) == [255, 255, 255]


def test_cmyk_becomes_srgb(tmp_path: Path) -> None:
    file = tmp_path / "print.tif"
    pyvips.Image.black(8, 8, bands=4).copy(interpretation="cmyk").write_to_file(str(file))
    image = open_pixels(file, tmp_path)
    assert image.bands == 3
    assert min(image(3, 3)) > 240


def test_an_embedded_profile_is_converted_before_it_is_stripped(tmp_path: Path) -> None:
    file = tmp_path / "wide.tif"
    wide = textured(40, 30).icc_transform("p3", input_profile="srgb")
    wide.write_to_file(str(file))
    difference = (open_pixels(file, tmp_path) - textured(40, 30)).abs()
    assert difference.avg() < 1


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("limit", [pixels.IN_MEMORY_PIXELS, 0])
def test_every_orientation_comes_out_upright(
    tmp_path: Path, orientation: int, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pixels, "IN_MEMORY_PIXELS", limit)
    file = tmp_path / "turned.jpg"
    image = textured(64, 48).copy()
    image.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    image.write_to_file(str(file), Q=100)
    upright = open_pixels(file, tmp_path)
    assert (upright.width, upright.height) == ((64, 48) if orientation < 5 else (48, 64))
    assert (upright - image.autorot()).abs().avg() < 5


def test_a_large_image_that_is_turned_goes_to_scratch_and_comes_out_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pixels, "IN_MEMORY_PIXELS", 0)
    file = tmp_path / "scan.tif"
    image = textured(300, 200).copy()
    image.set_type(pyvips.GValue.gint_type, "orientation", 6)
    image.write_to_file(str(file))
    upright = open_pixels(file, tmp_path)
    assert (tmp_path / "upright.tif").exists()
    assert not (tmp_path / "pixels.tif").exists()
    assert (upright - image.autorot()).abs().max() == 0


@pytest.mark.parametrize("name", CHECKED_KINDS)
def test_a_truncated_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadImage, match="damaged"):
        open_pixels(write_truncated(tmp_path / name), tmp_path)


@pytest.mark.parametrize("name", ["scan.jpg", "scan.png", "scan.webp"])
def test_a_corrupt_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadImage, match="damaged"):
        open_pixels(write_corrupt(tmp_path / name), tmp_path)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "scan.tif"
    file.touch()
    with pytest.raises(BadImage, match="empty"):
        open_pixels(file, tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"Dear reader, this is not an image.\n" * 50,
        b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>',
        b"P6 2 2 255\n" + bytes(12),
    ],
)
def test_what_is_no_image_of_a_known_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "scan.tif"
    file.write_bytes(content)
    with pytest.raises(BadImage, match="not an image of a kind"):
        open_pixels(file, tmp_path)


def test_an_image_of_too_many_pixels_is_refused_before_decoding(tmp_path: Path) -> None:
    file = tmp_path / "bomb.png"
    pyvips.Image.black(50_000, 50_000).write_to_file(str(file), compression=9, bitdepth=1)
    assert file.stat().st_size < 1_000_000
    with pytest.raises(BadImage, match=f"at most {MAX_PIXELS:,}"):
        open_pixels(file, tmp_path)
    assert not (tmp_path / "pixels.tif").exists()


def test_the_reason_is_this_files_not_an_earlier_ones(tmp_path: Path) -> None:
    with pytest.raises(BadImage, match="premature end of JPEG"):
        open_pixels(write_truncated(tmp_path / "scan.jpg"), tmp_path)
    with pytest.raises(BadImage) as caught:
        open_pixels(write_truncated(tmp_path / "scan.png"), tmp_path)
    assert "JPEG" not in str(caught.value)


def test_bands_beyond_the_colours_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / "infrared.tif"
    extra = textured(40, 30).bandjoin([textured(40, 30)[0], textured(40, 30)[1]])
    extra.copy(interpretation="srgb").write_to_file(str(file))
    assert open_pixels(file, tmp_path).bands == 3
