"""From an image's rows, top to bottom, to the files of its service, in one pass.

Each level of the pyramid gets its rows from the one above, two by two, and gives them away as
tiles as soon as it has a row of them. So memory is bound by the width, and an image decoded once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image

from pipeline.geometry import LISTED_SIZE_MAX_PX, Pyramid, Size, Tile
from worker.encoding import BandedJpeg, Pixels, band_rows, encode
from worker.pixels import Source
from worker.spool import Spool

KEPT_PIXELS = 16_777_216
"""A level that is kept whole has so many at most (50 MB): what is made of a larger one is decoded
by itself, as a thumbnail of a long strip."""


def write_files(source: Source, pyramid: Pyramid, quality: int, spool: Spool) -> None:
    """Put every image file of a service into the spool, by its path below the service."""
    plan = _Plan(pyramid, quality)
    top = _Level(plan, 0, spool)
    for rows in source.rows():
        top.add(rows)
    top.finish()
    kept = top.kept()
    for size in plan.wholes:
        spool.add(pyramid.whole_images[size], _whole_image(source, size, kept, quality))


@dataclass(frozen=True)
class _Plan:
    """What the levels of a pyramid are for, beside their tiles."""

    pyramid: Pyramid
    quality: int

    @property
    def banded(self) -> Size | None:
        """Return the level that is `full/max`, and encoded band by band as its rows come."""
        # The level of one tile, which is given away to nobody, is never larger.
        full = self.pyramid.full
        return full if max(full) > LISTED_SIZE_MAX_PX else None

    @property
    def wholes(self) -> list[Size]:
        """Return the other images of the whole."""
        return [size for size in self.pyramid.whole_images if size != self.banded]

    @cached_property
    def kept(self) -> frozenset[Size]:
        """Return the levels that these are made of, without those that are too large."""
        levels = [self.pyramid.level(factor) for factor in reversed(self.pyramid.scale_factors)]
        smallest = (next(level for level in levels if _covers(level, size)) for size in self.wholes)
        return frozenset(level for level in smallest if level.width * level.height <= KEPT_PIXELS)


def _covers(level: Size, size: Size) -> bool:
    return level.width >= size.width and level.height >= size.height


def _whole_image(source: Source, size: Size, kept: Sequence[Pixels], quality: int) -> bytes:
    """Return an image of the whole, from the smallest kept level that is large enough, if any."""
    large = [level for level in kept if _covers(_size(level), size)]
    if large:
        return encode(_resize(large[-1], size), quality)
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

    def __init__(self, plan: _Plan, number: int, spool: Spool) -> None:
        self._pyramid = plan.pyramid
        self._factor = plan.pyramid.scale_factors[number]
        self._quality = plan.quality
        self._spool = spool
        self._size = plan.pyramid.level(self._factor)
        self._strip = _Strip(plan.pyramid.tile_size, self._size.width)
        self._pairs = _Rows(band_rows(self._size.width))
        self._top = 0
        self._is_kept = self._size in plan.kept
        self._kept: list[Pixels] = []
        is_full = self._size == plan.banded
        self._full = BandedJpeg(self._size.height, plan.quality) if is_full else None
        last = number + 1 == len(plan.pyramid.scale_factors)
        self._below = None if last else _Level(plan, number + 1, spool)

    def add(self, rows: Pixels) -> None:
        """Take the next rows, from the top."""
        if self._is_kept:
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
        """Return the levels that are kept whole, largest first."""
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
            tile = Tile(x, y, width, height, _size(pixels))
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


def _size(pixels: Pixels) -> Size:
    return Size(pixels.shape[1], pixels.shape[0])


def _resize(pixels: Pixels, size: Size) -> Pixels:
    if _size(pixels) == size:
        return pixels
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    return np.atleast_3d(np.asarray(image.resize(size, Image.Resampling.LANCZOS)))
