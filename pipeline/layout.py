"""Where every output lies in the destination bucket, and the URL it is published under. Pure."""

import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import quote

COLLECTION_FILE = "collection.json"
MANIFEST_FILE = "manifest.json"
INFO_FILE = "info.json"
RECEIPT_FILE = "tilepool.json"
TILES_FOLDER = "tiles"
SUBCOLLECTIONS_FOLDER = "collections"
"""Holds the parts of a large collection, as `<number>.json`; an item's folder of that name holds
its `manifest.json` beside them."""
OWN_NAMES = frozenset([COLLECTION_FILE, TILES_FOLDER, SUBCOLLECTIONS_FOLDER])
SUBCOLLECTION_FILE = re.compile(r"[1-9][0-9]*\.json")


@dataclass(frozen=True, slots=True)
class Listed:
    """An object in a bucket's listing; `size` in bytes."""

    key: str
    etag: str
    size: int


def has_utf8_form(text: str) -> bool:
    """Tell whether any store can hold the text: JSON can name half of a surrogate pair."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def nfc(text: str) -> str:
    """Return the text in Unicode NFC, the form that keys, URLs and identifiers have here."""
    return unicodedata.normalize("NFC", text)


def join_key(*parts: str) -> str:
    """Join the parts of a key, leaving out empty ones and doubled slashes."""
    return "/".join(part.strip("/") for part in parts if part.strip("/"))


@dataclass(frozen=True, slots=True)
class Layout:
    """Keys and URLs of one collection.

    `prefix` is `<DEST_PREFIX>/<COLLECTION_IDENTIFIER>`, `base_url` is `DEST_URL`; both without
    slashes at their ends.
    """

    prefix: str
    base_url: str

    def service(self, item: str, page: int, part: int = 1) -> str:
        """Return the key prefix of a page's image service."""
        return join_key(self.prefix, TILES_FOLDER, f"{item}-{_number(page, part)}")

    def info(self, item: str, page: int, part: int = 1) -> str:
        """Return the key of a page's `info.json`."""
        return join_key(self.service(item, page, part), INFO_FILE)

    def receipt(self, item: str, page: int, part: int = 1) -> str:
        """Return the key of what a later run must know of this page's tiles."""
        return join_key(self.service(item, page, part), RECEIPT_FILE)

    def manifest(self, item: str) -> str:
        """Return the key of an item's manifest."""
        return join_key(self.prefix, item, MANIFEST_FILE)

    @property
    def collection(self) -> str:
        """Return the key of the collection."""
        return join_key(self.prefix, COLLECTION_FILE)

    def subcollection(self, number: int) -> str:
        """Return the key of a part of a large collection; they are counted from 1."""
        return join_key(self.subcollections_folder, f"{number}.json")

    @property
    def subcollections_folder(self) -> str:
        """Return the folder that holds the parts of a large collection."""
        return join_key(self.prefix, SUBCOLLECTIONS_FOLDER)

    def is_subcollection(self, key: str) -> bool:
        """Tell whether a key is one that a part of the collection has or once had."""
        folder, _, name = key.rpartition("/")
        return folder == self.subcollections_folder and bool(SUBCOLLECTION_FILE.fullmatch(name))

    def csv(self, name: str) -> str:
        """Return the key of the metadata CSV's copy."""
        return join_key(self.prefix, name)

    def canvas_url(self, item: str, page: int, part: int = 1) -> str:
        """Return the identifier of a page's canvas (an identifier, not a file)."""
        return self.url(join_key(self.prefix, item, "canvas", _number(page, part)))

    def contents_url(self, item: str) -> str:
        """Return the identifier of an item's table of contents."""
        return self.url(join_key(self.prefix, item, "contents"))

    def section_url(self, item: str, number: int) -> str:
        """Return the identifier of an entry in an item's table of contents."""
        return self.url(join_key(self.prefix, item, "contents", str(number)))

    def provider_url(self, name: str) -> str:
        """Return an identifier for a provider that has no address of its own."""
        return f"{self.url(self.collection)}#{quote(nfc(name), safe='')}"

    def url(self, key: str) -> str:
        """Return the public URL of a key: percent-encoded UTF-8 NFC, slashes kept."""
        return f"{self.base_url}/{quote(nfc(key), safe='/')}"


def _number(page: int, part: int) -> str:
    """Return a page's number: the file's in its item, and from its second image on that one's."""
    return str(page) if part == 1 else f"{page}.{part}"
