"""Reading an export as a viewer would: every URL it names must be there, as large as it says."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyvips

from pipeline.geometry import Pyramid


class Export:
    """A folder that holds an export, and the address it says it has."""

    def __init__(self, folder: Path, base_url: str) -> None:
        self.folder = folder
        self.base_url = base_url

    def file(self, url: str) -> Path:
        """Return the file of a URL of this export."""
        assert url.startswith(f"{self.base_url}/"), url
        return self.folder / unquote(url.removeprefix(f"{self.base_url}/"))

    def read(self, url: str) -> dict[str, Any]:
        """Return a document, which must have its own URL as its id."""
        document: dict[str, Any] = json.loads(self.file(url).read_bytes())
        assert document["id"] == url
        return document

    def size(self, url: str) -> tuple[int, int]:
        """Return an image's width and height."""
        image = pyvips.Image.new_from_file(str(self.file(url)))
        return image.width, image.height

    def manifests(self, collection_url: str) -> dict[str, dict[str, Any]]:
        """Return a collection's manifests by label, after checking all that they name."""
        collection = self.read(collection_url)
        assert collection["@context"] == "http://iiif.io/api/presentation/3/context.json"
        found = {}
        for entry in collection["items"]:
            manifest = self.read(entry["id"])
            assert entry["label"] == manifest["label"]
            self._check_thumbnail(entry)
            self._check_manifest(manifest)
            found[manifest["label"]["none"][0]] = manifest
        return found

    def _check_manifest(self, manifest: dict[str, Any]) -> None:
        self._check_thumbnail(manifest)
        for canvas in manifest["items"]:
            self._check_thumbnail(canvas)
            (annotation_page,) = canvas["items"]
            (annotation,) = annotation_page["items"]
            assert annotation["target"] == canvas["id"]
            body = annotation["body"]
            assert self.size(body["id"]) == (body["width"], body["height"])
            info = self.check_service(body["service"][0]["id"])
            assert (info["width"], info["height"]) == (canvas["width"], canvas["height"])
            assert body["service"][0]["sizes"] == info["sizes"]

    def _check_thumbnail(self, holder: dict[str, Any]) -> None:
        (thumbnail,) = holder["thumbnail"]
        assert self.size(thumbnail["id"]) == (thumbnail["width"], thumbnail["height"])

    def check_service(self, url: str) -> dict[str, Any]:
        """Check that a service is whole; return its info.json."""
        document: dict[str, Any] = json.loads(self.file(f"{url}/info.json").read_bytes())
        assert document["id"] == url
        tile_size = document["tiles"][0]["width"]
        for path in Pyramid(document["width"], document["height"], tile_size).paths:
            assert self.file(f"{url}/{path}").is_file(), path
        return document


def pages_of(manifest: dict[str, Any]) -> Iterator[tuple[int, int]]:
    """Yield the dimensions of a manifest's canvases, in order."""
    return ((canvas["width"], canvas["height"]) for canvas in manifest["items"])
