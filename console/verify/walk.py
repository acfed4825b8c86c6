"""From a collection to the manifests and image services below it, one document at a time."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from console.verify.documents import (
    PRESENTATION_3,
    BadDocument,
    DocumentKind,
    context_of,
    identifier,
    kind_of,
    not_walked,
    objects,
    parse_document,
    type_of,
)
from console.verify.findings import Finding, Kind
from console.verify.manifest import Reading, Use
from console.verify.places import MAX_DOCUMENT_BYTES, Absent, NoAnswer, Place, TooLarge
from console.verify.roots import Root
from pipeline.layout import INFO_FILE

MAX_DEPTH = 32
"""Collections within collections."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A manifest to read; or, with `use`, what a document leads to without one."""

    place: Place
    url: str
    by: str
    use: Use | None = None


@dataclass(frozen=True, slots=True)
class Chapter:
    """A manifest that was read: what it leads to, and what is wrong with it."""

    place: Place
    name: str
    uses: tuple[Use, ...]
    findings: tuple[Finding, ...]
    is_manifest: bool = False


@dataclass(slots=True)
class Walk:
    """Walks collections in depth; nothing is visited twice.

    `tell` takes findings. Of what was visited only hashes are kept.
    """

    tell: Callable[[Iterable[Finding]], None]
    collections: int = 0
    _seen: set[int] = field(default_factory=set)

    def references(self, root: Root) -> Iterator[Reference]:
        """Yield the manifests and services that a document leads to, or is."""
        place, name = root.place, root.place.name(root.url)
        document = self._document(place, root.url, "")
        if document is None:
            return
        kind = kind_of(document)
        if kind is DocumentKind.COLLECTION:
            if self._is_new(name):
                yield from self._collection(place, root.url, document, (name,))
        elif kind is DocumentKind.MANIFEST:
            if self._is_new(name):
                yield Reference(place, root.url, "")
        elif kind is DocumentKind.INFO:
            service = root.url.removesuffix(f"/{INFO_FILE}")
            yield Reference(place, root.url, "", Use(service))
        else:
            self.tell([Finding(Kind.DOCUMENT, name, not_walked(kind))])

    def _collection(
        self, place: Place, url: str, document: dict[str, Any], path: tuple[str, ...]
    ) -> Iterator[Reference]:
        name = path[-1]
        self.collections += 1
        self.tell(faults_of(place, url, document))
        reading = Reading()
        reading.read_thumbnails("its thumbnail", document)
        for number, entry in enumerate(objects(document, "items"), start=1):
            by = f"entry {number}"
            target, kind = identifier(entry), type_of(entry)
            reading.read_thumbnails(f"{by}'s thumbnail", entry)
            if target is None:
                reading.faults.append(f"{by} has no id that is a percent-encoded URL")
            elif kind == "Manifest":
                if self._is_new(place.name(target)):
                    yield Reference(place, target, f"{name}, {by}")
            elif kind == "Collection":
                yield from self._inner(place, target, f"{name}, {by}", path)
            else:
                reading.faults.append(f"{by} is neither a Manifest nor a Collection")
            yield from self._flush(place, name, reading)
            reading = Reading()
        yield from self._flush(place, name, reading)

    def _inner(self, place: Place, url: str, by: str, path: tuple[str, ...]) -> Iterator[Reference]:
        name = place.name(url)
        if name in path:
            self.tell([Finding(Kind.DOCUMENT, by, f"lists {name}, which contains it")])
        elif len(path) >= MAX_DEPTH:
            what = f"{MAX_DEPTH} collections within each other; not followed any deeper"
            self.tell([Finding(Kind.DOCUMENT, by, what)])
        elif self._is_new(name):
            document = self._document(place, url, by)
            if document is None:
                return
            if kind_of(document) is not DocumentKind.COLLECTION:
                what = f"is not a Collection, as {by} says"
                self.tell([Finding(Kind.DOCUMENT, name, what)])
            else:
                yield from self._collection(place, url, document, (*path, name))

    def _flush(self, place: Place, name: str, reading: Reading) -> Iterator[Reference]:
        """Tell of an entry; its thumbnails are looked at, their services are its manifest's."""
        self.tell(Finding(Kind.DOCUMENT, name, fault) for fault in reading.faults)
        for use in reading.uses():
            for claim in use.claims:
                yield Reference(place, claim.url, name, Use(None, (claim,)))

    def _document(self, place: Place, url: str, by: str) -> dict[str, Any] | None:
        try:
            return read_document(place, url, by)
        except Unusable as error:
            self.tell([error.finding])
            return None

    def _is_new(self, name: str) -> bool:
        known = len(self._seen)
        self._seen.add(hash(name))
        return len(self._seen) > known


class Unusable(Exception):
    """A document that cannot be had; `finding` says why."""

    def __init__(self, finding: Finding) -> None:
        self.finding = finding
        super().__init__(finding)


def read_document(place: Place, url: str, by: str) -> dict[str, Any]:
    """Return a document; raises Unusable. `by` says what names it."""
    name = place.name(url)
    naming = f", named by {by}" if by else ""
    try:
        return parse_document(place.read(url, MAX_DOCUMENT_BYTES))
    except Absent as error:
        raise Unusable(Finding(Kind.MISSING, name, f"{error}{naming}")) from error
    except NoAnswer as error:
        raise Unusable(Finding(Kind.NO_ANSWER, name, str(error))) from error
    except TooLarge as error:
        what = f"has more than {MAX_DOCUMENT_BYTES:,} bytes; no viewer opens it"
        raise Unusable(Finding(Kind.DOCUMENT, name, what)) from error
    except BadDocument as error:
        raise Unusable(Finding(Kind.DOCUMENT, name, f"{error}{naming}")) from error


def read_manifest(reference: Reference) -> Chapter:
    """Return what a manifest leads to."""
    place, url = reference.place, reference.url
    name = place.name(url)
    if reference.use is not None:
        return Chapter(place, reference.by, (reference.use,), ())
    try:
        document = read_document(place, url, reference.by)
    except Unusable as error:
        return Chapter(place, name, (), (error.finding,))
    kind = kind_of(document)
    if kind is not DocumentKind.MANIFEST:
        return Chapter(place, name, (), (Finding(Kind.DOCUMENT, name, not_walked(kind)),))
    reading = Reading()
    reading.read_manifest(document)
    findings = [
        *faults_of(place, url, document),
        *(Finding(Kind.DOCUMENT, name, fault) for fault in reading.faults),
        *(Finding(Kind.GAP, name, f"{canvas} shows no image") for canvas in reading.gaps),
    ]
    return Chapter(place, name, tuple(reading.uses()), tuple(findings), is_manifest=True)


def faults_of(place: Place, url: str, document: dict[str, Any]) -> Iterator[Finding]:
    """Yield what is wrong with a Presentation 3 document as such."""
    name, said = place.name(url), identifier(document)
    if said is None or not place.same(url, said):
        yield Finding(Kind.DOCUMENT, name, wrong_id(url, said))
    if PRESENTATION_3 not in context_of(document):
        yield Finding(Kind.DOCUMENT, name, "its @context is not that of Presentation API 3")


def wrong_id(url: str, said: str | None) -> str:
    """Return the words for an id that is not the URL a document is fetched from."""
    if said is None:
        return f"has no id that is a percent-encoded URL; expected {url}"
    return f"its id is {said}, but it is fetched from {url}"
