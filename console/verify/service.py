"""The files of an image service, derived from its `info.json` alone. Pure.

Not from `pipeline.geometry`, which says what tilepool writes: this says what a reader of the
document may ask for, also where another tool has written it.
https://iiif.io/api/image/3.0/implementation/#3-tile-region-parameter-calculation
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from typing import NamedTuple

from pipeline.geometry import SUFFIX, THUMBNAIL_WIDTHS_PX, Size

MAX_FILES = 2_000_000
"""An image whose `info.json` promises more is not walked: no export has so many."""

OPENLAYERS = "OpenLayers asks for"
LEAFLET = "Leaflet-IIIF and Allmaps ask for"
UNIVERSAL_VIEWER = "Universal Viewer asks for"
MIRADOR = "Mirador asks for"
READERS_OF_2_1 = "readers of Image API 2.1 ask for"


class Region(NamedTuple):
    """A part of the full image, in its pixels."""

    x: int
    y: int
    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.x},{self.y},{self.width},{self.height}"


class ImageFile(NamedTuple):
    """One file of a service: its path below it, what it shows, and how large it is.

    `slack` is how many pixels its sides may differ, where rounding is not prescribed. `asked_by`
    is empty for what the documents promise, else names who asks for it beyond that.
    """

    path: str
    region: Region
    size: Size
    slack: int = 0
    asked_by: str = ""

    @property
    def is_whole(self) -> bool:
        """Tell whether the file shows the whole image, by its name."""
        return self.path.startswith("full/")

    def fits(self, size: Size) -> bool:
        """Tell whether a file of this size is right."""
        return all(abs(a - b) <= self.slack for a, b in zip(size, self.size, strict=True))


class Grid(NamedTuple):
    """One entry of `tiles`."""

    width: int
    height: int
    scale_factors: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Service:
    """What an `info.json` says of an image."""

    url: str
    image_api: int
    width: int
    height: int
    grids: tuple[Grid, ...] = ()
    sizes: tuple[Size, ...] = ()
    limit: Size | None = None
    """The box into which `full/max` is fitted."""
    max_area: int | None = None

    @property
    def size(self) -> Size:
        """Return the full image's size."""
        return Size(self.width, self.height)

    @property
    def whole(self) -> Region:
        """Return the whole image as a region."""
        return Region(0, 0, self.width, self.height)

    def level(self, factor: int) -> Size:
        """Return the whole image's size at a scale factor."""
        return Size(-(-self.width // factor), -(-self.height // factor))

    @property
    def full(self) -> Size:
        """Return the size of `full/max`."""
        return Size(*(max(1, round(side * self._scale)) for side in self.size))

    @property
    def _scale(self) -> Fraction:
        """Return how large the whole image may be asked for, of its own size."""
        scale = Fraction(1)
        if self.limit is not None:
            boxed = zip(self.limit, self.size, strict=True)
            scale = min(scale, *(Fraction(limit, side) for limit, side in boxed))
        if self.max_area is not None:
            scale = min(scale, Fraction(math.sqrt(self.max_area / (self.width * self.height))))
        return scale

    def count(self) -> int:
        """Return how many tiles there are, without naming them."""
        return sum(
            math.ceil(self.width / (grid.width * factor))
            * math.ceil(self.height / (grid.height * factor))
            for grid in self.grids
            for factor in asked_factors(grid)
        )

    def files(self) -> dict[str, ImageFile]:
        """Return every file that is promised or asked for, by path; promised ones win."""
        files: dict[str, ImageFile] = {}
        parts = chain(self._tiles(), self._of_sizes(self.sizes), self._full(), self._thumbnails())
        for file in parts:
            if file.path not in files or (files[file.path].asked_by and not file.asked_by):
                files[file.path] = file
        return files

    def files_of(self, sizes: tuple[Size, ...]) -> dict[str, ImageFile]:
        """Return the files that a manifest promises by naming these sizes, by path."""
        return {file.path: file._replace(asked_by="") for file in self._of_sizes(sizes)}

    def _tiles(self) -> Iterator[ImageFile]:
        for grid in self.grids:
            for factor in asked_factors(grid):
                if grid.width * factor >= self.width and grid.height * factor >= self.height:
                    yield from self._one_tile(factor)
                else:
                    yield from self._level(grid, factor)

    def _level(self, grid: Grid, factor: int) -> Iterator[ImageFile]:
        across, down = grid.width * factor, grid.height * factor
        for y in range(0, self.height, down):
            for x in range(0, self.width, across):
                region = Region(x, y, min(across, self.width - x), min(down, self.height - y))
                size = Size(-(-region.width // factor), -(-region.height // factor))
                if self.image_api != 2:  # noqa: PLR2004  # the version's own number
                    yield _file(str(region), str(size), region, size)
                    continue
                yield _file(str(region), f"{size.width},", region, size)
                if size.width == self.width:
                    # OpenSeadragon takes a row as wide as the image for the full size.
                    yield _file(str(region), "full", region, size)
                    yield _file(str(region), "max", region, size, asked_by=READERS_OF_2_1)

    def _one_tile(self, factor: int) -> Iterator[ImageFile]:
        size = self.level(factor)
        whole = self.whole
        # At the full size its canonical name is `full/max`.
        for_all = "" if factor > 1 else OPENLAYERS
        if self.image_api == 2:  # noqa: PLR2004
            yield _file("full", f"{size.width},", whole, size, asked_by=for_all)
            yield _file(str(whole), f"{size.width},", whole, size, asked_by=LEAFLET)
            yield _file("full", str(size), whole, size, asked_by=MIRADOR)
        else:
            yield _file("full", str(size), whole, size, asked_by=for_all)
            yield _file(str(whole), str(size), whole, size, asked_by=LEAFLET)

    def _of_sizes(self, sizes: tuple[Size, ...]) -> Iterator[ImageFile]:
        for size in sizes:
            if self.image_api == 2:  # noqa: PLR2004
                yield _file("full", f"{size.width},", self.whole, size)
                yield _file("full", str(size), self.whole, size, asked_by=MIRADOR)
            else:
                yield _file("full", str(size), self.whole, size)

    def _full(self) -> Iterator[ImageFile]:
        slack = 0 if self.full == self.size else 1
        if self.image_api == 2:  # noqa: PLR2004
            yield _file("full", "full", self.whole, self.full, slack=slack)
            yield _file("full", "max", self.whole, self.full, slack=slack, asked_by=READERS_OF_2_1)
        else:
            yield _file("full", "max", self.whole, self.full, slack=slack)

    def _thumbnails(self) -> Iterator[ImageFile]:
        for width in THUMBNAIL_WIDTHS_PX:
            if width <= self.width * self._scale:
                size = Size(width, max(1, round(self.height * width / self.width)))
                yield _file(
                    "full", f"{width},", self.whole, size, slack=1, asked_by=UNIVERSAL_VIEWER
                )


def asked_factors(grid: Grid) -> tuple[int, ...]:
    """Return a grid's scale factors and the powers of two that OpenSeadragon derives from them."""
    levels = round(math.log2(max(grid.scale_factors)))
    return tuple(sorted({*grid.scale_factors, *(2**level for level in range(levels + 1))}))


def _file(
    region: str, size: str, shown: Region, pixels: Size, *, slack: int = 0, asked_by: str = ""
) -> ImageFile:
    return ImageFile(f"{region}/{size}{SUFFIX}", shown, pixels, slack, asked_by)
