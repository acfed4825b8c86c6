"""Where to begin: the documents that a folder or bucket holds, or the one that was named."""

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from console.errors import ConsoleError, ExitCode
from console.verify.documents import (
    BadDocument,
    DocumentKind,
    identifier,
    kind_of,
    not_walked,
    parse_document,
)
from console.verify.findings import Finding, Kind
from console.verify.places import MAX_DOCUMENT_BYTES, Place
from console.verify.shelf import Base, Shelf
from console.verify.web import Note, Web
from pipeline.errors import PermanentError, TilepoolError
from pipeline.layout import COLLECTION_FILE, INFO_FILE, MANIFEST_FILE, join_key
from pipeline.storage import Storage, open_storage

MAX_ASKED = 50
"""Documents whose ids are compared to find the address of an export without a collection."""
USUAL_NAMES = {COLLECTION_FILE, MANIFEST_FILE, INFO_FILE}


@dataclass(frozen=True, slots=True)
class Root:
    """A document to begin with."""

    place: Place
    url: str


def find_roots(target: str, note: Note) -> Iterator[Root | Finding]:
    """Yield what to verify at a target: a folder, a file, `s3://…` or `http(s)://…`.

    Raises ConsoleError for a target that is not there or holds no document.
    """
    parts = urlsplit(target)
    try:
        if parts.scheme in {"http", "https"}:
            yield Root(Web(note), target)
        elif parts.scheme == "s3" and parts.netloc:
            store = _Store(open_storage(f"s3://{parts.netloc}"), is_local=False)
            yield from store.roots(parts.path.strip("/"), target)
        elif target and Path(target).is_file():
            # Its images may lie anywhere above: the file's id tells how far.
            path = Path(target).absolute()
            root = Path(path.anchor)
            store = _Store(open_storage(root.as_uri()), is_local=True, root=root.as_posix())
            yield from store.roots(path.relative_to(path.anchor).as_posix(), target)
        elif target and Path(target).is_dir():
            store = _Store(open_storage(Path(target).absolute().as_uri()), is_local=True)
            yield from store.roots("", target)
        else:
            raise ConsoleError(
                f"{target}: expected a folder or file that is there, s3://bucket/prefix"
                " or https://…/collection.json",
                ExitCode.USAGE,
            )
    except (TilepoolError, ValueError) as error:
        raise ConsoleError(f"{target}: {error}") from error


@dataclass(slots=True)
class _Store:
    """A folder or bucket in which documents are looked for."""

    storage: Storage
    is_local: bool
    root: str = ""
    collections: list[str] = field(default_factory=list)
    manifests: list[str] = field(default_factory=list)
    infos: list[str] = field(default_factory=list)

    def roots(self, prefix: str, target: str) -> Iterator[Root | Finding]:
        """Yield collections, each at the address it says; then the rest, at that of most of it."""
        if prefix.endswith(".json"):
            yield from self._root(prefix)
            return
        yield from self._look_through(prefix)
        for key in self.collections:
            yield from self._root(key)
        rest = [*self.manifests, *self.infos]
        if not rest and not self.collections:
            raise ConsoleError(f"{target}: there is no collection, manifest or {INFO_FILE} in it")
        bases = Counter(filter(None, map(self._base, rest[:MAX_ASKED])))
        for key in rest:
            if bases:
                yield self._root_at(bases.most_common(1)[0][0], key)
            else:
                yield from self._root(key)

    def _look_through(self, prefix: str) -> Iterator[Finding]:
        """Note each document's kind, level by level.

        What lies below a collection is left to be found by it; below an image service are tiles.
        """
        folders = deque([prefix])
        while folders:
            folder = folders.popleft()
            before = len(self.collections) + len(self.infos)
            for listed in sorted(self.storage.objects_in(folder), key=lambda listed: listed.key):
                if listed.key.endswith(".json"):
                    yield from self._sort(listed.key)
            if len(self.collections) + len(self.infos) == before:
                names = sorted(self.storage.folders(folder))
                folders.extend(join_key(folder, name) for name in names)

    def _sort(self, key: str) -> Iterator[Finding]:
        name = key.rpartition("/")[2]
        if name == INFO_FILE:
            self.infos.append(key)
            return
        try:
            kind = kind_of(self._read(key))
        except (BadDocument, TilepoolError) as error:
            # Other JSON files are nobody's business here.
            if name in USUAL_NAMES:
                yield Finding(Kind.DOCUMENT, key, str(error))
            return
        if kind is DocumentKind.COLLECTION:
            self.collections.append(key)
        elif kind is not None:
            self.manifests.append(key)

    def _root(self, key: str) -> Iterator[Root | Finding]:
        base = self._base(key)
        if base is not None:
            yield self._root_at(base, key)
        else:
            yield Finding(Kind.DOCUMENT, f"{self.root}{key}", self._why_nowhere(key))

    def _why_nowhere(self, key: str) -> str:
        """Return why a document tells of no address."""
        try:
            document = self._read(key)
        except (BadDocument, PermanentError) as error:
            return str(error)
        kind, said = kind_of(document), identifier(document)
        if kind in {DocumentKind.OLDER, None}:
            return not_walked(kind)
        if said is None:
            return "has no id that is a percent-encoded URL"
        return (
            f"its id ({said}) is not the URL of a file of this name;"
            " if a server maps one to the other, verify over https"
        )

    def _root_at(self, base: Base, key: str) -> Root | Finding:
        url = base.address(key)
        if url is None:
            return Finding(
                Kind.DOCUMENT, key, f"lies outside of {base.prefix}, which is {base.url}"
            )
        return Root(Shelf(self.storage, base, is_local=self.is_local, root=self.root), url)

    def _base(self, key: str) -> Base | None:
        """Return the address that a document's own id gives the store."""
        try:
            document = self._read(key)
        except (BadDocument, PermanentError):
            return None
        url = identifier(document)
        if url is None:
            return None
        is_info = kind_of(document) is DocumentKind.INFO
        return Base.of(f"{url}/{INFO_FILE}" if is_info else url, key)

    def _read(self, key: str) -> dict[str, Any]:
        return parse_document(self.storage.read(key, MAX_DOCUMENT_BYTES))
