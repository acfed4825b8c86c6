"""What map libraries ask for: OpenLayers, Leaflet-IIIF and Allmaps."""

from collections.abc import Iterator
from math import ceil, log

from tests.viewers.service import Service, path


def openlayers(service: Service) -> Iterator[str]:
    """Yield every tile of `ol/source/IIIF` with the options that `ol/format/IIIFInfo` makes."""
    for factor in service.scale_factors:
        for cell in service.cells(factor):
            size = (ceil(cell[2] / factor), ceil(cell[3] / factor))
            region = "full" if cell == (0, 0, *service.whole) else cell
            yield path(region, size if service.version == 3 else f"{size[0]},")


def leaflet(service: Service) -> Iterator[str]:
    """Yield every tile of Leaflet-IIIF: it makes its own scale factors and never says `full`.

    On a map smaller than the smallest level it halves that further, which no document offers.
    """
    tile_size = service.tile_size
    zooms = [ceil(log(side / tile_size) / log(2)) for side in service.whole]
    for zoom in range(max(*zooms, 0) + 1):
        for cell in service.cells(2**zoom):
            size = (ceil(cell[2] / 2**zoom), ceil(cell[3] / 2**zoom))
            yield path(cell, size if service.version == 3 else f"{size[0]},")


def allmaps(service: Service) -> Iterator[str]:
    """Yield every tile and thumbnail of `@allmaps/iiif-parser`; fails where it throws.

    It throws at a tile beyond `maxWidth` or `maxHeight`. Its thumbnails are an entry of `sizes`, or
    the tiles of a level.
    """
    for factor in service.scale_factors:
        for cell in service.cells(factor):
            size = (ceil(cell[2] / factor), ceil(cell[3] / factor))
            yield path(cell, _allowed(service, size))
    for size in service.sizes:
        yield path("full", _allowed(service, size))
    if service.max_size == (None, None):
        yield path("full", "max" if service.version == 3 else "full")


def _allowed(service: Service, size: tuple[int, int]) -> object:
    for side, limit in zip(size, service.max_size, strict=True):
        assert limit is None or side <= limit
    return size if service.version == 3 else f"{size[0]},"
