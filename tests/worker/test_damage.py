"""What is damaged is refused, whatever its kind; what is only a little odd is read."""

import os
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from tifffile import DATATYPE

from pipeline.errors import BadImage
from tests import photographs
from tests.files import write_tiff
from tests.kinds.table import SUFFIXES, SUPPORTED
from tests.pixels import open_pixels
from worker.parts import count_parts
from worker.tiff_decoding import check_segments

WHOLE_WITHOUT_THEIR_END = {
    "TIFF pyramids",
    "TIFF pyramids in SubIFDs",
    "TIFF several pages",
    "GIF first of an animation",
}
"""What is cut off there is another image."""
VARIANTS = [(kind, variant) for kind, variants in SUPPORTED.items() for variant in variants]


@pytest.mark.parametrize(("kind", "variant"), VARIANTS, ids=lambda part: part.replace(" ", "-"))
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, kind: str, variant: str) -> None:
    file = tmp_path / f"scan.{SUFFIXES[kind]}"
    SUPPORTED[kind][variant](file)
    whole = file.read_bytes()
    shares = [0.3] if f"{kind} {variant}" in WHOLE_WITHOUT_THEIR_END else [0.3, 0.6, 0.95]
    for share in shares:
        file.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(BadImage, match=r"damaged|cut off|not an image") as refused:
            open_pixels(file, tmp_path)
        assert str(tmp_path) not in str(refused.value)


def test_a_tiff_that_lost_its_last_pages_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "book.tif"
    with tifffile.TiffWriter(file) as book:
        for _ in range(3):
            book.write(photographs.portrait(), photometric="rgb")
    with tifffile.TiffFile(file) as book:
        third = book.pages[2].offset
    assert count_parts(file) == 3
    os.truncate(file, third)
    with pytest.raises(BadImage, match="pages that it names are not in it"):
        count_parts(file)


@pytest.mark.parametrize(
    ("compression", "tile"),
    [("lzw", None), ("lzw", (64, 64)), ("packbits", None), ("jpeg", None)],
)
def test_a_tiff_with_a_damaged_middle_is_refused(
    tmp_path: Path, compression: str, tile: tuple[int, int] | None
) -> None:
    file = tmp_path / "scan.tif"
    noise = np.random.default_rng(1).integers(0, 255, (300, 400, 3), dtype=np.uint8)
    rows = None if tile else 32
    tifffile.imwrite(
        file, noise, photometric="rgb", compression=compression, tile=tile, rowsperstrip=rows
    )
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 600] = bytes(600)
    file.write_bytes(content)
    with pytest.raises(BadImage, match="damaged"):
        open_pixels(file, tmp_path)


def unsorted(content: bytearray, entries: int) -> None:
    """Swap the first two tags."""
    first, second = slice(entries, entries + 12), slice(entries + 12, entries + 24)
    content[first], content[second] = content[second], content[first]


def unended(content: bytearray, entries: int) -> None:
    """Leave out the zero at the end of a text."""
    struct.pack_into("<I", content, find(content, entries, 305) + 4, 5)


def unknown(content: bytearray, entries: int) -> None:
    """Give a tag a number that means nothing, smaller than the one before it."""
    struct.pack_into("<H", content, find(content, entries, 305), 3)


def find(content: bytearray, entries: int, tag: int) -> int:
    """Return where a tag's entry lies."""
    (count,) = struct.unpack_from("<H", content, entries - 2)
    places = (entries + 12 * number for number in range(count))
    return next(at for at in places if struct.unpack_from("<H", content, at)[0] == tag)


@pytest.mark.parametrize("oddity", [unsorted, unended, unknown])
@pytest.mark.parametrize("settings", [{}, {"compression": "lzw"}, {"tile": (64, 64)}])
def test_a_tiff_with_tags_a_little_wrong_is_read(
    tmp_path: Path, oddity: Callable[[bytearray, int], None], settings: dict[str, Any]
) -> None:
    file = tmp_path / "scan.tif"
    picture = photographs.portrait()
    tifffile.imwrite(file, picture, photometric="rgb", software="hello", **settings)
    content = bytearray(file.read_bytes())
    (directory,) = struct.unpack_from("<I", content, 4)
    oddity(content, directory + 2)
    file.write_bytes(content)
    assert np.array_equal(open_pixels(file, tmp_path).numpy(), picture)


