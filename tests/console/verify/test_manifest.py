"""Manifests of any origin: all forms in which an image may stand, and none that breaks it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.verify.manifest import Claim, Reading, Use
from pipeline.geometry import Size

SERVICE = {"id": "https://x.org/i", "type": "ImageService3"}
BODY = {
    "id": "https://x.org/i/full/max/0/default.jpg",
    "type": "Image",
    "width": 30,
    "height": 20,
    "service": [SERVICE],
}


def read(manifest: dict[str, Any]) -> Reading:
    reading = Reading()
    reading.read_manifest(manifest)
    return reading


def painting(body: object, **canvas: object) -> dict[str, Any]:
    annotation = {"motivation": "painting", "body": body, "target": "https://x.org/c"}
    page = {"items": [annotation]}
    return {
        "items": [{"id": "https://x.org/c", "width": 3, "height": 2, "items": [page], **canvas}]
    }


def test_an_image_leads_to_its_service_with_what_is_said_of_both() -> None:
    (use,) = read(painting(BODY)).uses()
    claim = Claim(BODY["id"], Size(30, 20), "canvas 1's image")  # type: ignore[arg-type]
    assert use == Use("https://x.org/i", (claim,), (("canvas 1", Size(3, 2)),))


def test_choices_and_specific_resources_are_followed() -> None:
    other = {**BODY, "id": "https://x.org/j/full/max/0/default.jpg", "service": []}
    specific = {"type": "SpecificResource", "source": BODY}
    uses = read(painting({"type": "Choice", "items": [specific, other]})).uses()
    assert [use.service for use in uses] == ["https://x.org/i", None]


def test_an_image_on_a_part_of_its_canvas_need_not_have_its_shape() -> None:
    manifest = painting(BODY)
    manifest["items"][0]["items"][0]["items"][0]["target"] += "#xywh=0,0,1,1"
    (use,) = read(manifest).uses()
    assert use.canvases == ()


def test_a_service_of_version_2_is_found_by_its_own_names() -> None:
    service = {"@id": "https://x.org/i", "@type": "ImageService2"}
    (use,) = read(painting({**BODY, "service": service})).uses()
    assert use.service == "https://x.org/i"


def test_thumbnails_of_the_same_service_are_one_image() -> None:
    thumbnail = {**BODY, "id": "https://x.org/i/full/3,2/0/default.jpg"}
    manifest = {**painting(BODY, thumbnail=[thumbnail]), "thumbnail": [thumbnail]}
    (use,) = read(manifest).uses()
    assert len(use.claims) == 3


EMPTY_CANVASES: dict[str, dict[str, Any]] = {
    "no pages": {"items": []},
    "no items": {},
    "empty page": {"items": [{"type": "AnnotationPage", "items": []}]},
    "comment": {"items": [{"items": [{"motivation": "commenting", "body": BODY}]}]},
    "no body": {"items": [{"items": [{"motivation": "painting"}]}]},
}


@pytest.mark.parametrize("canvas", EMPTY_CANVASES.values(), ids=EMPTY_CANVASES.keys())
def test_a_canvas_without_an_image_is_a_gap_and_no_fault(canvas: dict[str, Any]) -> None:
    manifest = painting(BODY)
    manifest["items"].append({"id": "https://x.org/d", "width": 3, "height": 2, **canvas})
    reading = read(manifest)
    assert (reading.gaps, reading.faults) == (["canvas 2"], [])
    assert len(list(reading.uses())) == 1


def test_a_canvas_that_shows_something_else_than_an_image_is_no_gap() -> None:
    assert read(painting({"type": "Video", "id": "https://x.org/v.mp4"})).gaps == []


def test_a_manifest_without_canvases_is_a_fault() -> None:
    assert read({}).faults == ["has no canvases"]


def test_what_is_no_url_is_a_fault_and_not_asked_for() -> None:
    for bad in (None, 5, "", "https://x.org/a b", "https://x.org/\n", "\ud800", "x" * 5000):
        reading = read(painting({**BODY, "id": bad}))
        assert list(reading.uses()) == []
        assert "percent-encoded" in reading.faults[0]


NAMES = ["id", "type", "items", "body", "source", "service", "thumbnail", "motivation", "sizes"]
VALUES = st.none() | st.integers() | st.sampled_from(["painting", "Image", "Choice", "x"])
ANYTHING = st.recursive(
    VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner),
    max_leaves=30,
)


@given(st.dictionaries(st.sampled_from(NAMES), ANYTHING))
def test_no_document_breaks_the_reading(document: dict[str, Any]) -> None:
    list(read(document).uses())
