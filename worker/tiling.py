"""From an image's rows, top to bottom, to the files of its service, in one pass.

Each level of the pyramid gets its rows from the one above, two by two, and gives them away as
tiles as soon as it has a row of them. So memory is bound by the width, and an image decoded once.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

from pipeline.geometry import LISTED_SIZE_MAX_PX, Pyramid, Size, Tile
from worker.encoding import BandedJpeg, Pixels, band_rows, encode
from worker.pixels import Source
from worker.spool import Spool


def write_files(source: Source, pyramid: Pyramid, quality: int, spool: Spool) -> None:
    """Put every image file of a service into the spool, by its path below the service."""
    top = _Level(pyramid, 0, quality, spool)
    for rows in source.rows():
        top.add(rows)
    top.finish()
    kept = top.kept()
    for size, paths in pyramid.whole_images.items():
        if size != pyramid.full or _is_kept(size):
            spool.add(paths, _whole_image(source, size, kept, quality))


def _is_kept(size: Size) -> bool:
    """Tell whether a level is small enough to be kept whole."""
    return max(size) <= LISTED_SIZE_MAX_PX


def _whole_image(source: Source, size: Size, kept: Sequence[Pixels], quality: int) -> bytes:
    """Return an image of the whole, from the smallest kept level that is large enough."""
    large = [level for level in kept if level.shape[1] >= size.width]
    if large and large[-1].shape[0] >= size.height:
        return encode(_resize(large[-1], size), quality)
    # A thumbnail larger than what is kept of the pyramid, as of tall images: another pass.
    return source.resized(size, quality)


class _Rows:
    """Regroups rows into bands of one height; the last may have fewer."""

    def __init__(self, height: int) -> None:
        self._height = height
        self._band: Pixels | None = None
        self._filled = 0

    def add(self, rows: Pixels) -> Iterator[Pixels]:
        """Yield the bands that are whole by now; each is good until the next is asked for."""
        if not self._filled and len(rows) == self._height:
            yield rows
            return
        if self._band is None:
            self._band = np.empty((self._height, *rows.shape[1:]), np.uint8)
        taken = 0
        while taken < len(rows):
            part = rows[taken : taken + self._height - self._filled]
            self._band[self._filled : self._filled + len(part)] = part
            self._filled += len(part)
            taken += len(part)
            if self._filled == self._height:
                yield self._band
                self._filled = 0

    def finish(self) -> Iterator[Pixels]:
        """Yield the rows that are left."""
        if self._band is not None and self._filled:
            yield self._band[: self._filled]


class _Strip:
    """Gathers rows into a row of tiles, each by itself in memory, as an encoder wants it."""

    def __init__(self, side: int, width: int) -> None:
        self._side = side
        self._lefts = range(0, width, side)
        self._width, self._last_width = min(side, width), width - self._lefts[-1]
        self._tiles: Pixels | None = None
        self._filled = 0

    def add(self, rows: Pixels) -> Iterator[list[Pixels]]:
        """Yield the rows of tiles that are whole by now; each is good until the next is asked for.

        The last tile of a row may be narrower, and those of the last row lower.
        """
        if self._tiles is None:
            shape = (len(self._lefts), self._side, self._width, rows.shape[2])
            self._tiles = np.empty(shape, np.uint8)
        while len(rows):
            part, rows = np.split(rows, [self._side - self._filled])
            end = self._filled + len(part)
            for tile, left in zip(self._tiles, self._lefts, strict=True):
                cell = part[:, left : left + self._side]
                tile[self._filled : end, : cell.shape[1]] = cell
            self._filled = end
            if self._filled == self._side:
                yield from self.finish()

    def finish(self) -> Iterator[list[Pixels]]:
        """Yield the tiles of the rows that are left."""
        if self._tiles is not None and self._filled:
            tiles = self._tiles[:, : self._filled]
            yield [*tiles[:-1], tiles[-1, :, : self._last_width]]
            self._filled = 0


class _Level:
    """A level of the pyramid, and those below it."""

    def __init__(self, pyramid: Pyramid, number: int, quality: int, spool: Spool) -> None:
        self._pyramid = pyramid
        self._factor = pyramid.scale_factors[number]
        self._quality = quality
        self._spool = spool
        self._size = pyramid.level(self._factor)
        self._strip = _Strip(pyramid.tile_size, self._size.width)
        self._pairs = _Rows(band_rows(self._size.width))
        self._top = 0
        self._kept: list[Pixels] = []
        is_full = self._size == pyramid.full and not _is_kept(self._size)
        self._full = BandedJpeg(self._size.height, quality) if is_full else None
        last = number + 1 == len(pyramid.scale_factors)
        self._below = None if last else _Level(pyramid, number + 1, quality, spool)

    def add(self, rows: Pixels) -> None:
        """Take the next rows, from the top."""
        if _is_kept(self._size):
            self._kept.append(rows.copy())
        if self._below is None:
            return
        for tiles in self._strip.add(rows):
            self._write(tiles)
        for band in self._pairs.add(rows):
            self._add_below(band, self._below)

    def finish(self) -> None:
        """Take the end."""
        if self._below is None:
            return
        for tiles in self._strip.finish():
            self._write(tiles)
        for band in self._pairs.finish():
            self._add_below(band, self._below)
        if self._full is not None:
            self._spool.add(self._pyramid.whole_images[self._size], self._full.finish())
        self._below.finish()

    def kept(self) -> list[Pixels]:
        """Return the levels that are small enough to be kept whole, largest first."""
        below = [] if self._below is None else self._below.kept()
        return [np.concatenate(self._kept), *below] if self._kept else below

    def _add_below(self, band: Pixels, below: "_Level") -> None:
        if self._full is not None:
            self._full.add(band)
        below.add(_halve(band))

    def _write(self, tiles: Sequence[Pixels]) -> None:
        side, factor = self._pyramid.tile_size, self._factor
        y = self._top * factor
        height = min(side * factor, self._pyramid.height - y)
        for column, pixels in enumerate(tiles):
            x = column * side * factor
            width = min(side * factor, self._pyramid.width - x)
            tile = Tile(x, y, width, height, Size(pixels.shape[1], pixels.shape[0]))
            paths = [p for p in self._pyramid.tile_paths[tile.path] if p not in self._spool]
            if paths:
                self._spool.add(paths, encode(pixels, self._quality))
        self._top += len(tiles[0])


def _halve(rows: Pixels) -> Pixels:
    """Return the means of two by two samples; at an odd edge, of those that are there."""
    height, width, bands = rows.shape
    if height % 2 or width % 2:
        rows = np.pad(rows, ((0, height % 2), (0, width % 2), (0, 0)), "edge")
    sums = np.add(rows[0::2], rows[1::2], dtype=np.uint16)
    halved = np.empty((len(sums), sums.shape[1] // 2, bands), np.uint8)
    for band in range(bands):
        # Each by itself, for numpy is slow at many short rows, as a pixel's samples are.
        means = sums[:, 0::2, band] + sums[:, 1::2, band]
        means += 2
        means >>= 2
        halved[..., band] = means
    return halved


def _resize(pixels: Pixels, size: Size) -> Pixels:
    if (pixels.shape[1], pixels.shape[0]) == size:
        return pixels
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    return np.atleast_3d(np.asarray(image.resize(size, Image.Resampling.LANCZOS)))
