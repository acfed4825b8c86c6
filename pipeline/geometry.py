"""The pyramid of one image: scale factors, tiles, sizes, and the exact set of its files.

Pure arithmetic on pixels. Rounding is always up, as the IIIF Image API 3.0 implementation notes
compute it: https://iiif.io/api/image/3.0/implementation/#3-tile-region-parameter-calculation
Image API 2.1 has the same tiles, under other names.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

TILE_SIZE_PX = 512
FULL_MAX_PX = 16_384
"""Long side of `full/max` at most, unless the task says otherwise."""
JPEG_MAX_PX = 65_500
"""libjpeg's limit for one side (JPEG_MAX_DIMENSION)."""
LISTED_SIZE_MAX_PX = 2_048
"""`sizes` lists the levels up to here: enough for thumbnails and previews, cheap to store."""
THUMBNAIL_WIDTHS_PX = (90, 200)
"""Universal Viewer asks for `full/90,` and `full/200,` whatever the manifest offers."""
IMAGE_API = 3
CANVAS_THUMBNAIL_MIN_PX = 200

SUFFIX = "/0/default.jpg"


class Size(NamedTuple):
    """Width and height in pixels."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width},{self.height}"


class Tile(NamedTuple):
    """A region of the full image (pixels) and the size it is delivered at."""

    x: int
    y: int
    width: int
    height: int
    size: Size

    @property
    def path(self) -> str:
        """Return the file's path below the image service in Image API 3."""
        return f"{self.x},{self.y},{self.width},{self.height}/{self.size}{SUFFIX}"


@dataclass(frozen=True)
class Pyramid:
    """Every file of one image's level 0 service (Image API 3 or 2), from its size alone.

    `thumbnail_widths` are those beyond Universal Viewer's.
    """

    width: int
    height: int
    tile_size: int = TILE_SIZE_PX
    max_size: int = FULL_MAX_PX
    image_api: int = IMAGE_API
    thumbnail_widths: tuple[int, ...] = ()

    @cached_property
    def scale_factors(self) -> tuple[int, ...]:
        """Return 1, 2, 4, … up to the first level that fits one tile."""
        factors = [1]
        while max(self.level(factors[-1])) > self.tile_size:
            factors.append(factors[-1] * 2)
        return tuple(factors)

    def level(self, scale_factor: int) -> Size:
        """Return the whole image's size at a scale factor."""
        return Size(-(-self.width // scale_factor), -(-self.height // scale_factor))

    @property
    def smallest(self) -> Size:
        """Return the size of the level that is one tile."""
        return self.level(self.scale_factors[-1])

    @cached_property
    def full(self) -> Size:
        """Return the size of `full/max`: that of the largest level within `max_size`."""
        levels = (self.level(factor) for factor in self.scale_factors)
        return next(size for size in levels if max(size) <= self.max_size)

    @property
    def widest(self) -> int:
        """Return the width of the whole image in a box of `full`'s long side, rounded down.

        `full` itself is rounded up, as its level is. A thumbnail may not be wider.
        """
        return self.width * max(self.full) // max(self.width, self.height)

    @cached_property
    def sizes(self) -> tuple[Size, ...]:
        """Return the entries of `sizes`, ascending.

        They are a run of the pyramid's smallest levels: either all levels, or fewer than there are
        scale factors. OpenSeadragon 4.1 to 5 takes `sizes` for the pyramid when the counts match.
        """
        levels = (self.level(factor) for factor in reversed(self.scale_factors))
        return tuple(size for size in levels if max(size) <= LISTED_SIZE_MAX_PX)

    @property
    def thumbnail(self) -> Size:
        """Return the listed size that serves as a thumbnail: the smallest that is wide enough."""
        wide = (size for size in self.sizes if size.width >= CANVAS_THUMBNAIL_MIN_PX)
        return next(wide, self.sizes[-1])

    def tiles(self) -> Iterator[Tile]:
        """Yield the tiles of every level that has more than one."""
        for factor in self.scale_factors[:-1]:
            step = self.tile_size * factor
            for y in range(0, self.height, step):
                for x in range(0, self.width, step):
                    width, height = min(step, self.width - x), min(step, self.height - y)
                    yield Tile(x, y, width, height, Size(-(-width // factor), -(-height // factor)))

    @cached_property
    def tile_paths(self) -> dict[str, tuple[str, ...]]:
        """Return the paths that hold each tile, by its path in Image API 3.

        A corner one pixel high and wide has the same path at several scale factors. In Image API 2
        a corner one pixel wide has so too, whatever its height: the finest takes it, the others
        have no path.
        """
        tiles: dict[str, tuple[str, ...]] = {}
        taken: set[str] = set()
        for tile in self.tiles():
            if tile.path not in tiles:
                tiles[tile.path] = tuple(name for name in self._paths_of(tile) if name not in taken)
                taken.update(tiles[tile.path])
        return tiles

    def _paths_of(self, tile: Tile) -> tuple[str, ...]:
        if self.image_api == IMAGE_API:
            return (tile.path,)
        region = f"{tile.x},{tile.y},{tile.width},{tile.height}"
        sizes = [f"{tile.size.width},"]
        if tile.size.width == self.width:
            # OpenSeadragon takes a row as wide as the image for the full size.
            sizes += ["full", "max"]
        return tuple(f"{region}/{size}{SUFFIX}" for size in sizes)

    @cached_property
    def whole_images(self) -> dict[Size, tuple[str, ...]]:
        """Return the files that show the whole image: by size, the paths that hold it.

        A path holds one size: `full/1,` of Image API 2 is the smallest that is one pixel wide.
        """
        paths: dict[str, Size] = {}
        is_api_3 = self.image_api == IMAGE_API
        names = ["full/max"] if is_api_3 else ["full/max", "full/full"]
        paths.update(dict.fromkeys(names, self.full))
        # Leaflet-IIIF and Allmaps never say `full` for the level that is one tile.
        alias = f"0,0,{self.width},{self.height}"
        paths[f"{alias}/{self.smallest if is_api_3 else f'{self.smallest.width},'}"] = self.smallest
        for size in self.sizes:
            paths[f"full/{size}"] = size
            if not is_api_3:
                paths.setdefault(f"full/{size.width},", size)
        for width in {*THUMBNAIL_WIDTHS_PX, *self.thumbnail_widths}:
            if width <= self.widest:
                size = Size(width, max(1, round(self.height * width / self.width)))
                paths.setdefault(f"full/{width},", size)
        by_size: dict[Size, list[str]] = {}
        for name, size in paths.items():
            by_size.setdefault(size, []).append(f"{name}{SUFFIX}")
        return {size: tuple(names) for size, names in by_size.items()}

    @cached_property
    def paths(self) -> frozenset[str]:
        """Return the path of every image file of the service."""
        names = (*self.tile_paths.values(), *self.whole_images.values())
        return frozenset(path for paths in names for path in paths)
