"""A JPEG made of bands is the one that is made at once, but for where its decoder may restart."""

import io

import imagecodecs
import numpy as np
import pytest
import pyvips
from PIL import Image

from pipeline.geometry import JPEG_MAX_PX
from worker.__main__ import TILING_VARIABLES
from worker.encoding import BandedJpeg, band_rows, encode

NOISE = np.random.default_rng(7)


def noisy(height: int, width: int, bands: int) -> np.ndarray:
    rough = NOISE.integers(0, 256, (height // 8 + 1, width // 8 + 1, bands), np.uint8)
    return rough.repeat(8, 0).repeat(8, 1)[:height, :width]


def in_bands(pixels: np.ndarray, quality: int) -> bytes:
    jpeg = BandedJpeg(len(pixels), quality)
    rows = band_rows(pixels.shape[1])
    for top in range(0, len(pixels), rows):
        jpeg.add(pixels[top : top + rows])
    return jpeg.finish()


@pytest.mark.parametrize("quality", [40, 85, 95])
@pytest.mark.parametrize("bands", [1, 3])
@pytest.mark.parametrize(
    "size",
    [(1, 1), (64, 64), (65, 17), (640, 1), (641, 333), (1_200, 511), (63, 900), (70, 20_000)],
)
def test_it_decodes_to_the_same_pixels(size: tuple[int, int], bands: int, quality: int) -> None:
    pixels = noisy(*size, bands)
    banded, whole = in_bands(pixels, quality), encode(pixels, quality)
    assert np.array_equal(imagecodecs.jpeg8_decode(banded), imagecodecs.jpeg8_decode(whole))
    strict = pyvips.Image.jpegload_buffer(banded, fail_on="warning")
    assert np.array_equal(strict.numpy(), pyvips.Image.jpegload_buffer(whole).numpy())
    with Image.open(io.BytesIO(banded)) as image:
        image.load()
        assert image.size == size[::-1]


@pytest.mark.parametrize(("quality", "bands"), [(85, 3), (95, 3), (85, 1)])
def test_the_widest_jpeg_can_be_made_in_bands(quality: int, bands: int) -> None:
    height = 2 * band_rows(JPEG_MAX_PX) + 1
    pixels = np.full((height, JPEG_MAX_PX, bands), 99, np.uint8)
    image = pyvips.Image.jpegload_buffer(in_bands(pixels, quality), fail_on="warning")
    assert (image.width, image.height) == (JPEG_MAX_PX, height)
    assert (image.min(), image.max()) == (99, 99)


@pytest.mark.parametrize("width", [1, 9_600, 16_384, 16_385, 26_000, 32_769, JPEG_MAX_PX])
def test_a_band_is_memory_that_malloc_keeps(width: int) -> None:
    """Else each is new memory: 3.4 million page faults for 520 megapixels, and half of the time."""
    rows = band_rows(width)
    assert rows % 16 == 0
    assert 3 * rows * width < int(TILING_VARIABLES["MALLOC_MMAP_THRESHOLD_"])


def test_chroma_is_halved_below_quality_90_alone() -> None:
    pixels = noisy(64, 64, 3)
    for quality, halved in ((89, "4:2:0"), (90, "4:4:4")):
        image = pyvips.Image.jpegload_buffer(encode(pixels, quality))
        assert image.get("jpeg-chroma-subsample") == halved
