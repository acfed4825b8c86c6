"""An `info.json` of any origin: what it says of its image, and what is wrong with it. Pure.

Image API 3.0: https://iiif.io/api/image/3.0/#5-image-information
Image API 2.1: https://iiif.io/api/image/2.1/#image-information
"""

from collections.abc import Iterator
from typing import Any

from console.verify.documents import BadDocument, context_of, identifier, positive
from console.verify.service import Grid, Service, asked_factors
from pipeline.geometry import Size

CONTEXTS = {
    "http://iiif.io/api/image/3/context.json": 3,
    "http://iiif.io/api/image/2/context.json": 2,
}
MAX_LISTED = 1_000
"""Entries of `tiles`, `scaleFactors` and `sizes` that are read."""


def parse_info(document: dict[str, Any]) -> Service:
    """Return the image service that a document describes.

    Raises BadDocument where there is nothing to derive files from.
    """
    image_api = image_api_of(document)
    width, height = positive(document.get("width")), positive(document.get("height"))
    if width is None or height is None:
        raise BadDocument("its width or height is not a positive integer")
    limits = _limits(document, image_api)
    max_width, max_height = positive(limits.get("maxWidth")), positive(limits.get("maxHeight"))
    box = None
    if max_width is not None:
        # Without maxHeight, maxWidth holds for both.
        box = Size(max_width, max_height or max_width)
    return Service(
        url=identifier(document) or "",
        image_api=image_api,
        width=width,
        height=height,
        grids=tuple(_grids(document)),
        sizes=tuple(sizes_of(document)),
        limit=box,
        max_area=positive(limits.get("maxArea")),
    )


def image_api_of(document: dict[str, Any]) -> int:
    """Return the version of the Image API; raises BadDocument for one that is not known."""
    for context in context_of(document):
        if context in CONTEXTS:
            return CONTEXTS[context]
    raise BadDocument("its @context is neither that of Image API 3 nor that of 2")


def sizes_of(holder: dict[str, Any]) -> Iterator[Size]:
    """Yield the usable entries of `sizes`."""
    for entry in _list(holder, "sizes"):
        if isinstance(entry, dict):
            width, height = positive(entry.get("width")), positive(entry.get("height"))
            if width is not None and height is not None:
                yield Size(width, height)


def faults_of(document: dict[str, Any], service: Service) -> Iterator[str]:
    """Yield what the specification requires of the document and is not so."""
    if document.get("protocol") != "http://iiif.io/api/image":
        yield 'its protocol is not "http://iiif.io/api/image"'
    if service.image_api == 3 and document.get("type") != "ImageService3":  # noqa: PLR2004
        yield 'its type is not "ImageService3"'
    if not document.get("profile"):
        yield "it names no profile"
    if len(service.grids) < len(_list(document, "tiles")):
        yield "tiles has an entry without a usable width, height or scaleFactors"
    if len(service.sizes) < len(_list(document, "sizes")):
        yield "sizes has an entry without a usable width and height"


def notes_of(service: Service) -> Iterator[str]:
    """Yield what is allowed and makes trouble in viewers."""
    if not service.grids:
        yield "info.json names no tiles: viewers can only show whole images"
    if not service.sizes:
        yield "info.json names no sizes: Mirador and Clover then have nothing for thumbnails"
    for grid in service.grids:
        if set(asked_factors(grid)) - set(grid.scale_factors):
            factors = ", ".join(map(str, grid.scale_factors))
            yield (
                f"scaleFactors {factors} are not all powers of two from 1 on:"
                " OpenSeadragon asks for those between as well"
            )
        elif any(factor & (factor - 1) for factor in grid.scale_factors):
            yield "scaleFactors has entries that are no powers of two; OpenSeadragon skips them"
        levels = {service.level(factor) for factor in grid.scale_factors}
        if len(service.sizes) == len(grid.scale_factors) and set(service.sizes) != levels:
            yield (
                "sizes has as many entries as scaleFactors but is not that pyramid:"
                " OpenSeadragon 4.1 to 5 takes it for the pyramid"
            )


def _grids(document: dict[str, Any]) -> Iterator[Grid]:
    for entry in _list(document, "tiles"):
        if not isinstance(entry, dict):
            continue
        width = positive(entry.get("width"))
        height = positive(entry.get("height", entry.get("width")))
        factors = [positive(factor) for factor in _list(entry, "scaleFactors")]
        good = tuple(sorted({factor for factor in factors if factor is not None}))
        if width is not None and height is not None and good and None not in factors:
            yield Grid(width, height, good)


def _limits(document: dict[str, Any], image_api: int) -> dict[str, Any]:
    if image_api != 2:  # noqa: PLR2004
        return document
    profile = document.get("profile")
    parts = profile if isinstance(profile, list) else []
    return next((part for part in parts if isinstance(part, dict)), {})


def _list(holder: dict[str, Any], name: str) -> list[Any]:
    value = holder.get(name)
    return value[:MAX_LISTED] if isinstance(value, list) else []
