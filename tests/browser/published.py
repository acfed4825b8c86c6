"""A small collection of awkward sizes and names, published by the real pipeline on 127.0.0.1."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from console.serve import HOST, make_server
from pipeline.geometry import Pyramid
from tests.builders import ENVIRONMENT, task_body
from tests.exports import Export
from tests.images import write_image

T = 512
"""Side of a tile, unless the task says otherwise."""
ODD_SIZES = "Odd sizes #1, 100% + more"
PAGES = "Müller & Söhne (?)"
MAP = "地図 50%"
SIZES = {
    ODD_SIZES: [
        (1, 1),
        (T - 1, T),
        (T, T),
        (T + 1, T + 1),
        (2 * T, 4 * T),
        (2 * T + 1, 4 * T + 1),
        (3073, 700),
        (5, 3000),
        (2600, 7),
    ],
    PAGES: [(900 + 40 * number, 1200) for number in range(1, 6)],
    MAP: [(6000, 8000)],
}
CSV = f"""identifier,title,description
"{ODD_SIZES}",Odd sizes,One canvas for each
{MAP},地図,
"""
LABELS = {ODD_SIZES: "Odd sizes", PAGES: PAGES, MAP: "地図"}


@dataclass(frozen=True, slots=True)
class Image:
    """One image service that is published."""

    url: str
    pyramid: Pyramid

    @property
    def info(self) -> str:
        return f"{self.url}/info.json"

    def missing(self, loaded: set[str]) -> list[str]:
        """Return the tiles that were not loaded under any of their names."""
        smallest = self.pyramid.whole_images[self.pyramid.smallest]
        tiles = [*self.pyramid.tile_paths.values(), smallest]
        return [names[0] for names in tiles if loaded.isdisjoint(map(self._full, names))]

    def _full(self, path: str) -> str:
        return f"{self.url}/{path}"


@dataclass(frozen=True, slots=True)
class Item:
    """One manifest that is published, and its canvases' images."""

    url: str
    label: str
    images: tuple[Image, ...]


@dataclass(frozen=True, slots=True)
class Published:
    """An export that is being served."""

    image_api: int
    collection: str
    items: tuple[Item, ...]


@contextmanager
def published(folder: Path, image_api: int) -> Iterator[Published]:
    """Make an export below a folder and serve it while the block is busy."""
    source, dest = folder / "source", folder / "dest"
    write_source(source)
    dest.mkdir()
    with serving(dest) as base_url:
        task = folder / "task.json"
        task.write_bytes(task_body(options={"imageApi": image_api}))
        folders = ["--source", str(source), "--dest", str(dest)]
        done = subprocess.run(
            [sys.executable, "-m", "console", "local", task, *folders, "--base-url", base_url],
            check=False,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONSAFEPATH": ""},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        yield read_export(Export(dest, base_url), image_api)


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a folder as `tilepool serve` does, on a free port; yield its address."""
    with make_server(folder, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{HOST}:{server.server_port}"
        server.shutdown()


def write_source(source: Path) -> None:
    """Write the CSV and an image of each size."""
    for item, sizes in SIZES.items():
        for number, (width, height) in enumerate(sizes, 1):
            file = source / ENVIRONMENT["ACCESS_DIR"] / item / "Access" / f"Bild {number} ü+%.tif"
            write_image(file, width, height, seed=number)
    csv = source / ENVIRONMENT["CSV_PATH"] / ENVIRONMENT["CSV_NAME"]
    csv.parent.mkdir(parents=True)
    csv.write_text(CSV, encoding="utf-8")


def read_export(export: Export, image_api: int) -> Published:
    """Return what is there, in the order of SIZES."""
    prefix = f"{ENVIRONMENT['DEST_PREFIX']}/{ENVIRONMENT['COLLECTION_IDENTIFIER']}"
    collection = f"{export.base_url}/{prefix}/collection.json"
    manifests = [export.read(entry["id"]) for entry in export.read(collection)["items"]]
    by_label = {manifest["label"]["none"][0]: manifest for manifest in manifests}
    assert sorted(by_label) == sorted(LABELS.values())
    items = []
    for item, sizes in SIZES.items():
        manifest = by_label[LABELS[item]]
        images = [read_image(canvas, image_api) for canvas in manifest["items"]]
        assert [(image.pyramid.width, image.pyramid.height) for image in images] == sizes
        items.append(Item(manifest["id"], LABELS[item], tuple(images)))
    return Published(image_api, collection, tuple(items))


def read_image(canvas: dict[str, Any], image_api: int) -> Image:
    """Return a canvas's image."""
    (service,) = canvas["items"][0]["items"][0]["body"]["service"]
    pyramid = Pyramid(canvas["width"], canvas["height"], image_api=image_api)
    return Image(service.get("id") or service["@id"], pyramid)
