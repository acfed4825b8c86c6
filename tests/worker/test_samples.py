"""Samples of every depth, scale and meaning come out as 8 bits that mean the same."""

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest

from tests import photographs, profiles
from tests.differences import Figures
from tests.files import write_png_16, write_tiff
from tests.photographs import deep_in_srgb, eight_bits
from tests.pixels import open_pixels

FLOATS = ["float16", "float32", "float64"]
S_MIN, S_MAX = 340, 341
"""Tags of TIFF: the least and the greatest sample."""
DOUBLE = 12


@pytest.mark.parametrize("kind", ["tif", "png"])
@pytest.mark.parametrize("colours", ["rgb", "gray"])
def test_16_bits(tmp_path: Path, figures: Figures, kind: str, colours: str) -> None:
    pixels = photographs.portrait_16() if colours == "rgb" else photographs.gray_16()
    write = write_tiff if kind == "tif" else write_png_16
    shown = open_pixels(write(tmp_path / f"deep.{kind}", pixels), tmp_path)
    figures.check(f"{kind} 16 bits {colours}", shown, eight_bits(pixels))


@pytest.mark.parametrize("bits", [12, 16])
def test_paper_as_white_as_the_samples_allow_stays_white(tmp_path: Path, bits: int) -> None:
    white = np.full((20, 30, 3), 2**bits - 1, np.uint16)
    jp2, png, tiff = (tmp_path / f"white.{suffix}" for suffix in ("jp2", "png", "tif"))
    jp2.write_bytes(imagecodecs.jpeg2k_encode(white, codecformat="jp2", bitspersample=bits))
    write_png_16(png, np.full_like(white, 65_535))
    write_tiff(tiff, white, bitspersample=bits)
    for file in (jp2, png, tiff):
        assert open_pixels(file, tmp_path).min() == 255, file.name


@pytest.mark.parametrize("kind", FLOATS)
@pytest.mark.parametrize("colours", ["rgb", "gray"])
def test_floats_from_0_to_1(tmp_path: Path, figures: Figures, kind: str, colours: str) -> None:
    pixels = photographs.portrait() if colours == "rgb" else photographs.gray()
    file = write_tiff(tmp_path / "float.tif", (pixels / 255).astype(kind))
    figures.check(f"tif {kind} {colours}", open_pixels(file, tmp_path), pixels)


def test_floats_that_do_not_reach_white_are_not_stretched(tmp_path: Path, figures: Figures) -> None:
    pixels = photographs.gray() // 2
    file = write_tiff(tmp_path / "dark.tif", (pixels / 255).astype("float32"))
    figures.check("tif float32 dark", open_pixels(file, tmp_path), pixels)


@pytest.mark.parametrize("scale", [255, 65_535])
@pytest.mark.parametrize("colours", ["rgb", "gray"])
def test_floats_on_the_scale_of_integers(
    tmp_path: Path, figures: Figures, scale: int, colours: str
) -> None:
    pixels = _full_range(photographs.portrait() if colours == "rgb" else photographs.gray())
    file = write_tiff(tmp_path / "float.tif", (pixels / 255 * scale).astype("float32"))
    figures.check(f"tif float32 to {scale} {colours}", open_pixels(file, tmp_path), pixels)


def test_floats_of_no_known_scale_go_from_their_least_to_their_greatest(
    tmp_path: Path, figures: Figures
) -> None:
    pixels = _full_range(photographs.gray())
    file = write_tiff(tmp_path / "float.tif", (pixels * 7.5 - 300).astype("float32"))
    figures.check("tif float32 measured", open_pixels(file, tmp_path), pixels)


@pytest.mark.parametrize("kind", ["float32", "float64", "uint16", "uint32", "int16", "int32"])
def test_a_declared_range_goes_from_black_to_white(
    tmp_path: Path, figures: Figures, kind: str
) -> None:
    pixels = photographs.gray() // 2 + 20
    scaled = np.rint(pixels / 255 * 4_000 + 100).astype(kind)
    tags = [(S_MIN, DOUBLE, 1, 100.0, True), (S_MAX, DOUBLE, 1, 4_100.0, True)]
    file = write_tiff(tmp_path / "declared.tif", scaled, extratags=tags)
    figures.check(f"tif {kind} declared", open_pixels(file, tmp_path), pixels)


def test_what_is_not_a_number_is_black_and_harms_nothing_else(
    tmp_path: Path, figures: Figures
) -> None:
    pixels = photographs.gray().copy()
    scaled = (pixels / 255).astype("float32")
    scaled[:5, :5], pixels[:5, :5] = np.nan, 0
    file = write_tiff(tmp_path / "holes.tif", scaled)
    figures.check("tif float32 with holes", open_pixels(file, tmp_path), pixels)


@pytest.mark.parametrize("colours", ["rgb", "gray"])
def test_32_bits(tmp_path: Path, figures: Figures, colours: str) -> None:
    pixels = photographs.portrait() if colours == "rgb" else photographs.gray()
    file = write_tiff(tmp_path / "deep.tif", pixels.astype("uint32") * 0x01010101)
    figures.check(f"tif uint32 {colours}", open_pixels(file, tmp_path), pixels)


@pytest.mark.parametrize("kind", ["int8", "int16", "int32"])
def test_signed_samples_of_the_full_range(tmp_path: Path, figures: Figures, kind: str) -> None:
    pixels, limits = _full_range(photographs.gray()), np.iinfo(kind)
    scaled = pixels / 255 * (float(limits.max) - limits.min) + limits.min
    file = write_tiff(tmp_path / "signed.tif", np.rint(scaled).astype(kind))
    figures.check(f"tif {kind}", open_pixels(file, tmp_path), pixels)


@pytest.mark.parametrize("profile", [profiles.adobe_rgb, profiles.prophoto])
@pytest.mark.parametrize("kind", FLOATS)
def test_floats_with_a_profile(tmp_path: Path, figures: Figures, profile: Any, kind: str) -> None:
    pixels = (photographs.portrait() / 255).astype(kind)
    file = write_tiff(tmp_path / "float.tif", pixels, iccprofile=profile())
    expected = deep_in_srgb(pixels.astype("float32"), profile())
    figures.check(f"tif {kind} {profile.__name__}", open_pixels(file, tmp_path), expected)


@pytest.mark.parametrize("bits", [2, 4])
def test_few_bits_of_gray(tmp_path: Path, figures: Figures, bits: int) -> None:
    levels = photographs.gray() >> (8 - bits)
    file = write_tiff(tmp_path / "few.tif", levels, bitspersample=bits)
    expected = (levels * (255 // (2**bits - 1))).astype(np.uint8)
    figures.check(f"tif {bits} bits", open_pixels(file, tmp_path), expected)


@pytest.mark.parametrize("bits", [10, 12, 14])
@pytest.mark.parametrize("colours", ["rgb", "gray"])
def test_bits_between_8_and_16(tmp_path: Path, figures: Figures, bits: int, colours: str) -> None:
    pixels = photographs.portrait_16() if colours == "rgb" else photographs.gray_16()
    file = write_tiff(tmp_path / "odd.tif", pixels >> (16 - bits), bitspersample=bits)
    figures.check(f"tif {bits} bits {colours}", open_pixels(file, tmp_path), eight_bits(pixels))


def _full_range(pixels: photographs.Pixels) -> photographs.Pixels:
    """Give pixels a black and a white, so that a measured range is the same as a known one."""
    pixels = pixels.copy()
    pixels[0, 0], pixels[0, 1] = 0, 255
    return pixels
