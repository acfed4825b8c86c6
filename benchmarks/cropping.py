"""A script that crops tile by tile with ImageMagick, as the system before this one does.

Every tile is a process that reads the whole image. As that takes minutes to hours for one image,
a few tiles of each scale factor stand for all of them.
"""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from benchmarks import tools, usage
from benchmarks.images import Picture
from pipeline.geometry import Tile
from pipeline.task import Options

TILES_PER_FACTOR = 2
QUALITY = Options().quality
CROP = (
    '"$convert" "$source" -crop "$region" +repage -resize "$size!"'
    f' -quality {QUALITY} "$work/tile.jpg"'
)


@dataclass(frozen=True, slots=True)
class Cropped:
    """What all tiles of an image would take, by those that were made."""

    picture: Picture
    tiles: int
    made: int
    wall_seconds: float
    cpu_seconds: float


def crop(picture: Picture, file: Path, scratch: Path) -> Cropped | None:
    """Crop some tiles of an image; None where there is no convert, or its policy forbids it."""
    convert = tools.convert()
    if convert is None:
        return None
    environment = {
        **os.environ,
        "source": str(file),
        "work": str(scratch),
        "convert": convert,
        # Debian's policy lets it keep 768 MB in memory; beyond that it is to have a RAM disk.
        "MAGICK_TEMPORARY_PATH": str(scratch),
    }
    wall = cpu = 0.0
    made = 0
    for tiles in by_factor(picture).values():
        sample = spread(tiles, TILES_PER_FACTOR)
        for tile in sample:
            given = {"region": _region(tile), "size": f"{tile.size.width}x{tile.size.height}"}
            try:
                used = usage.run(["sh", "-euc", CROP], environment | given)
            except RuntimeError:
                return None
            wall += used.wall_seconds * len(tiles) / len(sample)
            cpu += used.cpu_seconds * len(tiles) / len(sample)
        made += len(sample)
    count = sum(map(len, by_factor(picture).values()))
    return Cropped(picture, count, made, wall, cpu)


def by_factor(picture: Picture) -> dict[int, list[Tile]]:
    """Return an image's tiles by their scale factor."""
    pyramid = Options().pyramid(picture.width, picture.height)
    tiles = pyramid.tiles()
    counts = {
        factor: math.prod(-(-side // (pyramid.tile_size * factor)) for side in pyramid.level(1))
        for factor in pyramid.scale_factors[:-1]
    }
    return {factor: list(islice(tiles, count)) for factor, count in counts.items()}


def spread(tiles: Sequence[Tile], number: int) -> list[Tile]:
    """Return so many of the tiles, or all there are, at equal distances."""
    number = min(number, len(tiles))
    return [tiles[(2 * i + 1) * len(tiles) // (2 * number)] for i in range(number)]


def _region(tile: Tile) -> str:
    return f"{tile.width}x{tile.height}+{tile.x}+{tile.y}"
