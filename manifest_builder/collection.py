"""Collections, in parts where they are large, and their entries. Pure.

Presentation 3 has no paging: a large collection is one of collections.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence

from iiif_prezi3 import Collection, CollectionRef, Manifest, ManifestRef

from manifest_builder.document import label
from pipeline.layout import Layout

MAX_ENTRIES = 1_000
"""Manifests that one file lists: viewers read it whole."""


def build_collections(
    layout: Layout, name: str, entries: Sequence[ManifestRef]
) -> dict[str, Collection]:
    """Return the collection of all manifests by its key, the last; before it its parts, if any.

    Manifests name the whole collection as theirs, for in which part they are changes as others
    are added.
    """
    if len(entries) <= MAX_ENTRIES:
        return {layout.collection: _collection(layout, layout.collection, name, entries)}
    subcollections: dict[str, Collection] = {}
    references: list[CollectionRef] = []
    for number, first in enumerate(range(0, len(entries), MAX_ENTRIES), 1):
        members = entries[first : first + MAX_ENTRIES]
        key = layout.subcollection(number)
        last = f"–{first + len(members)}" if len(members) > 1 else ""
        title = f"{name}, {first + 1}{last}"
        subcollections[key] = _collection(layout, key, title, members)
        references.append(
            CollectionRef(
                id=layout.url(key),
                type="Collection",
                label=label([title]),
                thumbnail=members[0].thumbnail,
            )
        )
    return {
        **subcollections,
        layout.collection: _collection(layout, layout.collection, name, references),
    }


def refer(manifest: Manifest) -> ManifestRef:
    """Return a collection's entry for a manifest, with its thumbnail and date."""
    return ManifestRef(
        id=manifest.id,
        type="Manifest",
        label=manifest.label,
        thumbnail=manifest.thumbnail,
        **manifest.model_dump(mode="json", include={"navDate"}, exclude_none=True),
    )


def parse_entry(content: bytes) -> ManifestRef:
    """Return a collection's entry for a published manifest.

    Raises ValueError for anything but a Presentation 3 manifest with an id and a label.
    """
    try:
        document = json.loads(content, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("not a Presentation 3 manifest: nested too deep") from error
    if not isinstance(document, dict) or not document.keys() >= {"@context", "type"}:
        raise ValueError("not a Presentation 3 manifest")  # as for wrong JSON
    if document["type"] != "Manifest":
        raise ValueError("not a manifest")
    if not isinstance(document.get("id"), str) or not isinstance(document.get("label"), dict):
        raise ValueError("not a Presentation 3 manifest: it has no id or no label")  # noqa: TRY004
    date = document.get("navDate")
    entry = ManifestRef(
        id=document["id"],
        type="Manifest",
        label=document["label"],
        thumbnail=document.get("thumbnail"),
        **({"navDate": date} if isinstance(date, str) else {}),
    )
    # What cannot be written, such as half a character, must not keep the collection from it.
    entry.model_dump_json()
    return entry


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def listing(contents: Iterable[bytes]) -> Counter[str]:
    """Return what a collection and its parts list, in no order: manifests whole, parts by id.

    Raises ValueError for anything but collections.
    """
    try:
        entries = [entry for content in contents for entry in json.loads(content)["items"]]
        return Counter(
            json.dumps(entry if entry["type"] == "Manifest" else entry["id"], sort_keys=True)
            for entry in entries
        )
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError("not a collection") from error


def _collection(
    layout: Layout, key: str, name: str, entries: Sequence[ManifestRef | CollectionRef]
) -> Collection:
    whole = layout.url(layout.collection)
    return Collection(
        id=layout.url(key),
        label=label([name]) or {"none": [name]},
        thumbnail=entries[0].thumbnail if entries else None,
        partOf=[{"id": whole, "type": "Collection"}] if key != layout.collection else None,
        items=list(entries),
    )
