"""Universal Viewer 4: each manifest from its first canvas to its last, with its thumbnails."""

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.geometry import SUFFIX, THUMBNAIL_WIDTHS_PX
from tests.browser.published import Item, Published
from tests.browser.tour import check_thumbnails, look, tour, wait_for_image
from tests.browser.traffic import Traffic

if TYPE_CHECKING:
    from playwright.sync_api import Page


def test_every_canvas_of_every_manifest_is_shown_with_all_its_tiles(
    export: Published, site: str, page: "Page", traffic: Traffic, screenshots: Path
) -> None:
    for place, item in enumerate(export.items, 1):
        traffic.unanswerable |= too_narrow(item)
        page.goto(f"{site}/universal_viewer.html")
        page.evaluate("url => show(url)", item.url)
        page.get_by_text(item.label, exact=True).first.wait_for()
        for number, image in enumerate(item.images, 1):
            if number > 1:
                page.get_by_role("button", name="Next").first.click()
            wait_for_image(page, image)
            shot = screenshots / f"Universal Viewer, item {place}, canvas {number}.jpg"
            tour(page, image, traffic.loaded, shot)
        if len(item.images) > 1:  # else Universal Viewer has none
            check_thumbnails(page, len(item.images), "/full/90,", traffic.unanswerable)
            page.get_by_role("button", name="Gallery").click()
            check_thumbnails(page, len(item.images), "/full/200,", traffic.unanswerable)
            look(page, screenshots / f"Universal Viewer, item {place}, gallery.jpg")


def too_narrow(item: Item) -> set[str]:
    """Return the thumbnails that would be wider than their image, see docs/viewers.md."""
    return {
        f"{image.url}/full/{width},{SUFFIX}"
        for image in item.images
        for width in THUMBNAIL_WIDTHS_PX
        if width > image.pyramid.widest
    }
