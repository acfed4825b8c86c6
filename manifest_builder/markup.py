"""Texts of the CSV as manifests may hold them: plain, or HTML of the few elements allowed.

https://iiif.io/api/presentation/3.0/#45-html-markup-in-property-values: HTML begins with `<` and
ends with `>`, is well-formed XML, and stands in summaries and values only, never in labels. The
only importer of nh3.
"""

import re

import nh3

from manifest_builder.xml_writer import BLOCKS, RENAMED, XmlWriter

ELEMENTS = frozenset(["a", "b", "br", "i", "img", "p", "small", "span", "sub", "sup"])
ATTRIBUTES = {"a": {"href"}, "img": {"src", "alt"}}
SCHEMES = {"a": ("http:", "https:", "mailto:"), "img": ("http:", "https:")}

MAX_HTML_CHARACTERS = 100_000
"""Above this markup is taken out without being parsed: a parser's work can grow with the square."""

ACTIVE = frozenset(
    [
        "applet",
        "audio",
        "base",
        "body",
        "button",
        "embed",
        "font",
        "form",
        "frame",
        "frameset",
        "head",
        "html",
        "iframe",
        "input",
        "link",
        "math",
        "meta",
        "noscript",
        "object",
        "option",
        "script",
        "select",
        "style",
        "svg",
        "template",
        "textarea",
        "title",
        "video",
        "xmp",
    ]
)
KNOWN = nh3.ALLOWED_TAGS | ELEMENTS | ACTIVE
TAG = re.compile(r"</?([a-z][a-z0-9]*)(?=[\s/>])", re.IGNORECASE)
# `a <b and c> d` is no markup: what follows an element of one letter must look like attributes.
ONE_LETTER_TAG = re.compile(
    r"</?+[a-z](?:\s++[\w:-]++\s*+=\s*+(?:\"[^\"<>]*+\"|'[^'<>]*+'|[^\s\"'<>]++))*+\s*+/?>",
    re.IGNORECASE,
)
ANY_TAG = re.compile(r"<[^<>]*+>")
NOT_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def rich_text(text: str) -> str:
    """Return a text for a summary or value: as typed if it is plain, else its HTML made safe.

    The result is empty where there was nothing but elements that are not allowed.
    """
    if not _has_markup(text):
        return _marked_plain(text)
    if len(text) > MAX_HTML_CHARACTERS:
        return _without_tags(text)
    writer = _parsed(text)
    html = "".join(writer.parts).strip()
    if not writer.elements:
        return _marked_plain(writer.text)
    return html if writer.is_one_element else f"<span>{html}</span>"


def plain_text(text: str) -> str:
    """Return a text for a label, where HTML is not allowed: as typed, or without its markup."""
    if not _has_markup(text):
        return text
    if len(text) > MAX_HTML_CHARACTERS:
        return _without_tags(text)
    return _parsed(text).text


def _has_markup(text: str) -> bool:
    if "<" not in text:
        return False
    for found in TAG.finditer(text):
        name = found[1].lower()
        if name in KNOWN and (len(name) > 1 or ONE_LETTER_TAG.match(text, found.start())):
            return True
    return False


def _marked_plain(text: str) -> str:
    # Viewers take what lies between angle brackets for HTML.
    return f"{text} " if text.startswith("<") and text.endswith(">") else text


def _without_tags(text: str) -> str:
    return ANY_TAG.sub("", text).replace("<", "").strip()


def _parsed(text: str) -> XmlWriter:
    clean = nh3.clean(
        text,
        tags=set(ELEMENTS | RENAMED.keys() | BLOCKS),
        attributes=ATTRIBUTES,
        attribute_filter=_allowed_attribute,
        url_schemes={"http", "https", "mailto"},
        link_rel=None,
    )
    writer = XmlWriter()
    writer.feed(NOT_XML.sub("", clean))
    writer.close()
    return writer


def _allowed_attribute(element: str, attribute: str, value: str) -> str | None:
    if attribute == "alt":
        return value
    address = value.strip()
    return address if address.lower().startswith(SCHEMES.get(element, ())) else None
