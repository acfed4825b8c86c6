"""An item's manifest from its pages and its description. Pure.

Child lists are built first and passed once: iiif_prezi3's own helpers are quadratic.
https://iiif.io/api/presentation/3.0/
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from iiif_prezi3 import Canvas, CanvasRef, Manifest, Range

from manifest_builder.canvas import ImageCanvas, gap_canvas
from manifest_builder.description import UNDESCRIBED, Description
from manifest_builder.document import LanguageMap, label, value
from manifest_builder.gaps import gap_label, nearest
from manifest_builder.items import is_done
from manifest_builder.provider import build_providers
from manifest_builder.sections import Section
from pipeline.defaults import NO_DEFAULTS, STATEMENT_LABEL, Defaults
from pipeline.layout import Layout
from pipeline.run import Page
from pipeline.task import Options

CONTENTS_LABEL = {"en": ["Table of contents"]}


def build_manifest(
    layout: Layout,
    options: Options,
    pages: Sequence[Page],
    description: Description = UNDESCRIBED,
    defaults: Defaults = NO_DEFAULTS,
) -> Manifest:
    """Return the manifest of an item from its pages in order.

    At least one of them is done. Those that are not become canvases without an image.
    """
    item, language = pages[0].message.item, description.language
    images = {
        place: ImageCanvas(layout, options, page)
        for place, page in enumerate(pages, 1)
        if is_done(page)
    }
    with_image = list(images)
    name = label(description.title, language) or {"none": [item]}
    fields = dict(_fields(layout, description, defaults, name))
    if contents := _contents(layout, item, images, description):
        fields["structures"] = [contents]

    def canvas(place: int, page: Page, text: str) -> Canvas:
        if place in images:
            return images[place].build(label([text], language) or label([str(place)]))
        size = images[nearest(with_image, place)].size
        return gap_canvas(layout, page, size, gap_label(text, str(place), language))

    labels = description.page_labels or [""] * len(pages)
    return Manifest(
        id=layout.url(layout.manifest(item)),
        label=name,
        thumbnail=[images[nearest(with_image, description.thumbnail_page)].thumbnail],
        partOf=[{"id": layout.url(layout.collection), "type": "Collection"}],
        items=[
            canvas(place, page, text)
            for place, (page, text) in enumerate(zip(pages, labels, strict=True), 1)
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
    layout: Layout, item: str, images: Mapping[int, ImageCanvas], description: Description
) -> Range | None:
    """Return the one range that holds all entries: viewers take several for several tables.

    It leads to pages that have an image: an entry opens at one.
    """

    def canvases(section: Section) -> list[CanvasRef]:
        places = [place for place in section.pages if place in images]
        return [CanvasRef(id=images[place].url, type="Canvas") for place in places]

    entries = [
        Range(
            id=layout.section_url(item, number),
            label=label([section.label], description.language) or {"none": [str(number)]},
            items=found,
        )
        for number, section in enumerate(description.sections, 1)
        if (found := canvases(section))
    ]
    if not entries:
        return None
    return Range(id=layout.contents_url(item), label=CONTENTS_LABEL, items=entries)
