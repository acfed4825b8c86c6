"""One pass makes every file of a pyramid, each of the pixels it names."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import pyvips
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.geometry import Pyramid, Size, Tile
from tests.images import textured
from worker import tiling
from worker.encoding import Pixels
from worker.pixels import Source
from worker.spool import Spool
from worker.tiling import write_files

QUALITY = 85


class Counted(Source):
    """A source that counts its decodings."""

    decodings = 0

    def rows(self) -> Iterator[Pixels]:
        Counted.decodings += 1
        yield from super().rows()

    def resized(self, size: Size, quality: int) -> bytes:
        Counted.decodings += 1
        return super().resized(size, quality)


@pytest.fixture(autouse=True)
def _anew() -> None:
    Counted.decodings = 0


def source_of(image: pyvips.Image) -> Source:
    return Counted(lambda: image, Size(image.width, image.height))


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[Pixels]:
    """What is encoded at once; a file's content is then its place in this list."""
    found: list[Pixels] = []

    def note(pixels: Pixels, _quality: int) -> bytes:
        found.append(pixels.copy())
        return str(len(found) - 1).encode()

    monkeypatch.setattr(tiling, "encode", note)
    return found


@given(
    size=st.tuples(st.integers(1, 700), st.integers(1, 700)),
    tile_size=st.sampled_from([64, 99, 256]),
    bands=st.sampled_from([1, 3]),
)
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_a_tile_is_a_part_of_its_level(
    tmp_path: Path,
    encoded: list[Pixels],
    size: tuple[int, int],
    tile_size: int,
    bands: int,
) -> None:
    encoded.clear()
    image = textured(*size)[:bands] if bands == 1 else textured(*size)
    pyramid, spool = Pyramid(*size, tile_size), Spool(tmp_path)
    write_files(source_of(image), pyramid, QUALITY, spool)
    files = dict(spool.files())
    assert files.keys() == pyramid.paths
    level = image.numpy().reshape(size[1], size[0], bands)
    for factor in pyramid.scale_factors[:-1]:
        for tile in (tile for tile in pyramid.tiles() if factor_of(tile) == factor):
            x, y = tile.x // factor, tile.y // factor
            expected = level[y : y + tile.size.height, x : x + tile.size.width]
            assert np.array_equal(encoded[int(files[tile.path])], expected), tile
        level = halved(level)


def factor_of(tile: Tile) -> int | None:
    """Return a tile's scale factor; None where its size does not tell."""
    factors = {-(-tile.width // tile.size.width), -(-tile.height // tile.size.height)}
    return max(factors) if min(tile.size) > 1 else None


def halved(pixels: Pixels) -> Pixels:
    whole = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    return np.atleast_3d(np.asarray(whole.reduce(2)))


def test_an_image_is_decoded_once_and_each_file_encoded_once(
    tmp_path: Path, encoded: list[Pixels]
) -> None:
    pyramid = Pyramid(3_000, 2_500)
    write_files(source_of(textured(3_000, 2_500)), pyramid, QUALITY, Spool(tmp_path))
    assert Counted.decodings == 1
    # full/max is made of bands instead.
    assert len(encoded) == len(pyramid.tile_paths) + len(pyramid.whole_images) - 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("size", "max_size", "widths", "decodings"),
    [
        ((5_000, 2_500), 4_000, (1_000,), 1),
        ((4_999, 2_501), 2_048, (300,), 1),
        ((2_500, 5_000), 8_000, (1_800, 600), 1),
        ((1_000, 12_000), 16_384, (), 1),
        ((2_100, 9_000), 16_384, (2_048, 600), 2),
    ],
)
def test_what_shows_the_whole_image_is_of_its_size_and_like_it(
    tmp_path: Path, size: tuple[int, int], max_size: int, widths: tuple[int, ...], decodings: int
) -> None:
    image = textured(*size)
    pyramid = Pyramid(*size, max_size=max_size, thumbnail_widths=widths)
    spool = Spool(tmp_path)
    write_files(source_of(image), pyramid, QUALITY, spool)
    assert Counted.decodings == decodings
    files = dict(spool.files())
    assert files.keys() == pyramid.paths
    for (width, height), paths in pyramid.whole_images.items():
        shown = pyvips.Image.jpegload_buffer(files[paths[0]])
        assert (shown.width, shown.height) == (width, height)
        expected = image.thumbnail_image(width, height=height, size="force")
        assert (shown - expected).abs().avg() < 8, paths
