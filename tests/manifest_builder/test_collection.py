"""Large collections are collections of collections, in files that no item can have."""

import json
from typing import Any

import pytest
from iiif_prezi3 import Collection, ManifestRef

from manifest_builder.collection import MAX_ENTRIES, build_collections, parse_entry, refer
from manifest_builder.description import Description
from manifest_builder.document import to_json
from manifest_builder.manifest import build_manifest
from pipeline.geometry import Pyramid
from pipeline.layout import Layout
from pipeline.task import Options
from tests.builders import a_message, done

LAYOUT = Layout("iiif/Letters", "https://images.example.org")
ROOT = "https://images.example.org/iiif/Letters/collection.json"


def entries(count: int) -> list[ManifestRef]:
    return [
        ManifestRef(
            id=LAYOUT.url(LAYOUT.manifest(f"item{number}")),
            label={"none": [f"Item {number}"]},
            thumbnail=[{"id": f"https://images.example.org/{number}.jpg", "type": "Image"}],
        )
        for number in range(1, count + 1)
    ]


def built(count: int) -> dict[str, dict[str, Any]]:
    """Return the documents by their key."""
    collections = build_collections(LAYOUT, "Letters", entries(count))
    return {key: json.loads(to_json(collection)) for key, collection in collections.items()}


@pytest.mark.parametrize("count", [0, 1, MAX_ENTRIES])
def test_up_to_the_limit_there_is_one_file(count: int) -> None:
    documents = built(count)
    assert list(documents) == [LAYOUT.collection]
    assert len(documents[LAYOUT.collection]["items"]) == count
    assert "partOf" not in documents[LAYOUT.collection]


@pytest.mark.parametrize(("count", "sizes"), [(1_001, [1_000, 1]), (2_500, [1_000, 1_000, 500])])
def test_above_the_limit_the_whole_lists_parts(count: int, sizes: list[int]) -> None:
    documents = built(count)
    *parts, root = documents
    assert root == LAYOUT.collection
    assert parts == [f"iiif/Letters/collections/{n}.json" for n in range(1, len(sizes) + 1)]
    assert [len(documents[part]["items"]) for part in parts] == sizes
    listed = documents[root]["items"]
    for part, entry in zip(parts, listed, strict=True):
        document = documents[part]
        assert entry["type"] == document["type"] == "Collection"
        assert entry["id"] == document["id"] == LAYOUT.url(part)
        assert entry["label"] == document["label"]
        assert entry["thumbnail"] == document["items"][0]["thumbnail"]
        assert document["partOf"] == [{"id": ROOT, "type": "Collection"}]
    found = [entry["id"] for part in parts for entry in documents[part]["items"]]
    assert found == [LAYOUT.url(LAYOUT.manifest(f"item{n}")) for n in range(1, count + 1)]


def test_parts_are_told_apart_by_their_labels() -> None:
    labels = [entry["label"]["none"] for entry in built(2_001)[LAYOUT.collection]["items"]]
    assert labels == [["Letters, 1–1000"], ["Letters, 1001–2000"], ["Letters, 2001"]]


@pytest.mark.parametrize("count", [0, 1, 1_001])
def test_collections_hold_what_is_required(count: int) -> None:
    for key, document in built(count).items():
        Collection.model_validate_json(json.dumps(document))
        assert document["@context"] == "http://iiif.io/api/presentation/3/context.json"
        assert document["id"] == LAYOUT.url(key)
        assert document["label"]
        assert isinstance(document["items"], list)
        assert count == 0 or document["thumbnail"] == document["items"][0]["thumbnail"]
        for entry in document["items"]:
            assert entry.keys() >= {"id", "type", "label"}


@pytest.mark.parametrize("image_api", [2, 3])
def test_entries_keep_label_date_and_thumbnail_with_its_service(image_api: int) -> None:
    options = Options(image_api=image_api)
    page = done(a_message(), width=600, height=400, sizes=Pyramid(600, 400).sizes)
    row = Description(("Title",), ("Long text",), nav_date="1911-05-03T00:00:00Z")
    content = to_json(build_manifest(LAYOUT, options, [page], row))
    manifest = json.loads(content)
    expected = {name: manifest[name] for name in ("id", "type", "label", "thumbnail", "navDate")}
    (service,) = expected["thumbnail"][0]["service"]
    assert service["sizes"]
    fresh = refer(build_manifest(LAYOUT, options, [page], row))
    for entry in (fresh, parse_entry(content)):
        document = json.loads(to_json(build_collections(LAYOUT, "x", [entry])[LAYOUT.collection]))
        assert document["items"] == [expected]


def deep(levels: int) -> list[Any]:
    return [deep(levels - 1)] if levels else []


@pytest.mark.parametrize(
    "fields",
    [
        {"label": {"none": ["\ud800"]}},
        {"id": "https://a.example/\udfff"},
        {"thumbnail": [{"id": "https://a.example/\ud800", "type": "Image"}]},
        {"thumbnail": [{"id": "https://a.example/", "type": "Image", "width": float("nan")}]},
        {"thumbnail": deep(300)},
    ],
    ids=["label", "id", "thumbnail", "NaN", "deep"],
)
def test_a_manifest_that_could_not_be_written_again_is_refused(fields: dict[str, Any]) -> None:
    manifest = {"@context": "x", "type": "Manifest", "id": "https://a.b/m", "label": {"en": ["M"]}}
    assert parse_entry(json.dumps(manifest).encode())
    with pytest.raises(ValueError):  # noqa: PT011  # each is another library's
        parse_entry(json.dumps(manifest | fields).encode())
