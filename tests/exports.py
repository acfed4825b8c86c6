"""Reading an export as a viewer would: every URL it names must be there, as large as it says."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import iiif_prezi3
import pyvips

from pipeline.geometry import Pyramid

CONTEXT = "http://iiif.io/api/presentation/3/context.json"
IMAGE_CONTEXTS = {
    "http://iiif.io/api/image/3/context.json": 3,
    "http://iiif.io/api/image/2/context.json": 2,
}
LANGUAGE = re.compile(r"[a-zA-Z-]+")
TEXTS = {"label", "summary", "value"}

Document = dict[str, Any]


class Export:
    """A folder that holds an export, and the address it says it has."""

    def __init__(self, folder: Path, base_url: str) -> None:
        self.folder = folder
        self.base_url = base_url

    def file(self, url: str) -> Path:
        """Return the file of a URL of this export."""
        assert url.startswith(f"{self.base_url}/"), url
        return self.folder / unquote(url.removeprefix(f"{self.base_url}/"))

    def read(self, url: str) -> Document:
        """Return a Presentation document, which must have its own URL as its id."""
        document: Document = json.loads(self.file(url).read_bytes())
        assert document["id"] == url
        assert next(iter(document.items())) == ("@context", CONTEXT)
        assert all("@context" not in node for node in nodes(list(document.values())))
        model: type[iiif_prezi3.Collection | iiif_prezi3.Manifest] = {
            "Collection": iiif_prezi3.Collection,
            "Manifest": iiif_prezi3.Manifest,
        }[document["type"]]
        model.model_validate(document)
        return document

    def size(self, url: str) -> tuple[int, int]:
        """Return an image's width and height."""
        image = pyvips.Image.new_from_file(str(self.file(url)))
        return image.width, image.height

    def manifests(self, collection_url: str) -> dict[str, Document]:
        """Return a collection's manifests by label, after checking all that they name."""
        collection = self.read(collection_url)
        self._check_nodes(collection)
        found = {}
        for entry in collection["items"]:
            if entry["type"] == "Collection":
                found.update(self.manifests(entry["id"]))
                continue
            manifest = self.read(entry["id"])
            assert collection_url in {parent["id"] for parent in manifest["partOf"]}
            for shared in ("type", "label", "thumbnail"):
                assert entry[shared] == manifest[shared]
            self._check_manifest(manifest)
            found[manifest["label"]["none"][0]] = manifest
        return found

    def _check_manifest(self, manifest: Document) -> None:
        self._check_nodes(manifest)
        self._check_thumbnail(manifest)
        identifiers = [canvas["id"] for canvas in manifest["items"]]
        assert len(set(identifiers)) == len(identifiers) > 0
        for canvas in manifest["items"]:
            self._check_thumbnail(canvas)
            (annotation_page,) = canvas["items"]
            (annotation,) = annotation_page["items"]
            assert annotation["target"] == canvas["id"]
            assert annotation["motivation"] == "painting"
            (service,) = annotation["body"]["service"]
            info = self.check_service(service_url(service))
            assert (info["width"], info["height"]) == (canvas["width"], canvas["height"])
            assert service["sizes"] == info["sizes"]

    def _check_nodes(self, document: Document) -> None:
        """Check what holds of an image, of a service and of a text, wherever it stands."""
        for node in nodes(document):
            if node.get("type") == "Image" and node["id"].startswith(self.base_url):
                assert self.size(node["id"]) == (node["width"], node["height"])
                assert node["format"] == "image/jpeg"
                assert len(node["service"]) == 1
            for service in node.get("service", []):
                # Mirador makes a thumbnail that is not there of width and height.
                assert not service.keys() & {"width", "height"}
                assert service["sizes"]
                assert self.file(f"{service_url(service)}/info.json").is_file()
            for text in (node[name] for name in TEXTS & node.keys()):
                assert text
                assert all(LANGUAGE.fullmatch(language) for language in text)
                assert all(isinstance(line, str) for lines in text.values() for line in lines)

    def _check_thumbnail(self, holder: Document) -> None:
        (thumbnail,) = holder["thumbnail"]
        (service,) = thumbnail["service"]
        size = {"width": thumbnail["width"], "height": thumbnail["height"]}
        assert size in service["sizes"]
        assert thumbnail["id"].startswith(f"{service_url(service)}/full/")

    def check_service(self, url: str) -> Document:
        """Check that a service is whole and each file as large as it should; return `info.json`."""
        document: Document = json.loads(self.file(f"{url}/info.json").read_bytes())
        assert service_url(document) == url
        pyramid = described(document)
        for tile in pyramid.tiles():
            for path in pyramid.tile_paths[tile.path]:
                assert self.size(f"{url}/{path}") == tile.size, path
        for size, paths in pyramid.whole_images.items():
            for path in paths:
                assert self.size(f"{url}/{path}") == size, path
        return document


def nodes(value: object) -> Iterator[Document]:
    """Yield every JSON object in a value, itself included."""
    if isinstance(value, dict):
        yield value
    if isinstance(value, dict | list):
        for child in value.values() if isinstance(value, dict) else value:
            yield from nodes(child)


def service_url(service: Document) -> str:
    """Return a service's address: its id, which Image API 2 calls `@id`."""
    (url,) = (service[name] for name in ("id", "@id") if name in service)
    return str(url)


def described(info: Document) -> Pyramid:
    """Return the pyramid that an `info.json` describes; further thumbnails it does not tell."""
    image_api = IMAGE_CONTEXTS[info["@context"]]
    limits = info["profile"][1] if image_api == 2 else info
    (tiles,) = info["tiles"]
    longest = max(info["width"], info["height"])
    pyramid = Pyramid(
        info["width"],
        info["height"],
        tiles["width"],
        limits.get("maxWidth", longest),
        image_api,
    )
    assert tiles["scaleFactors"] == list(pyramid.scale_factors)
    assert info["sizes"] == [size._asdict() for size in pyramid.sizes]
    return pyramid


def pages_of(manifest: Document) -> Iterator[tuple[int, int]]:
    """Yield the dimensions of a manifest's canvases, in order."""
    return ((canvas["width"], canvas["height"]) for canvas in manifest["items"])
