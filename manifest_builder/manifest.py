"""Presentation API 3.0 documents from pages and rows. Pure; the only importer of iiif_prezi3.

Child lists are built first and passed once: iiif_prezi3's own helpers are quadratic.
https://iiif.io/api/presentation/3.0/
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from iiif_prezi3 import (
    Annotation,
    AnnotationBody,
    AnnotationPage,
    Canvas,
    Collection,
    Manifest,
    ManifestRef,
    ServiceV3,
)

from manifest_builder.metadata import Row
from pipeline.geometry import IMAGE_API, SUFFIX, Size
from pipeline.layout import Layout
from pipeline.run import Page, TiledPage
from pipeline.task import Options

CONTEXT = "http://iiif.io/api/presentation/3/context.json"
LANGUAGE = "none"
"""The CSV does not tell the language of its texts."""


def build_manifest(
    layout: Layout, options: Options, pages: Sequence[Page], row: Row | None
) -> Manifest:
    """Return the manifest of an item whose pages are all done, in order."""
    item = pages[0].message.item
    images = [_Image(layout, options, page, number) for number, page in enumerate(pages, 1)]
    fields: dict[str, Any] = {}
    if row is not None and row.description:
        fields["summary"] = _text(row.description)
    if row is not None and row.metadata:
        fields["metadata"] = [
            {"label": _text(label), "value": _text(value)} for label, value in row.metadata
        ]
    return Manifest(
        id=layout.url(layout.manifest(item)),
        label=_text(row.title if row is not None and row.title else item),
        thumbnail=[images[0].thumbnail],
        partOf=[{"id": layout.url(layout.collection), "type": "Collection"}],
        items=[image.canvas for image in images],
        **fields,
    )


def build_collection(layout: Layout, label: str, entries: Iterable[ManifestRef]) -> Collection:
    """Return the collection of all manifests."""
    return Collection(id=layout.url(layout.collection), label=_text(label), items=list(entries))


def refer(manifest: Manifest) -> ManifestRef:
    """Return a collection's entry for a manifest, with its thumbnail."""
    return ManifestRef(
        id=manifest.id, type="Manifest", label=manifest.label, thumbnail=manifest.thumbnail
    )


def to_json(document: Manifest | Collection) -> bytes:
    """Return a document's file: `@context` first, readable, in UTF-8.

    iiif_prezi3's own `json` rewrites texts that look like a date.
    """
    fields = document.model_dump(mode="json", by_alias=True, exclude_none=True)
    fields = {"@context": CONTEXT, **fields}
    return json.dumps(fields, ensure_ascii=False, indent=1).encode()


def parse_entry(content: bytes) -> ManifestRef:
    """Return a collection's entry for a published manifest.

    Raises ValueError for anything but a Presentation 3 manifest with an id and a label.
    """
    try:
        document = json.loads(content)
    except RecursionError as error:
        raise ValueError("not a Presentation 3 manifest: nested too deep") from error
    if not isinstance(document, dict) or not document.keys() >= {"@context", "type"}:
        raise ValueError("not a Presentation 3 manifest")  # as for wrong JSON
    if document["type"] != "Manifest":
        raise ValueError("not a manifest")
    if not isinstance(document.get("id"), str) or not isinstance(document.get("label"), dict):
        raise ValueError("not a Presentation 3 manifest: it has no id or no label")  # noqa: TRY004
    return ManifestRef(
        id=document["id"],
        type="Manifest",
        label=document["label"],
        thumbnail=document.get("thumbnail"),
    )


class _Image:
    """One page's parts of a manifest; `number` is its position in the item."""

    def __init__(self, layout: Layout, options: Options, page: Page, number: int) -> None:
        assert page.tiled is not None  # noqa: S101  # only items whose pages are all done get here
        self._tiled: TiledPage = page.tiled
        self._number = number
        self._pyramid = options.pyramid(page.tiled.width, page.tiled.height)
        self._service_url = layout.url(layout.service(*page.message.place))
        self._canvas_url = layout.canvas_url(*page.message.place)

    @property
    def canvas(self) -> Canvas:
        body = self._body("max", self._pyramid.full)
        annotation = Annotation(
            id=f"{self._canvas_url}/image",
            motivation="painting",
            body=body,
            target=self._canvas_url,
        )
        return Canvas(
            id=self._canvas_url,
            label=_text(str(self._number)),
            width=self._tiled.width,
            height=self._tiled.height,
            thumbnail=[self.thumbnail],
            items=[AnnotationPage(id=f"{self._canvas_url}/page", items=[annotation])],
        )

    @property
    def thumbnail(self) -> AnnotationBody:
        size = self._pyramid.thumbnail
        return self._body(str(size), size)

    def _body(self, name: str, size: Size) -> AnnotationBody:
        return AnnotationBody(
            id=f"{self._service_url}/full/{name}{SUFFIX}",
            type="Image",
            format="image/jpeg",
            width=size.width,
            height=size.height,
            service=[self._service],
        )

    @property
    def _service(self) -> ServiceV3 | dict[str, Any]:
        # Without width and height: Mirador then builds thumbnails from `sizes`, which exist.
        sizes = [{"width": size.width, "height": size.height} for size in self._tiled.sizes]
        if self._pyramid.image_api == IMAGE_API:
            return ServiceV3(
                id=self._service_url, type="ImageService3", profile="level0", sizes=sizes
            )
        return {
            "@id": self._service_url,
            "@type": "ImageService2",
            "profile": "http://iiif.io/api/image/2/level0.json",
            "sizes": sizes,
        }


def _text(value: str) -> dict[str, list[str]]:
    return {LANGUAGE: [value]}
