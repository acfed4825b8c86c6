"""An item with gaps, at its beginning and in its midst, in viewers that take whole manifests."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from pipeline.geometry import SUFFIX, THUMBNAIL_WIDTHS_PX
from tests.browser.published import Image, read_image, serving
from tests.browser.tour import wait_for_image
from tests.browser.traffic import Traffic
from tests.builders import a_message, failed
from tests.exports import Export
from tests.published import COLLECTION, PAGES, publish_export

if TYPE_CHECKING:
    from playwright.sync_api import Page

ITEM = next(iter(PAGES))
FIRST, THIRD = "1 (image missing)", "3 (image missing)"


@dataclass(frozen=True, slots=True)
class Gapped:
    """A manifest of four canvases, of which the first and the third have no image."""

    url: str
    gaps: tuple[str, ...]
    images: tuple[Image, ...]


@pytest.fixture(scope="module")
def gapped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gapped]:
    """A manifest with gaps, which is being served."""
    source, dest = (tmp_path_factory.mktemp(name) for name in ("source", "dest"))
    missing = [a_message(item=ITEM, page=0), a_message(item=ITEM, page=1, part=2)]
    with serving(dest) as base_url:
        also = [failed(message) for message in missing]
        # Playwright has an event loop on this thread, and so has storage.
        with ThreadPoolExecutor(1) as aside:
            aside.submit(publish_export, source, dest.as_uri(), base_url, also=also).result()
        export = Export(dest, base_url)
        entries = export.read(f"{base_url}/{COLLECTION}")["items"]
        (url,) = (entry["id"] for entry in entries if entry["label"]["none"] == [ITEM])
        canvases = export.read(url)["items"]
        yield Gapped(
            url,
            tuple(canvas["id"] for canvas in canvases if not canvas["items"]),
            tuple(read_image(canvas, 3) for canvas in canvases if canvas["items"]),
        )


@pytest.mark.usefixtures("traffic")
def test_mirador_names_the_gaps_and_shows_what_is_there(
    gapped: Gapped, site: str, page: "Page"
) -> None:
    page.goto(f"{site}/mirador.html")
    page.evaluate("url => show(url)", gapped.url)
    for number, label in enumerate((FIRST, "2", THIRD, "4"), 1):
        page.get_by_text(f"{number} of 4 • {label}", exact=True).wait_for()
        if label in (FIRST, THIRD):
            page.wait_for_function("tour.viewer?.world.getItemCount() === 0")
        else:
            wait_for_image(page, gapped.images[number // 2 - 1])
        if number < 4:
            page.get_by_role("button", name="Next item").click()


def test_universal_viewer_names_the_gaps_and_shows_what_is_there(
    gapped: Gapped, site: str, page: "Page", traffic: Traffic
) -> None:
    # It takes the canvas's identifier for an image, and has a thumbnail for it at no address.
    origin = site.removesuffix("/pages")
    nowhere = {f"{origin}/full/{width},{SUFFIX}" for width in THUMBNAIL_WIDTHS_PX}
    traffic.unanswerable |= nowhere | set(gapped.gaps)
    page.goto(f"{site}/universal_viewer.html")
    page.evaluate("url => show(url)", gapped.url)
    for label in (FIRST, THIRD):
        page.get_by_text(label, exact=True).first.wait_for()
    for number in (1, 2, 3, 4):
        if number % 2 == 0:
            wait_for_image(page, gapped.images[number // 2 - 1])
        else:
            page.wait_for_function("tour.viewer?.world?.getItemCount() === 0")
        if number < 4:
            page.get_by_role("button", name="Next").first.click()
