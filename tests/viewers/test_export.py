"""A whole export, as the command makes it, for both versions of the Image API."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.builders import ENVIRONMENT, task_content
from tests.exports import Export, pages_of
from tests.images import write_image

BASE_URL = "http://127.0.0.1:8123/sub%20folder"
COLLECTION = f"{BASE_URL}/iiif/archive/Letters/collection.json"
CSV = """\
identifier,title,description,Écrit par
Ü #1 100%,Lettres,"Une page, 1911",Zoé
"""
ITEMS = {
    "Lettres": ("Ü #1 100%", [(1300, 900), (300, 1100)]),
    "strips": ("strips", [(2600, 40), (40, 2600), (256, 1500)]),
    "tiny": ("tiny", [(1, 1), (256, 256), (150, 90)]),
}


@pytest.mark.parametrize(("image_api", "service"), [(3, "ImageService3"), (2, "ImageService2")])
def test_a_whole_export_holds_all_that_it_names(
    tmp_path: Path, source: Path, dest: Path, image_api: int, service: str
) -> None:
    csv = source / ENVIRONMENT["CSV_PATH"] / ENVIRONMENT["CSV_NAME"]
    csv.parent.mkdir(parents=True)
    csv.write_text(CSV, "utf-8")
    for item, sizes in ITEMS.values():
        for number, (width, height) in enumerate(sizes, 1):
            folder = source / ENVIRONMENT["ACCESS_DIR"] / item / "Access"
            write_image(folder / f"{number}.png", width, height, seed=number)
    options = {"imageApi": image_api, "tileSize": 256, "maxSize": 2048, "thumbnailWidths": [64]}
    task = tmp_path / "task.json"
    task.write_text(json.dumps(task_content(options=options)))
    command: list[str | Path] = [sys.executable, "-m", "console", "local", task]
    done = subprocess.run(
        [*command, "--source", source, "--dest", dest, "--base-url", BASE_URL],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    manifests = Export(dest, BASE_URL).manifests(COLLECTION)
    found = {label: list(pages_of(manifest)) for label, manifest in manifests.items()}
    assert found == {label: sizes for label, (_, sizes) in ITEMS.items()}
    (thumbnail,) = manifests["Lettres"]["thumbnail"]
    (embedded,) = thumbnail["service"]
    assert embedded.get("type", embedded.get("@type")) == service
    thumbnails = dest / "iiif/archive/Letters/tiles"
    assert (thumbnails / "strips-3/full/64,/0/default.jpg").is_file()
