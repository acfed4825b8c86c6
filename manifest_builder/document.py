"""What all Presentation 3 documents share: their file, and the texts in them. Pure."""

from collections.abc import Iterable

from iiif_prezi3 import Collection, Manifest

from manifest_builder.description import NO_LANGUAGE
from manifest_builder.markup import plain_text, rich_text

CONTEXT = "http://iiif.io/api/presentation/3/context.json"
BEGINNING = f'{{\n "@context": "{CONTEXT}"'

LanguageMap = dict[str, list[str]]


def to_json(document: Manifest | Collection) -> bytes:
    """Return a document's file: `@context` first, readable, in UTF-8.

    iiif_prezi3's own `json` rewrites texts that look like a date.
    """
    # Not by way of dictionaries: Python's own writer takes ten times as long where it indents.
    text = document.model_dump_json(indent=1, by_alias=True, exclude_none=True)
    return f"{BEGINNING},{text.removeprefix('{')}".encode()


def label(texts: Iterable[str], language: str = NO_LANGUAGE) -> LanguageMap:
    """Return a language map for a label, which holds no HTML; empty where nothing is left."""
    return _language_map(map(plain_text, texts), language)


def value(texts: Iterable[str], language: str = NO_LANGUAGE) -> LanguageMap:
    """Return a language map for a summary or value; empty where nothing is left."""
    return _language_map(map(rich_text, texts), language)


def _language_map(texts: Iterable[str], language: str) -> LanguageMap:
    kept = [text for text in texts if text]
    return {language: kept} if kept else {}
