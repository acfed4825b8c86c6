"""Pages stand upright whatever way their file says up, and their tiles say nothing of it."""

import json
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from pipeline.task import Options
from tests import photographs
from tests.builders import a_message, a_plan
from tests.differences import Figures
from tests.files import write_tiff
from tests.photographs import in_cmyk, in_srgb
from tests.pixels import open_pixels
from tests.profiles import cmyk, display_p3
from tests.steps import run_through
from worker import pixels
from worker.page import tile_page
from worker.work import PageWork

ORIENTATION = 0x0112
STAND_IN = 0x0113
"""A tag that nobody uses, as long as that of the orientation."""
SHORT = 3
each_orientation = pytest.mark.parametrize("orientation", range(1, 9))
either_place = pytest.mark.parametrize("in_memory", [True, False], ids=["memory", "scratch"])


def turned(picture: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn a picture as Pillow does."""
    image = Image.fromarray(picture)
    image.getexif()[ORIENTATION] = orientation
    return np.asarray(ImageOps.exif_transpose(image))


def saved(file: Path, orientation: int, **settings: Any) -> Path:
    """Write the portrait by Pillow, with an orientation in its EXIF."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    Image.fromarray(photographs.portrait()).save(file, exif=exif, **settings)
    return file


KINDS: dict[str, dict[str, Any]] = {
    "jpg": {"quality": 95, "subsampling": 0},
    "png": {},
    "webp": {"lossless": True},
    "avif": {"quality": 100, "subsampling": "4:4:4"},
}


@each_orientation
@pytest.mark.parametrize("kind", KINDS)
@either_place
def test_exif_orientation(
    tmp_path: Path,
    figures: Figures,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    orientation: int,
    in_memory: bool,
) -> None:
    if not in_memory:
        monkeypatch.setattr(pixels, "IN_MEMORY_PIXELS", 0)
    file = saved(tmp_path / f"turned.{kind}", orientation, **KINDS[kind])
    expected = turned(photographs.portrait(), orientation)
    if kind == "jpg":
        with Image.open(file) as lossy:
            expected = np.asarray(ImageOps.exif_transpose(lossy))
    name = f"{kind} orientation {orientation} {'in memory' if in_memory else 'on scratch'}"
    figures.check(name, open_pixels(file, tmp_path), expected)


@each_orientation
@pytest.mark.parametrize("kind", ["heic", "avif"])
def test_what_says_up_twice_is_turned_once(
    tmp_path: Path, figures: Figures, kind: str, orientation: int
) -> None:
    """HEIF says up in a box of its own; telephones repeat it in EXIF, where it must not count."""
    exif = Image.Exif()
    exif[ORIENTATION] = exif[STAND_IN] = orientation
    file = tmp_path / f"turned.{kind}"
    if kind == "heic":
        pillow_heif.register_heif_opener()
        image = Image.fromarray(photographs.portrait())
        image.save(file, exif=exif.tobytes(), quality=98, chroma=444)
    else:
        Image.fromarray(photographs.portrait()).save(file, exif=exif, **KINDS["avif"])
    # The writers take the orientation out of the EXIF; here it comes back.
    for order in ("<", ">"):
        stand_in, tag = (struct.pack(f"{order}2H", name, SHORT) for name in (STAND_IN, ORIENTATION))
        file.write_bytes(file.read_bytes().replace(stand_in, tag))
    with Image.open(file) as lossy:
        assert lossy.getexif()[ORIENTATION] == orientation
        # Pillow leaves it to its user to turn an AVIF.
        expected = np.asarray(lossy if kind == "heic" else ImageOps.exif_transpose(lossy))
    difference = expected.astype(float) - turned(photographs.portrait(), orientation)
    assert abs(difference).mean() < 4
    figures.check(f"{kind} says up twice: {orientation}", open_pixels(file, tmp_path), expected)


TIFFS: dict[str, Callable[[], tuple[NDArray[Any], photographs.Pixels, dict[str, Any]]]] = {
    "8 bits": lambda: (photographs.portrait(), photographs.portrait(), {}),
    "16 bits": lambda: (
        photographs.portrait_16(),
        photographs.eight_bits(photographs.portrait_16()),
        {},
    ),
    "gray": lambda: (photographs.gray(), photographs.gray(), {}),
    "tiled": lambda: (photographs.portrait(), photographs.portrait(), {"tile": (64, 64)}),
    "CMYK": lambda: (
        in_cmyk(photographs.portrait()),
        in_srgb(in_cmyk(photographs.portrait()), cmyk(), "CMYK"),
        {"photometric": "separated"},
    ),
    "1 bit": lambda: (
        photographs.page(),
        (photographs.page() * 255).astype(np.uint8),
        {"photometric": "minisblack"},
    ),
    "12 bits": lambda: (
        photographs.portrait_16() >> 4,
        photographs.eight_bits(photographs.portrait_16()),
        {"bitspersample": 12},
    ),
    "ZSTD": lambda: (photographs.portrait(), photographs.portrait(), {"compression": "zstd"}),
    "Display P3": lambda: (
        photographs.portrait(),
        in_srgb(photographs.portrait(), display_p3()),
        {"iccprofile": display_p3()},
    ),
}


@each_orientation
@pytest.mark.parametrize("kind", TIFFS)
@either_place
def test_orientation_tag_of_tiff(
    tmp_path: Path,
    figures: Figures,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    orientation: int,
    in_memory: bool,
) -> None:
    if not in_memory:
        monkeypatch.setattr(pixels, "IN_MEMORY_PIXELS", 0)
    stored, expected, settings = TIFFS[kind]()
    file = write_tiff(tmp_path / "turned.tif", stored, orientation=orientation, **settings)
    name = f"tif {kind} orientation {orientation} {'in memory' if in_memory else 'on scratch'}"
    figures.check(name, open_pixels(file, tmp_path), turned(expected, orientation))


@pytest.mark.parametrize("orientation", [0, 9, 65_535])
def test_an_orientation_that_there_is_not_is_none(
    tmp_path: Path, figures: Figures, orientation: int
) -> None:
    file = write_tiff(tmp_path / "odd.tif", photographs.portrait(), orientation=orientation)
    name = f"tif orientation {orientation}"
    figures.check(name, open_pixels(file, tmp_path), photographs.portrait())


@each_orientation
@pytest.mark.parametrize("kind", ["jpg", "tif"])
def test_what_is_published_is_upright_and_carries_nothing(
    source: Path, dest: Path, kind: str, orientation: int
) -> None:
    if kind == "tif":
        write_tiff(source / "p1.tif", photographs.portrait(), orientation=orientation)
    else:
        settings = {"icc_profile": display_p3(), "comment": b"secret", **KINDS[kind]}
        saved(source / "p1.jpg", orientation, **settings)
    work = PageWork(
        a_message(key=f"p1.{kind}"), a_plan(source, dest, options=Options(tile_size=64))
    )
    with tempfile.TemporaryDirectory() as scratch:
        run_through(tile_page(work, Path(scratch)))
    info = json.loads((dest / work.info).read_bytes())
    upright = turned(photographs.portrait(), orientation)
    assert (info["height"], info["width"]) == upright.shape[:2]
    tiles = sorted((dest / work.service).rglob("*.jpg"))
    assert len(tiles) > 10
    for tile in tiles:
        with Image.open(tile) as shown:
            assert not shown.getexif()
            assert set(shown.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density", "dpi"}
    with Image.open(dest / work.service / "full/max/0/default.jpg") as whole:
        assert whole.size == (info["width"], info["height"])
