"""An `info.json` as viewers take it: parsed from the document, knowing nothing of the exporter."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import ceil
from typing import Any

from pipeline.task import Options
from worker.info import info_json

SUFFIX = "/0/default.jpg"
URL = "https://images.example.org/iiif/tiles/p-1"
LEVEL_0 = {"level0", "http://iiif.io/api/image/2/level0.json"}
"""The profiles by which OpenSeadragon and OpenLayers know that nothing else may be asked for."""


@dataclass(frozen=True, slots=True)
class Service:
    """What an `info.json` says; sizes are (width, height) in pixels."""

    version: int
    width: int
    height: int
    tile_size: int
    scale_factors: tuple[int, ...]
    sizes: tuple[tuple[int, int], ...]
    max_size: tuple[int | None, int | None]

    @property
    def whole(self) -> tuple[int, int]:
        return self.width, self.height

    def level(self, factor: int) -> tuple[int, int]:
        """Return the image's size at a scale factor, rounded up."""
        return ceil(self.width / factor), ceil(self.height / factor)

    def cells(self, factor: int) -> Iterator[tuple[int, int, int, int]]:
        """Yield the regions (x, y, width, height) of a level's tiles, row by row."""
        step = self.tile_size * factor
        for y, x in product(range(0, self.height, step), range(0, self.width, step)):
            yield x, y, min(step, self.width - x), min(step, self.height - y)


def path(region: object, size: object) -> str:
    """Return the path of an image, the tuples of numbers in it as IIIF writes them."""
    parts = [
        ",".join(map(str, part)) if isinstance(part, tuple) else str(part)
        for part in (region, size)
    ]
    return "/".join(parts) + SUFFIX


def parse(document: bytes) -> Service:
    """Return what an `info.json` says; fails where a viewer would not know the level or version."""
    info: dict[str, Any] = json.loads(document)
    version = {
        "http://iiif.io/api/image/2/context.json": 2,
        "http://iiif.io/api/image/3/context.json": 3,
    }[info["@context"]]
    profile, limits = info["profile"], info
    if version == 2:
        profile, limits = info["profile"]
    assert profile in LEVEL_0
    assert info["@id" if version == 2 else "id"] == URL
    (tiles,) = info["tiles"]
    assert tiles["width"] == tiles["height"]
    return Service(
        version,
        info["width"],
        info["height"],
        tiles["width"],
        tuple(tiles["scaleFactors"]),
        tuple((size["width"], size["height"]) for size in info["sizes"]),
        (limits.get("maxWidth"), limits.get("maxHeight")),
    )


def published(width: int, height: int, options: Options) -> tuple[Service, frozenset[str]]:
    """Return an image's service, by the `info.json` that the worker writes, and its files."""
    pyramid = options.pyramid(width, height)
    return parse(info_json(URL, pyramid)), pyramid.paths
