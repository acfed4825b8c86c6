"""How far a picture is from its reference, as the eye sees it: ΔE2000 of each pixel."""

from dataclasses import dataclass, field

import numpy as np
import pyvips
from numpy.typing import NDArray
from skimage.color import deltaE_ciede2000, rgb2lab

from tests.photographs import Pixels

MEAN = 1.0
"""No file may be further off than this, on the mean of its pixels."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The ΔE2000 between a picture and its reference: mean, 99.9th percentile, maximum."""

    name: str
    mean: float
    high: float
    maximum: float

    def __str__(self) -> str:
        return f"{self.name:58} {self.mean:6.3f} {self.high:6.2f} {self.maximum:6.2f}"


@dataclass(frozen=True, slots=True)
class Figures:
    """All differences of a test session, for its summary."""

    rows: list[Difference] = field(default_factory=list)

    def check(
        self, name: str, shown: pyvips.Image, expected: Pixels, high: float = 2.0, most: float = 3.0
    ) -> None:
        """Assert that a picture is upright 8-bit sRGB or gray, and close to its reference."""
        assert (shown.width, shown.height) == (expected.shape[1], expected.shape[0])
        assert shown.bands == (3 if expected.ndim == 3 else 1)
        assert shown.format == "uchar"
        assert shown.interpretation == ("srgb" if expected.ndim == 3 else "b-w")
        each = delta_e(shown.numpy(), expected)
        found = Difference(
            name, float(each.mean()), float(np.quantile(each, 0.999)), float(each.max())
        )
        self.rows.append(found)
        assert found.mean < MEAN, found
        assert found.high <= high, found
        assert found.maximum <= most, found


def delta_e(shown: Pixels, expected: Pixels) -> NDArray[np.float64]:
    """Return ΔE2000 pixel by pixel; most are equal, and cost nothing."""
    first, second = (pixels.reshape(*expected.shape[:2], -1) for pixels in (shown, expected))
    differ = (first != second).any(axis=2)
    each = np.zeros(differ.shape)
    if differ.any():
        lab = [
            rgb2lab(np.broadcast_to(pixels[differ], (int(differ.sum()), 3)))
            for pixels in (first, second)
        ]
        each[differ] = deltaE_ciede2000(*lab)
    return each
