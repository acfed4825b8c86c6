import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from benchmarks.images import Kind, Picture, kept, pictures, strips

SMALL = Picture(Kind.SCAN, 3, 300, 200)
LZW = Picture(Kind.SCAN, 4, 300, 200, "lzw")
PHOTO = Picture(Kind.PHOTO, 1, 320, 130)


def whole(picture: Picture) -> np.ndarray:
    return np.concatenate(list(strips(picture)))


@pytest.mark.parametrize("picture", [SMALL, LZW, PHOTO])
def test_an_image_is_the_same_whenever_it_is_made(picture: Picture, tmp_path: Path) -> None:
    first, second = (kept(picture, tmp_path / name) for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()


def test_images_differ() -> None:
    digests = {
        hashlib.sha256(whole(Picture(kind, number, 300, 200)).tobytes()).digest()
        for kind in Kind
        for number in range(3)
    }
    assert len(digests) == 9


@pytest.mark.parametrize("picture", [SMALL, LZW])
def test_a_scan_holds_what_was_made(picture: Picture, tmp_path: Path) -> None:
    file = kept(picture, tmp_path)
    assert np.array_equal(tifffile.imread(file), whole(picture))
    with tifffile.TiffFile(file) as tiff:
        assert len(tiff.pages) == 1


def test_a_photograph_is_a_jpeg_of_its_size(tmp_path: Path) -> None:
    with Image.open(kept(PHOTO, tmp_path)) as image:
        assert (image.format, image.size) == ("JPEG", (PHOTO.width, PHOTO.height))


def test_what_is_there_is_not_made_again(tmp_path: Path) -> None:
    (tmp_path / SMALL.name).write_bytes(b"from another day")
    assert kept(SMALL, tmp_path).read_bytes() == b"from another day"


@pytest.mark.parametrize("kind", [Kind.SCAN, Kind.PHOTO])
def test_tiles_are_about_as_large_as_those_of_real_scans(kind: Kind) -> None:
    pixels, written = whole(Picture(kind, 0, 1_000, 800)), io.BytesIO()
    Image.fromarray(pixels).save(written, "JPEG", quality=85)
    assert 0.15 < len(written.getvalue()) / (1_000 * 800) < 0.35


def test_the_sets_have_the_sizes_that_are_told() -> None:
    full, small = pictures("full"), pictures("small")
    assert [len(full[kind]) for kind in Kind] == [50, 20, 1]
    assert [len(small[kind]) for kind in Kind] == [6, 3, 0]
    assert all(12 <= picture.megapixels <= 24 for picture in full[Kind.PHOTO])
    assert all(50 <= picture.megapixels <= 110 for picture in full[Kind.SCAN])
    assert full[Kind.GIANT][0].megapixels >= 500
