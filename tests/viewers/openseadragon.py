"""What OpenSeadragon's IIIFTileSource asks for, from 2.4 to 6.1.

Mirador, Universal Viewer, Clover and Tify show their images with it. The releases differ in what
they take for the pyramid, and in what they call an image's full size in Image API 2.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from itertools import product
from math import ceil

from tests.viewers.service import Service, path


class Sizes(Enum):
    """Whether `sizes` is taken for the pyramid."""

    IGNORED = auto()
    COUNTED = auto()
    """If there are as many as levels, or one less."""
    COMPARED = auto()
    """If there are as many as levels, and each has its level's scale factor."""


@dataclass(frozen=True, slots=True)
class Release:
    """Releases that ask alike.

    `full` is their word for the image's own size in Image API 2; without one they always say `w,`,
    and never the region `full` for a level that fills its tile.
    """

    sizes: Sizes
    full: str | None = "full"

    def requests(self, service: Service) -> Iterator[str]:
        """Yield every tile of every level."""
        pyramid = self._pyramid(service)
        for factor, (width, height) in zip(reversed(service.scale_factors), pyramid, strict=True):
            across, down = ceil(width / service.tile_size), ceil(height / service.tile_size)
            for row, column in product(range(down), range(across)):
                yield self._tile(service, factor, (width, height), (column, row))

    def _pyramid(self, service: Service) -> list[tuple[int, int]]:
        """Return the sizes of the levels, smallest first."""
        computed = [service.level(factor) for factor in reversed(service.scale_factors)]
        listed = sorted(service.sizes, key=lambda size: size[0])
        if self.sizes is Sizes.COUNTED and len(listed) == len(computed) - 1:
            listed.append(service.whole)
        if self.sizes is Sizes.COMPARED and all(
            mine < whole for mine, whole in zip(listed[-1], service.whole, strict=True)
        ):
            listed.append(service.whole)
        if self.sizes is Sizes.IGNORED or len(listed) != len(computed):
            return computed
        if self.sizes is Sizes.COMPARED and any(
            round_half_up(whole / mine) != factor
            for size, factor in zip(listed, reversed(service.scale_factors), strict=True)
            for mine, whole in zip(size, service.whole, strict=True)
        ):
            return computed
        return listed

    def _tile(
        self, service: Service, factor: int, level: tuple[int, int], place: tuple[int, int]
    ) -> str:
        tile_size = service.tile_size
        if max(level) < tile_size:
            return path("full", self._size(service, level))
        step = tile_size * factor
        corner = (place[0] * step, place[1] * step)
        region = (min(step, service.width - corner[0]), min(step, service.height - corner[1]))
        size = tuple(
            min(tile_size, length - index * tile_size)
            for length, index in zip(level, place, strict=True)
        )
        says_full = service.version == 3 or self.full is not None
        is_whole = region == service.whole and says_full
        return path(
            "full" if is_whole else corner + region, self._size(service, (size[0], size[1]))
        )

    def _size(self, service: Service, size: tuple[int, int]) -> str:
        if service.version == 3:
            return "max" if size == service.whole else f"{size[0]},{size[1]}"
        if self.full is not None and size[0] == service.width:
            return self.full
        return f"{size[0]},"


def round_half_up(number: float) -> int:
    """Round as JavaScript does."""
    return int(number + 0.5)


V2_4_0 = Release(Sizes.IGNORED, full=None)
"""Of Image API 3 it knows nothing."""
V2_4_2 = Release(Sizes.IGNORED, full="max")
V3 = Release(Sizes.IGNORED)
V4_1 = Release(Sizes.COUNTED)
V6 = Release(Sizes.COMPARED)
