"""Manifests of earlier runs in a collection: read, and asked again whether they have changed.

One that has not is neither sent nor parsed again: its ETag tells.
"""

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

from iiif_prezi3 import ManifestRef

from manifest_builder.collection import parse_entry
from pipeline.layout import Layout
from pipeline.storage import MissingObject, Storage

MAX_READS = 16


class EarlierManifests:
    """The manifests of a collection's items, as entries of it."""

    def __init__(self, dest: Storage, layout: Layout) -> None:
        self._dest = dest
        self._layout = layout
        self._known: dict[str, tuple[str, ManifestRef | str]] = {}
        """By item: the ETag of what was read, and the entry or why there is none."""

    def read(self, items: Collection[str]) -> tuple[dict[str, ManifestRef], list[str]]:
        """Return the entries of those items that have a manifest, and what cannot be read."""
        entries: dict[str, ManifestRef] = {}
        problems: list[str] = []
        with ThreadPoolExecutor(MAX_READS) as readers:
            for item, found in zip(items, readers.map(self._entry, items), strict=True):
                if isinstance(found, ManifestRef):
                    entries[item] = found
                elif found is not None:
                    problems.append(f"{item!r}: its manifest cannot be read: {found}")
        return entries, problems

    def _entry(self, item: str) -> ManifestRef | str | None:
        etag, entry = self._known.get(item, ("", None))
        try:
            read = self._dest.read_unless(self._layout.manifest(item), etag)
        except MissingObject:
            return None
        if read is None:
            return entry
        content, etag = read
        try:
            entry = parse_entry(content)
        except ValueError as error:
            entry = str(error).partition("\n")[0]
        self._known[item] = etag, entry
        return entry
