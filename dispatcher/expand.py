"""From a listing to pages: which keys are images, of which item, in what order. Pure.

An item's pages can be numbered when all of them are known, and nothing may start before the whole
task is checked. So the listing is held, a million images in about 120 MB: a file is a short piece
of bytes, and its page is made when it is wanted.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from natsort import natsort_keygen, ns

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
MAX_IMAGES = 3_000_000
"""What the memory of the dispatcher holds, and what it lists well within one invocation."""

File = bytes
"""An image's size, ETag and name in its folder, with line ends between."""

_natural = natsort_keygen(alg=ns.PATH | ns.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Expansion:
    """The images found, by folder and in the order of their pages, and what makes them unusable.

    `other_files` counts those that lay beside them.
    """

    run_id: str
    folders: Mapping[str, Sequence[File]]
    other_files: int
    errors: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Return how many images there are."""
        return sum(map(len, self.folders.values()))

    @property
    def items(self) -> list[str]:
        """Return the names of all items."""
        return list(map(item_of, self.folders))

    @property
    def has_pdf(self) -> bool:
        """Tell whether an image may hold any number of pages."""
        files = self.folders.values()
        return any(file.lower().endswith(b".pdf") for folder in files for file in folder)

    def pages(self) -> Iterator[Page]:
        """Yield the pages, item by item, each counted from 1; every time in the same order."""
        for folder, files in self.folders.items():
            item = item_of(folder)
            for number, file in enumerate(files, 1):
                size, etag, name = file.decode().split("\n", 2)
                key = f"{folder}/{name}" if folder else name
                yield Page(Message(self.run_id, item, number, key, etag, int(size)))

    def digest(self) -> str:
        """Return what is the same for the same images, and for no others."""
        digest = hashlib.sha256()
        for folder, files in self.folders.items():
            digest.update(f"{len(folder.encode())} {len(files)} {folder}".encode())
            for file in files:
                digest.update(b"%d %b" % (len(file), file))
        return digest.hexdigest()


def expand(run_id: str, listing: Iterable[Listed]) -> Expansion:
    """Turn a listing into pages: items by folder, pages in natural order.

    Of more than MAX_IMAGES none is taken.
    """
    found: dict[str, list[File]] = defaultdict(list)
    images = other_files = 0
    for listed in listing:
        if not is_image(listed.key):
            other_files += 1
            continue
        images += 1
        if images > MAX_IMAGES:
            error = f"ACCESS_DIR: expected at most {MAX_IMAGES:,} images; divide it among tasks"
            return Expansion(run_id, {}, other_files, (error,))
        folder, _, name = listed.key.rpartition("/")
        found[folder].append(f"{listed.size}\n{listed.etag}\n{name}".encode())
    folders = {folder: _in_order(found.pop(folder)) for folder in sorted(found)}
    return Expansion(run_id, folders, other_files, tuple(_clashes(folders)))


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


def _in_order(files: list[File]) -> tuple[File, ...]:
    # Names that natural order holds equal (p1, p01) keep one order whatever the listing's.
    files.sort(key=_name)
    files.sort(key=lambda file: _natural(_name(file)))
    return tuple(files)


def _name(file: File) -> str:
    return file.decode().split("\n", 2)[2]


def _clashes(folders: Collection[str]) -> Iterator[str]:
    items = Counter(map(item_of, folders))
    several: dict[str, list[str]] = defaultdict(list)
    for folder in folders:
        if items[item_of(folder)] > 1:
            several[item_of(folder)].append(folder)
    for item in items:
        if item in several:
            shown = printable(", ".join(several[item][:3]))
            yield f"ACCESS_DIR: expected each item once, not {item!r} in several folders: {shown}"
        if len(item.encode()) > MAX_ITEM_BYTES:
            yield f"ACCESS_DIR: expected at most {MAX_ITEM_BYTES} bytes in an item's name: {item!r}"
        if not item or item == COLLECTION_FILE:
            yield f"ACCESS_DIR: {item!r} cannot be the name of an item; rename the folder"
