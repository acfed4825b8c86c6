"""Mirador 4: the collection, and each manifest from its first canvas to its last."""

from pathlib import Path
from typing import TYPE_CHECKING

from tests.browser.published import Published
from tests.browser.tour import check_thumbnails, look, tour, wait_for_image
from tests.browser.traffic import Traffic

if TYPE_CHECKING:
    from playwright.sync_api import Page


def test_the_collection_lists_its_manifests_and_opens_one(
    export: Published, site: str, page: "Page", screenshots: Path
) -> None:
    page.goto(f"{site}/mirador.html")
    page.evaluate("url => show(url)", export.collection)
    page.get_by_role("button", name="Show collection").click()
    dialog = page.get_by_role("dialog")
    for item in export.items:
        dialog.get_by_text(item.label, exact=True).wait_for()
    look(page, screenshots / "Mirador, collection.jpg")
    chosen = export.items[-1]
    dialog.get_by_text(chosen.label, exact=True).click()
    page.get_by_role("heading", name=chosen.label).wait_for()


def test_every_canvas_of_every_manifest_is_shown_with_all_its_tiles(
    export: Published, site: str, page: "Page", traffic: Traffic, screenshots: Path
) -> None:
    for place, item in enumerate(export.items, 1):
        page.goto(f"{site}/mirador.html")
        page.evaluate("url => show(url)", item.url)
        page.get_by_role("heading", name=item.label).wait_for()
        for number, image in enumerate(item.images, 1):
            if number > 1:
                page.get_by_role("button", name="Next item").click()
            wait_for_image(page, image)
            shot = screenshots / f"Mirador, item {place}, canvas {number}.jpg"
            tour(page, image, traffic.loaded, shot)


def test_the_gallery_shows_a_thumbnail_for_each_canvas(
    export: Published, site: str, page: "Page", screenshots: Path
) -> None:
    for place, item in enumerate(export.items, 1):
        page.goto(f"{site}/mirador.html")
        page.evaluate("url => show(url, 'gallery')", item.url)
        check_thumbnails(page, len(item.images))
        look(page, screenshots / f"Mirador, item {place}, gallery.jpg")