@pytest.mark.parametrize("photometric", [4, 10, 99, 32803])
def test_a_tiff_of_unknown_colours_is_refused(tmp_path: Path, photometric: int) -> None:
    file = tmp_path / "raw.tif"
    tifffile.imwrite(file, photographs.portrait(), photometric="rgb")
    content = bytearray(file.read_bytes())
    (directory,) = struct.unpack_from("<I", content, 4)
    struct.pack_into("<H", content, find(content, directory + 2, 262) + 8, photometric)
    file.write_bytes(content)
    with pytest.raises(BadImage, match=rf"form that is not read \({photometric}\)"):
        open_pixels(file, tmp_path)


def test_a_tiff_of_complex_numbers_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "measured.tif"
    tifffile.imwrite(file, photographs.gray().astype(np.complex64), photometric="minisblack")
    with pytest.raises(BadImage, match="complex numbers"):
        open_pixels(file, tmp_path)


def test_a_tiff_whose_orientation_is_no_whole_number_is_refused(tmp_path: Path) -> None:
    file = write_tiff(tmp_path / "scan.tif", photographs.portrait(), orientation=9)
    content = bytearray(file.read_bytes())
    (directory,) = struct.unpack_from("<I", content, 4)
    struct.pack_into("<H", content, find(content, directory + 2, 274) + 2, DATATYPE.RATIONAL)
    file.write_bytes(content)
    with pytest.raises(BadImage, match="directory of images cannot be read"):
        open_pixels(file, tmp_path)


def test_a_tiff_whose_size_is_many_numbers_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "scan.tif"
    tifffile.imwrite(file, photographs.portrait().astype(np.float16), photometric="rgb")
    content = bytearray(file.read_bytes())
    (directory,) = struct.unpack_from("<I", content, 4)
    struct.pack_into("<II", content, find(content, directory + 2, 257) + 4, 9_000, 8)
    file.write_bytes(content)
    with pytest.raises(BadImage, match="directory of images cannot be read"):
        open_pixels(file, tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("nothing.tif", b"", "empty"),
        ("zeros.tif", bytes(5000), "nothing but zeros"),
        ("letter.tif", b"Dear reader,\nthis is no image.\n", "is text"),
        ("page.jpg", b"\n<!DOCTYPE html><html></html>", "web page"),
        ("archive.tif", b"PK\x03\x04" + bytes(100), "not an image of a kind"),
        ("drawing.psd", b"8BPS\0\1" + bytes(100), "not an image of a kind"),
        ("film.heic", b"\0\0\0\x18ftypisom" + bytes(100), "not an image of a kind"),
        ("code.bmp", b"BM25 is a way to rank documents", "is text"),
    ],
)
def test_what_is_no_image_is_told_for_what_it_is(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(BadImage, match=words):
        open_pixels(file, tmp_path)
    with pytest.raises(BadImage, match=words):
        count_parts(file)


@pytest.mark.parametrize("number", [np.int64, np.uint64])
def test_a_tiff_of_64_bit_integers_is_refused(
    tmp_path: Path, number: type[np.integer[Any]]
) -> None:
    file = write_tiff(tmp_path / "scan.tif", photographs.portrait().astype(number))
    with pytest.raises(BadImage, match="form that cannot be read"):
        open_pixels(file, tmp_path)


def test_a_heic_whose_images_are_not_to_be_shown_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "scan.heic"
    SUPPORTED["HEIC"]["8 bits"](file)
    content = file.read_bytes()
    file.write_bytes(content.replace(b"infe\2\0\0\0", b"infe\2\0\0\1"))
    with pytest.raises(BadImage, match="HEIC file is damaged"):
        open_pixels(file, tmp_path)


@pytest.mark.parametrize("samples", [np.uint8, np.float16])
def test_a_tiff_of_more_strips_than_it_holds_is_refused_before_they_are_listed(
    tmp_path: Path, samples: type[np.generic]
) -> None:
    file = tmp_path / "scan.tif"
    tifffile.imwrite(file, np.zeros((8, 8), samples), photometric="minisblack", rowsperstrip=1)
    content = bytearray(file.read_bytes())
    (directory,) = struct.unpack_from("<I", content, 4)
    struct.pack_into("<I", content, find(content, directory + 2, 257) + 8, 100_000_000)
    file.write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(BadImage, match="cut off"):
            check_segments(file, 1)
        with pytest.raises(BadImage):
            open_pixels(file, tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 100_000_000
    finally:
        tracemalloc.stop()
