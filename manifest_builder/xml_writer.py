"""Clean HTML written as XML: empty elements closed, no names for characters. Pure."""

import re
from html import escape
from html.parser import HTMLParser

EMPTY = frozenset(["br", "img"])
RENAMED = {"em": "i", "strong": "b"}
BLOCKS = frozenset(["div", "li", "blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "tr"])
"""Elements that manifests may not hold, but whose texts must not run into one another."""
SPACES = re.compile(r" {2,}")


class XmlWriter(HTMLParser):
    """Collects the XML of what it is fed, and the text without elements."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._texts: list[str] = []
        self.elements = 0
        self._open = 0
        self._roots = 0
        self._text_outside = False
        self._block_ended = False
        self._begun = False

    @property
    def text(self) -> str:
        """Return the text without its elements."""
        return SPACES.sub(" ", "".join(self._texts)).strip()

    @property
    def is_one_element(self) -> bool:
        """Tell whether all stands inside one element."""
        return self._roots == 1 and not self._text_outside

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in BLOCKS:
            self._block_ended = True
            return
        if tag == "img" and "src" not in dict(attrs):
            return  # its address was not allowed
        self._break()
        attributes = "".join(f' {key}="{escape(value or "")}"' for key, value in attrs)
        self._element(f"{RENAMED.get(tag, tag)}{attributes}{'/' if tag in EMPTY else ''}")
        self._open += tag not in EMPTY
        if tag in ("p", "br"):
            self._texts.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in BLOCKS:
            self._block_ended = True
            return
        self.parts.append(f"</{RENAMED.get(tag, tag)}>")
        self._open -= 1

    def handle_data(self, data: str) -> None:
        if data.strip():
            self._break()
            self._text_outside = self._text_outside or self._open == 0
        self.parts.append(escape(data, quote=False))
        self._texts.append(data)

    def _break(self) -> None:
        if self._block_ended and self._begun:
            self._element("br/")
            self._texts.append(" ")
        self._block_ended = False
        self._begun = True

    def _element(self, inside: str) -> None:
        self.parts.append(f"<{inside}>")
        self.elements += 1
        self._roots += self._open == 0
