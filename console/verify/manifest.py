"""What a manifest or a collection's entry leads to: image services, and files named outright. Pure.

https://iiif.io/api/presentation/3.0/#54-annotations
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from console.verify.documents import identifier, objects, positive, type_of
from console.verify.info import sizes_of
from pipeline.geometry import Size

IMAGE_SERVICES = {"ImageService3", "ImageService2", "iiif:Image"}
"""Some tools name the service of Image API 2 by its context's own term."""
MAX_CHOICES = 100


@dataclass(frozen=True, slots=True)
class Claim:
    """A file that a document names, and the size it says the file has."""

    url: str
    size: Size | None
    by: str


@dataclass(frozen=True, slots=True)
class Use:
    """What a document says of one image: its service, and all files and sizes it names.

    `service` is None for a plain file. `canvases` are those that the image fills.
    """

    service: str | None
    claims: tuple[Claim, ...] = ()
    canvases: tuple[tuple[str, Size], ...] = ()
    sizes: tuple[Size, ...] = ()


@dataclass(slots=True)
class _Found:
    service: str | None
    claims: dict[Claim, None] = field(default_factory=dict)
    canvases: dict[tuple[str, Size], None] = field(default_factory=dict)
    sizes: dict[Size, None] = field(default_factory=dict)


class Reading:
    """Collects what one manifest names; `faults` say what is wrong with it.

    `gaps` are canvases without an image.
    """

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.gaps: list[str] = []
        self._found: dict[str, _Found] = {}

    def uses(self) -> Iterator[Use]:
        """Yield each image once."""
        for found in self._found.values():
            yield Use(found.service, tuple(found.claims), tuple(found.canvases), tuple(found.sizes))

    def read_manifest(self, manifest: dict[str, Any]) -> None:
        """Take up a manifest's canvases and thumbnails."""
        number = 0
        for number, canvas in enumerate(objects(manifest, "items"), start=1):
            self._read_canvas(f"canvas {number}", canvas)
        if number == 0:
            self.faults.append("has no canvases")
        self.read_thumbnails("its thumbnail", manifest)

    def read_thumbnails(self, by: str, holder: dict[str, Any]) -> None:
        """Take up an object's thumbnails."""
        for thumbnail in objects(holder, "thumbnail"):
            self._read_image(by, thumbnail)

    def _read_canvas(self, name: str, canvas: dict[str, Any]) -> None:
        size = _size(canvas)
        if size is None:
            self.faults.append(f"{name} has no width and height")
        bodies = [
            (body, annotation.get("target") == canvas.get("id"))
            for page in objects(canvas, "items")
            for annotation in objects(page, "items")
            if annotation.get("motivation") in ("painting", ["painting"])
            for body in _bodies(annotation)
        ]
        if not bodies:
            self.gaps.append(name)
        for body, fills in bodies:
            if type_of(body) == "Image":
                canvas_size = size if fills and len(bodies) == 1 else None
                self._read_image(f"{name}'s image", body, name, canvas_size)
        self.read_thumbnails(f"{name}'s thumbnail", canvas)

    def _read_image(
        self, by: str, image: dict[str, Any], canvas: str = "", size: Size | None = None
    ) -> None:
        url = identifier(image)
        if url is None:
            self.faults.append(f"{by} has no id that is a percent-encoded URL")
            return
        services = [part for part in objects(image, "service") if type_of(part) in IMAGE_SERVICES]
        if not services:
            self._at(url, None).claims[Claim(url, _size(image), by)] = None
        for service in services[:1]:
            service_url = identifier(service)
            if service_url is None:
                self.faults.append(f"{by}: its service has no id that is a percent-encoded URL")
                continue
            found = self._at(service_url, service_url)
            found.claims[Claim(url, _size(image), by)] = None
            found.sizes.update(dict.fromkeys(sizes_of(service)))
            if size is not None:
                found.canvases[canvas, size] = None

    def _at(self, url: str, service: str | None) -> _Found:
        return self._found.setdefault(url, _Found(service))


def _bodies(annotation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what an annotation paints, also each of a choice."""
    for body in objects(annotation, "body"):
        choices = list(objects(body, "items")) if type_of(body) == "Choice" else [body]
        for choice in choices[:MAX_CHOICES]:
            if type_of(choice) == "SpecificResource":
                yield from objects(choice, "source")
            else:
                yield choice


def _size(holder: dict[str, Any]) -> Size | None:
    width, height = positive(holder.get("width")), positive(holder.get("height"))
    return Size(width, height) if width is not None and height is not None else None
