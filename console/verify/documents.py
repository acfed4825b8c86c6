"""Presentation 3 documents of any origin, read for the images they name. Pure.

Only fields that lead to files are kept in memory: texts of a large collection are not.
https://iiif.io/api/presentation/3.0/
"""

import json
from collections.abc import Iterator, Sequence
from enum import Enum, auto
from typing import Any

from pipeline.layout import has_utf8_form

KEPT = {
    *("@context", "@id", "@type", "id", "type", "profile", "protocol"),
    *("items", "body", "source", "service", "thumbnail", "motivation", "target"),
    *("width", "height", "maxWidth", "maxHeight", "maxArea", "sizes", "tiles", "scaleFactors"),
    *("sequences", "manifests", "members"),
}
MAX_URL_CHARACTERS = 4_096
MAX_PIXELS_PER_SIDE = 100_000_000
PRESENTATION_3 = "http://iiif.io/api/presentation/3/context.json"
IMAGE_API = "http://iiif.io/api/image/"
OF_PRESENTATION_2 = {"sc:Collection", "sc:Manifest"}


class DocumentKind(Enum):
    """What a document is, by its own words."""

    COLLECTION = auto()
    MANIFEST = auto()
    INFO = auto()
    OLDER = auto()
    """Of Presentation API 2, which is not walked."""


class BadDocument(Exception):
    """A document that cannot be used; the text says why."""


def parse_document(content: bytes) -> dict[str, Any]:
    """Return what is needed of a JSON document; raises BadDocument."""
    try:
        document = json.loads(content, object_pairs_hook=_keep, parse_constant=_refuse)
    except RecursionError as error:
        raise BadDocument("is nested too deep to be read") from error
    except ValueError as error:
        raise BadDocument(f"is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise BadDocument("is JSON, but not an object")
    return document


def _keep(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value for name, value in pairs if name in KEPT}


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def identifier(holder: dict[str, Any]) -> str | None:
    """Return an object's id as a URL that can be asked for; None where there is none."""
    value = holder.get("id", holder.get("@id"))
    if not isinstance(value, str) or not 0 < len(value) <= MAX_URL_CHARACTERS:
        return None
    return value if value.isprintable() and " " not in value and has_utf8_form(value) else None


def type_of(holder: dict[str, Any]) -> str:
    """Return an object's type, or nothing."""
    value = holder.get("type", holder.get("@type"))
    return value if isinstance(value, str) else ""


def kind_of(document: dict[str, Any]) -> DocumentKind | None:
    """Return what a document is; None for what is not of IIIF."""
    kind = type_of(document)
    if kind in OF_PRESENTATION_2:
        return DocumentKind.OLDER
    if kind == "Collection":
        return DocumentKind.COLLECTION
    if kind == "Manifest":
        return DocumentKind.MANIFEST
    contexts = context_of(document)
    if kind.startswith("ImageService") or any(name.startswith(IMAGE_API) for name in contexts):
        return DocumentKind.INFO
    return None


def not_walked(kind: DocumentKind | None) -> str:
    """Return the words for a document that leads nowhere."""
    if kind is DocumentKind.OLDER:
        return (
            "is of Presentation API 2, which is not walked;"
            " its images can be verified by their info.json"
        )
    return "is no Presentation 3 collection or manifest, and no info.json"


def context_of(document: dict[str, Any]) -> list[str]:
    """Return a document's contexts."""
    value = document.get("@context")
    values = value if isinstance(value, list) else [value]
    return [context for context in values if isinstance(context, str)]


def positive(value: Any) -> int | None:
    """Return a positive integer of a size that images have; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 < value <= MAX_PIXELS_PER_SIDE else None


def objects(holder: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
    """Yield the objects of a list, or the one that stands in its place."""
    value = holder.get(name)
    for entry in value if isinstance(value, list) else [value]:
        if isinstance(entry, dict):
            yield entry
