"""An item's manifest from its pages and its description. Pure.

Child lists are built first and passed once: iiif_prezi3's own helpers are quadratic.
https://iiif.io/api/presentation/3.0/
"""

from collections.abc import Iterator, Sequence
from typing import Any

from iiif_prezi3 import (
    Annotation,
    AnnotationBody,
    AnnotationPage,
    Canvas,
    CanvasRef,
    Manifest,
    Range,
    ServiceV3,
)

from manifest_builder.description import UNDESCRIBED, Description
from manifest_builder.document import LanguageMap, label, value
from manifest_builder.provider import build_providers
from manifest_builder.sections import Section
from pipeline.defaults import NO_DEFAULTS, STATEMENT_LABEL, Defaults
from pipeline.geometry import IMAGE_API, SUFFIX, Size
from pipeline.layout import Layout
from pipeline.run import Page, TiledPage
from pipeline.task import Options

CONTENTS_LABEL = {"en": ["Table of contents"]}


def build_manifest(
    layout: Layout,
    options: Options,
    pages: Sequence[Page],
    description: Description = UNDESCRIBED,
    defaults: Defaults = NO_DEFAULTS,
) -> Manifest:
    """Return the manifest of an item whose pages are all done, in order."""
    item = pages[0].message.item
    images = [_Image(layout, options, page) for page in pages]
    name = label(description.title, description.language) or {"none": [item]}
    fields = dict(_fields(layout, description, defaults, name))
    if description.sections:
        canvas_urls = [image.canvas_url for image in images]
        fields["structures"] = [_contents(layout, item, canvas_urls, description)]
    labels = description.page_labels or [""] * len(images)
    return Manifest(
        id=layout.url(layout.manifest(item)),
        label=name,
        thumbnail=[images[description.thumbnail_page - 1].thumbnail],
        partOf=[{"id": layout.url(layout.collection), "type": "Collection"}],
        items=[
            image.canvas(label([text], description.language) or label([str(position)]))
            for position, (image, text) in enumerate(zip(images, labels, strict=True), 1)
        ],
        **fields,
    )


def _fields(
    layout: Layout, description: Description, defaults: Defaults, name: LanguageMap
) -> Iterator[tuple[str, Any]]:
    """Yield the properties that not every manifest has."""
    language = description.language
    if summary := value(description.summary, language):
        yield "summary", summary
    metadata = [
        {"label": label([column]) or {"none": [column]}, "value": value(texts, language)}
        for column, texts in description.metadata
    ]
    if shown := [entry for entry in metadata if entry["value"]]:
        yield "metadata", shown
    if statement := _required_statement(description, defaults):
        yield "requiredStatement", statement
    # A row that states rights of no known URI is not under the run's.
    rights = defaults.rights if description.rights is None else description.rights
    if rights:
        yield "rights", rights
    if providers := build_providers(layout, description, defaults):
        yield "provider", providers
    if description.homepages:
        yield (
            "homepage",
            [
                {"id": url, "type": "Text", "label": name, "format": "text/html"}
                for url in description.homepages
            ],
        )
    if description.nav_date:
        yield "navDate", description.nav_date
    if description.viewing_direction:
        yield "viewingDirection", description.viewing_direction
    if description.behaviors:
        yield "behavior", list(description.behaviors)


def _required_statement(
    description: Description, defaults: Defaults
) -> dict[str, LanguageMap] | None:
    default = defaults.required_statement
    stated = value(description.required_statement, description.language)
    if not stated and default is not None:
        stated = value([default.value])
    if not stated:
        return None
    title = default.label if default is not None else STATEMENT_LABEL
    return {"label": label([title]) or {"none": [STATEMENT_LABEL]}, "value": stated}


def _contents(
    layout: Layout, item: str, canvas_urls: Sequence[str], description: Description
) -> Range:
    """Return the one range that holds all entries: viewers take several for several tables."""

    def entry(number: int, section: Section) -> Range:
        return Range(
            id=layout.section_url(item, number),
            label=label([section.label], description.language) or {"none": [str(number)]},
            items=[CanvasRef(id=canvas_urls[page - 1], type="Canvas") for page in section.pages],
        )

    entries = [entry(number, section) for number, section in enumerate(description.sections, 1)]
    return Range(id=layout.contents_url(item), label=CONTENTS_LABEL, items=entries)


class _Image:
    """One page's parts of a manifest."""

    def __init__(self, layout: Layout, options: Options, page: Page) -> None:
        assert page.tiled is not None  # noqa: S101  # only items whose pages are all done get here
        self._tiled: TiledPage = page.tiled
        self._pyramid = options.pyramid(page.tiled.width, page.tiled.height)
        self._service_url = layout.url(layout.service(*page.message.place))
        self.canvas_url = layout.canvas_url(*page.message.place)

    def canvas(self, name: LanguageMap) -> Canvas:
        body = self._body("max", self._pyramid.full)
        annotation = Annotation(
            id=f"{self.canvas_url}/image",
            motivation="painting",
            body=body,
            target=self.canvas_url,
        )
        return Canvas(
            id=self.canvas_url,
            label=name,
            width=self._tiled.width,
            height=self._tiled.height,
            thumbnail=[self.thumbnail],
            items=[AnnotationPage(id=f"{self.canvas_url}/page", items=[annotation])],
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
