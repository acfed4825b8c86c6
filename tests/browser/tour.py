"""Leading a viewer through an image, by pages/tour.js, and comparing what is seen with the source.

The sources tell every place apart: red grows from left to right, green from top to bottom.
"""

from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import TYPE_CHECKING

import pyvips

from pipeline.geometry import Pyramid
from tests.browser.published import Image

if TYPE_CHECKING:
    from playwright.sync_api import Page

BLOCK_PX = 3
"""Side of the square on the screen that is averaged around a place."""
MAX_LOOKS = 100
TOLERANCE = 8
"""Of 255: JPEG, and levels scaled down."""


def tour(page: "Page", image: Image, loaded: set[str], screenshot: Path) -> None:
    """Show an image whole, each of its levels from edge to edge, and its middle close by.

    Every tile must have come, and the screen must show the right part of the image. The first view
    and the last are kept beside `screenshot`.
    """
    page.evaluate("tour.home()")
    check(page, image.pyramid, screenshot)
    for factor in reversed(image.pyramid.scale_factors):
        page.evaluate("factor => tour.level(factor)", factor)
        check(page, image.pyramid)
    page.evaluate("tour.close()")
    close = screenshot.with_stem(f"{screenshot.stem}, close")
    assert check(page, image.pyramid, close) > 0
    assert image.missing(loaded) == []


def wait_for_image(page: "Page", image: Image) -> None:
    """Wait until the viewer has opened an image, and no other."""
    page.wait_for_function("service => tour.shows(service)", arg=image.url)


def check_thumbnails(
    page: "Page", count: int, part: str = "/full/", unanswerable: AbstractSet[str] = frozenset()
) -> None:
    """Wait until the page has as many thumbnails, of addresses with a part; all must be shown.

    But for those that nothing can answer.
    """
    wanted = {"part": part, "count": count}
    page.wait_for_function("wanted => tour.settledThumbnails(wanted)", arg=wanted)
    broken = page.evaluate("part => tour.brokenThumbnails(part)", part)
    assert set(broken) <= unanswerable


def look(page: "Page", file: Path | None = None) -> pyvips.Image:
    """Return what the screen shows; keep it where a JPEG file is named."""
    screen = pyvips.Image.new_from_buffer(page.screenshot(animations="disabled"), "").copy_memory()
    if file is not None:
        screen.write_to_file(file)
    return screen


def check(page: "Page", pyramid: Pyramid, file: Path | None = None) -> int:
    """Compare the screen with the source at some places; return how many there were."""
    screen, places = look_still(page, file)
    for place in places:
        left, top = (round(place[side]) - BLOCK_PX // 2 for side in ("left", "top"))
        block = screen.crop(left, top, BLOCK_PX, BLOCK_PX)
        seen = [block[band].avg() for band in range(2)]
        wanted = [ramp(place["x"], pyramid.width), ramp(place["y"], pyramid.height)]
        off = max(abs(a - b) for a, b in zip(seen, wanted, strict=True))
        assert off <= tolerance(pyramid), f"{pyramid}: {seen}, not {wanted} at {place}"
    return len(places)


def look_still(page: "Page", file: Path | None) -> tuple[pyvips.Image, list[dict[str, float]]]:
    """Return what the screen shows and which places those are, while no panel slides open."""
    for _ in range(MAX_LOOKS):
        places = page.evaluate("tour.places()")
        screen = look(page, file)
        if page.evaluate("tour.places()") == places:
            return screen, places
    raise AssertionError("the viewer does not come to rest")


def tolerance(pyramid: Pyramid) -> float:
    """Return how far a colour may be off: in narrow images, by that of the neighbouring pixel."""
    return TOLERANCE + 255 / max(1, min(pyramid.width, pyramid.height) - 1)


def ramp(place: float, length: int) -> float:
    """Return what tests.images.textured draws at a place; a pixel's middle is at its half."""
    last = length - 1
    return max(0.0, min(place - 0.5, last)) * 255 / max(1, last)
