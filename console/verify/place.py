"""Whether a part of an image shows what the whole image shows at its place.

Both are scaled down to a few cells and their colours compared. Tools scale in different ways, so
that a right tile may differ by more than a wrong one of a quiet page: what counts is whether it
fits better elsewhere, and only beyond that how much it differs.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

from PIL import Image, ImageChops, ImageStat

from console.verify.service import Region
from pipeline.geometry import Size

MAX_CELLS = 16
"""Per side."""
CELL_PX = 4
"""Side of a cell in the whole image, at least: there edges are rounded differently."""
DIFFERENCE = 8.0
"""Mean difference of colours, of 255, between two right pictures, at most, of large cells …"""
DIFFERENCE_PER_PIXEL = 96.0
"""… and more of small ones, by the square root of their pixels: scaling without filtering is
noise. Measured with noise, print and bitonal scans, scaled by nearest neighbour."""
SURE = 1.0
"""Up to this difference all is right, wherever else it would fit as well."""
BETTER = 0.4
"""Fits better elsewhere: with this part of the difference, or less."""
MAX_ELSEWHERE = 256
"""Places that are tried."""


class Misplaced(NamedTuple):
    """A part is not of its place: by how much, and where it fits better, if anywhere."""

    difference: float
    elsewhere: Region | None


class Whole:
    """A picture of a whole image of `full` pixels, at any size."""

    def __init__(self, picture: Image.Image, full: Size) -> None:
        self._picture = picture
        self._full = full

    def find_fault(self, part: Image.Image, region: Region) -> Misplaced | None:
        """Return what is wrong with a part's place, if anything.

        `region` is in pixels of the full image, and `can_show` it.
        """
        cells = self._cells(part, region)
        seen = part.resize(cells, Image.Resampling.BOX)
        own = self._difference(seen, region)
        if own <= SURE:
            return None
        for other in self._elsewhere(region):
            if self._difference(seen, other) <= own * BETTER:
                return Misplaced(own, other)
        left, top, right, bottom = self._box(region)
        area = min((right - left) * (bottom - top), part.width * part.height)
        if own > DIFFERENCE + DIFFERENCE_PER_PIXEL / math.sqrt(area / (cells[0] * cells[1])):
            return Misplaced(own, None)
        return None

    def can_show(self, part: Image.Image, region: Region) -> bool:
        """Tell whether the region is large enough in this picture to be compared."""
        return 0 not in self._cells(part, region)

    def _cells(self, part: Image.Image, region: Region) -> tuple[int, int]:
        left, top, right, bottom = self._box(region)
        return (
            min(MAX_CELLS, part.width // CELL_PX, int((right - left) / CELL_PX)),
            min(MAX_CELLS, part.height // CELL_PX, int((bottom - top) / CELL_PX)),
        )

    def _box(self, region: Region) -> tuple[float, float, float, float]:
        across = self._picture.width / self._full.width
        down = self._picture.height / self._full.height
        return (
            region.x * across,
            region.y * down,
            min(self._picture.width, (region.x + region.width) * across),
            min(self._picture.height, (region.y + region.height) * down),
        )

    def _difference(self, seen: Image.Image, region: Region) -> float:
        place = self._picture.resize(seen.size, Image.Resampling.BOX, box=self._box(region))
        means = ImageStat.Stat(ImageChops.difference(seen, place)).mean
        return sum(means) / len(means)

    def _elsewhere(self, region: Region) -> Iterator[Region]:
        """Yield the nearest places of the same size, in steps of it."""
        x, y, width, height = region
        reach = int(math.sqrt(MAX_ELSEWHERE)) // 2
        for down in range(-reach, reach + 1):
            for across in range(-reach, reach + 1):
                other = Region(x + across * width, y + down * height, width, height)
                inside = (
                    0 <= other.x <= self._full.width - width
                    and 0 <= other.y <= self._full.height - height
                )
                if inside and other != region:
                    yield other
