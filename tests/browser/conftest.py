"""Headless Chromium, the viewers, and an export for each Image API; skipped where one is missing.

`tox -e browser` names the folders: TILEPOOL_VIEWERS keeps the viewers between runs,
TILEPOOL_ARTEFACTS takes the screenshots.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.published import Published, published
from tests.browser.site import site_of
from tests.browser.traffic import Traffic
from tests.browser.viewers import fetch_viewers

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
PATIENCE_MS = 120_000
"""The longest wait for one step; no step takes that long unless something is missing."""
FLAGS = (
    # Drawn by software, WebGL is several times as slow, and asks for the same files.
    "--disable-3d-apis",
    "--no-proxy-server",
    # Nothing leaves this machine, whatever a viewer asks for: it fails, and that is seen.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


@pytest.fixture(scope="session")
def viewers() -> Path:
    """The folder that holds the viewers, fetched if need be."""
    folder = os.environ.get("TILEPOOL_VIEWERS")
    if folder is None:
        pytest.skip("viewers in a browser are tested by `tox -e browser`")
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed: it fetches the viewers")
    viewers = Path(folder).resolve()
    fetch_viewers(npm, viewers)
    return viewers


@pytest.fixture(scope="session")
def browser(viewers: Path) -> Iterator["Browser"]:
    """A headless Chromium; tests share it, each in a context of its own."""
    chromium = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if chromium is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  # only `tox -e browser` has it

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield running
        running.close()


@pytest.fixture(scope="session", params=[3, 2], ids=["api3", "api2"])
def export(
    request: pytest.FixtureRequest, browser: "Browser", tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Published]:
    """An export that is being served, for each version of the Image API."""
    with published(tmp_path_factory.mktemp("export"), request.param) as running:
        yield running


@pytest.fixture(scope="session")
def site(viewers: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the pages that hold the viewers: another port than the export's."""
    with site_of(viewers, tmp_path_factory.mktemp("site")) as url:
        yield url


@pytest.fixture
def context(browser: "Browser") -> Iterator["BrowserContext"]:
    """A browser as if freshly installed."""
    with browser.new_context(viewport={"width": 1400, "height": 900}) as context:
        context.set_default_timeout(PATIENCE_MS)
        yield context


@pytest.fixture
def traffic(context: "BrowserContext") -> Iterator[Traffic]:
    """All that a test's pages ask for; whatever fails fails the test."""
    traffic = Traffic(context)
    yield traffic
    assert traffic.failures == []


@pytest.fixture
def page(context: "BrowserContext", traffic: Traffic) -> Iterator["Page"]:
    """An empty page."""
    with context.new_page() as page:
        yield page


@pytest.fixture
def screenshots(export: Published, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder for screenshots of an export."""
    artefacts = os.environ.get("TILEPOOL_ARTEFACTS") or tmp_path_factory.getbasetemp()
    folder = Path(artefacts) / f"api{export.image_api}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
