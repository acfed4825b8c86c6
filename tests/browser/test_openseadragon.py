"""OpenSeadragon, alone on a page, from the oldest version that knows Image API 3."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.published import Published
from tests.browser.tour import tour
from tests.browser.traffic import Traffic

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.mark.parametrize("version", [2, 3, 4, 5, 6])
def test_every_level_of_every_image_is_shown_with_all_its_tiles(
    version: int,
    export: Published,
    site: str,
    page: "Page",
    traffic: Traffic,
    screenshots: Path,
) -> None:
    page.goto(f"{site}/openseadragon.html#{version}")
    page.wait_for_function("tour.viewer")
    for item in export.items:
        for image in item.images:
            page.evaluate("info => show(info)", image.info)
            size = f"{image.pyramid.width}x{image.pyramid.height}"
            shot = screenshots / f"OpenSeadragon {version}, {size}.jpg"
            tour(page, image, traffic.loaded, shot)
    assert page.evaluate("failures") == []
