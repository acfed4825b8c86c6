"""From a listing to pages: which keys are images, of which item, in what order. Pure."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from natsort import natsorted, ns

from pipeline.checks import printable
from pipeline.layout import COLLECTION_FILE, Listed, nfc
from pipeline.message import MAX_ITEM_BYTES, Message
from pipeline.run import Page

IMAGE_SUFFIXES = frozenset(
    [
        *("tif", "tiff", "ptif", "ptiff", "btf"),
        *("jpg", "jpeg", "jpe", "jfif"),
        *("png", "webp", "gif", "bmp", "dib"),
        *("jp2", "j2k", "j2c", "jpc", "jpf", "jpx"),
        *("heic", "heif", "avif"),
        "pdf",
    ]
)
"""Taken for pages. What the worker cannot read of these ends as failed, not as overlooked."""

ACCESS_FOLDER = "access"
NATURAL = ns.PATH | ns.IGNORECASE


@dataclass(frozen=True, slots=True)
class Expansion:
    """The pages found, how many other files lay beside them, and what makes the set unusable."""

    pages: tuple[Page, ...]
    other_files: int
    errors: tuple[str, ...]


def expand(run_id: str, listing: Iterable[Listed]) -> Expansion:
    """Turn a listing into pages: items by folder, pages in natural order, counted from 1."""
    folders: dict[str, list[Listed]] = defaultdict(list)
    other_files = 0
    for listed in listing:
        if is_image(listed.key):
            folders[listed.key.rpartition("/")[0]].append(listed)
        else:
            other_files += 1
    items: dict[str, list[str]] = defaultdict(list)
    pages: list[Page] = []
    for folder in natsorted(sorted(folders), alg=NATURAL):
        item = item_of(folder)
        items[item].append(folder)
        # Names that natural order holds equal (p1, p01) keep one order whatever the listing's.
        by_key = sorted(folders[folder], key=lambda listed: listed.key)
        ordered = natsorted(by_key, key=lambda listed: listed.key, alg=NATURAL)
        pages += (
            Page(Message(run_id, item, number, listed.key, listed.etag, listed.size))
            for number, listed in enumerate(ordered, 1)
        )
    return Expansion(tuple(pages), other_files, tuple(_clashes(items)))


def is_image(key: str) -> bool:
    """Tell whether a key has an image's suffix; hidden files (`._scan.tif`, macOS) have not."""
    name = key.rpartition("/")[2]
    stem, _, suffix = name.rpartition(".")
    return stem != "" and stem[0] != "." and suffix.casefold() in IMAGE_SUFFIXES


def item_of(folder: str) -> str:
    """Return the item a folder of images belongs to: the folder above `Access`, else itself."""
    parts = folder.split("/")
    if parts[-1].casefold() == ACCESS_FOLDER and len(parts) > 1:
        parts.pop()
    return nfc(parts[-1])


def _clashes(items: dict[str, list[str]]) -> Iterable[str]:
    for item, folders in items.items():
        if len(folders) > 1:
            shown = printable(", ".join(folders[:3]))
            yield f"ACCESS_DIR: expected each item once, not {item!r} in several folders: {shown}"
        if len(item.encode()) > MAX_ITEM_BYTES:
            yield f"ACCESS_DIR: expected at most {MAX_ITEM_BYTES} bytes in an item's name: {item!r}"
        if not item or item == COLLECTION_FILE:
            yield f"ACCESS_DIR: {item!r} cannot be the name of an item; rename the folder"
