"""Pages of black and white, and of few colours, come out in the colours that they name."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from tests import photographs
from tests.differences import Figures
from tests.files import write_pillow, write_tiff
from tests.pixels import open_pixels

WHITE_IS_ZERO, BLACK_IS_ZERO = 0, 1


@pytest.mark.parametrize("compression", ["group4", "group3", "tiff_ccitt", "packbits", "raw"])
@pytest.mark.parametrize("zero", [WHITE_IS_ZERO, BLACK_IS_ZERO])
def test_black_and_white(tmp_path: Path, figures: Figures, compression: str, zero: int) -> None:
    page = photographs.page()
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[TiffImagePlugin.PHOTOMETRIC_INTERPRETATION] = zero
    file = write_pillow(
        tmp_path / "page.tif", Image.fromarray(page), compression=compression, tiffinfo=tags
    )
    with Image.open(file) as written:
        assert written.tag_v2[TiffImagePlugin.PHOTOMETRIC_INTERPRETATION] == zero
    expected = (page * 255).astype(np.uint8)
    name = f"tif 1 bit {compression}, {'white' if zero == WHITE_IS_ZERO else 'black'} is zero"
    figures.check(name, open_pixels(file, tmp_path), expected)


@pytest.mark.parametrize("kind", ["png", "bmp"])
def test_black_and_white_of_other_kinds(tmp_path: Path, figures: Figures, kind: str) -> None:
    page = photographs.page()
    file = write_pillow(tmp_path / f"page.{kind}", Image.fromarray(page))
    figures.check(f"{kind} 1 bit", open_pixels(file, tmp_path), (page * 255).astype(np.uint8))


@pytest.mark.parametrize("kind", ["uint8", "uint16", "uint32", "float32"])
def test_gray_whose_zero_is_white(tmp_path: Path, figures: Figures, kind: str) -> None:
    most = 1.0 if kind == "float32" else float(np.iinfo(kind).max)
    inverted = ((255 - photographs.gray()) / 255 * most).astype(kind)
    file = write_tiff(tmp_path / "gray.tif", inverted, photometric="miniswhite")
    figures.check(f"tif {kind} white is zero", open_pixels(file, tmp_path), photographs.gray())


@pytest.mark.parametrize("kind", ["tif", "png", "gif", "bmp"])
@pytest.mark.parametrize("colours", [200, 16, 4, 2])
def test_palettes(tmp_path: Path, figures: Figures, kind: str, colours: int) -> None:
    palette = Image.fromarray(photographs.portrait()).quantize(colours)
    file = write_pillow(tmp_path / f"palette.{kind}", palette)
    expected = np.asarray(palette.convert("RGB"))
    figures.check(f"{kind} palette of {colours}", open_pixels(file, tmp_path), expected)


@pytest.mark.parametrize("kind", ["png", "gif"])
def test_a_transparent_colour_of_a_palette_is_white(
    tmp_path: Path, figures: Figures, kind: str
) -> None:
    palette = Image.fromarray(photographs.portrait()).quantize(64)
    file = write_pillow(tmp_path / f"palette.{kind}", palette, transparency=7)
    expected = np.asarray(palette.convert("RGB")).copy()
    expected[np.asarray(palette) == 7] = 255
    figures.check(f"{kind} palette, transparent", open_pixels(file, tmp_path), expected)
