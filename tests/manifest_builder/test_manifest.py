"""The Presentation 3 documents of pages and rows: pure values in, JSON out."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from iiif_prezi3 import Collection, Manifest, ManifestRef

from manifest_builder.collection import build_collections, parse_entry, refer
from manifest_builder.columns import COLUMN_NAMES
from manifest_builder.description import UNDESCRIBED, Description
from manifest_builder.document import to_json
from manifest_builder.manifest import build_manifest
from manifest_builder.row_reader import describe
from manifest_builder.sections import Section
from manifest_builder.table import Cell, Row
from pipeline.csv_file import column_name
from pipeline.defaults import NO_DEFAULTS, Defaults, Provider, RequiredStatement
from pipeline.errors import BadTask
from pipeline.geometry import Pyramid
from pipeline.layout import Layout
from pipeline.run import Page
from pipeline.task import Options, parse_task
from tests.builders import a_message, done, task_body

LAYOUT = Layout("iiif/Letters", "https://images.example.org")
OPTIONS = Options()
LANGUAGE_KEY = re.compile(r"[a-zA-Z-]+")
LANGUAGE_MAPS = {"label", "summary", "value"}

BASE_URLS = [
    "https://images.example.org",
    "http://127.0.0.1:8000",
    "http://localhost:8000/sub/folder",
    "https://images.example.org/~user/%7Ex/%C3%A9",
    "https://xn--bcher-kva.example",
    "http://[::1]:8000",
]
GIVEN_ADDRESSES = [
    "https://Images.Example.ORG/Folder",
    "https://images.example.org:443",
    "http://images.example.org:80/a/",
    "http://images.example.org:443",
    "https://xn--bcher-kva.example",
    "https://ex_ample.org/a//b",
    "https://images.example.org/a%2Fb/~c/;=,@:!$&'()*+",
    "http://127.0.0.1:8000",
]
REFUSED_ADDRESSES = [
    "https://images.example.org/a/../b",
    "https://images.example.org/a/./b",
    "https://images.example.org/a/%2e%2E/b",
    "http://[0:0:0:0:0:0:0:1]:8000",
]
ITEMS = [
    "book",
    "Ü é",
    "a#b",
    "100%",
    "a%20b",
    "a+b",
    "a,b",
    "a?b=c&d",
    "a:b",
    "日本語",
    "a'b\"c|[]{}",
]


def a_page(number: int = 1, item: str = "book", size: tuple[int, int] = (600, 400)) -> Page:
    width, height = size
    pyramid = Pyramid(width, height, OPTIONS.tile_size, OPTIONS.max_size)
    return done(a_message(item=item, page=number), width=width, height=height, sizes=pyramid.sizes)


def built(
    *pages: Page,
    row: Description = UNDESCRIBED,
    layout: Layout = LAYOUT,
    options: Options = OPTIONS,
    defaults: Defaults = NO_DEFAULTS,
) -> dict[str, Any]:
    manifest = build_manifest(layout, options, pages or [a_page()], row, defaults)
    document: dict[str, Any] = json.loads(to_json(manifest))
    return document


def whole(name: str, entries: list[ManifestRef]) -> Collection:
    """Return the collection of a few manifests."""
    (collection,) = build_collections(LAYOUT, name, entries).values()
    return collection


def walk(node: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of a document."""
    if isinstance(node, dict):
        yield node
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from walk(child)


def ids(document: Any) -> set[str]:
    return {node["id"] for node in walk(document) if "id" in node}


def expected_ids(layout: Layout, item: str, thumbnail: str) -> set[str]:
    service = layout.url(layout.service(item, 1))
    canvas = layout.canvas_url(item, 1)
    return {
        layout.url(layout.manifest(item)),
        layout.url(layout.collection),
        service,
        f"{service}/full/max/0/default.jpg",
        f"{service}/full/{thumbnail}/0/default.jpg",
        canvas,
        f"{canvas}/page",
        f"{canvas}/image",
    }


def body(document: dict[str, Any], canvas: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = document["items"][canvas]["items"][0]["items"][0]["body"]
    return found


def test_the_manifest_is_one_of_presentation_3_under_its_url() -> None:
    document = built()
    assert next(iter(document)) == "@context"
    assert document["@context"] == "http://iiif.io/api/presentation/3/context.json"
    assert document["type"] == "Manifest"
    assert document["id"] == "https://images.example.org/iiif/Letters/book/manifest.json"


def test_without_a_row_the_item_is_the_label() -> None:
    document = built()
    assert document["label"] == {"none": ["book"]}
    assert not {"summary", "metadata"} & document.keys()


def test_a_row_without_a_title_leaves_the_item_as_the_label() -> None:
    assert built(row=Description())["label"] == {"none": ["book"]}


def test_a_row_gives_label_summary_and_metadata_in_its_order() -> None:
    document = built(
        row=Description(
            ("Notebook",), ("Notes\non <trees>",), (("date", ("1911",)), ("by", ("A. F.", "B")))
        )
    )
    assert document["label"] == {"none": ["Notebook"]}
    assert document["summary"] == {"none": ["Notes\non <trees>"]}
    assert document["metadata"] == [
        {"label": {"none": ["date"]}, "value": {"none": ["1911"]}},
        {"label": {"none": ["by"]}, "value": {"none": ["A. F.", "B"]}},
    ]


def test_the_manifest_says_which_collection_it_is_part_of() -> None:
    url = "https://images.example.org/iiif/Letters/collection.json"
    assert built()["partOf"] == [{"id": url, "type": "Collection"}]


def test_canvases_have_the_order_names_and_dimensions_of_the_pages() -> None:
    sizes = [(600, 400), (1200, 1600), (30, 20)]
    document = built(*(a_page(number, size=size) for number, size in enumerate(sizes, 1)))
    canvases = document["items"]
    assert [canvas["label"] for canvas in canvases] == [{"none": [n]} for n in "123"]
    assert [(canvas["width"], canvas["height"]) for canvas in canvases] == sizes
    assert [canvas["id"] for canvas in canvases] == [
        f"https://images.example.org/iiif/Letters/book/canvas/{number}" for number in (1, 2, 3)
    ]


def test_an_annotation_paints_its_own_canvas() -> None:
    for canvas in built(a_page(1), a_page(2))["items"]:
        (annotation,) = canvas["items"][0]["items"]
        assert annotation["motivation"] == "painting"
        assert annotation["target"] == canvas["id"]


def test_the_body_is_full_max_with_the_dimensions_of_that_file() -> None:
    found = body(built(a_page(size=(3000, 2000))))
    assert found["id"].endswith("/iiif/Letters/tiles/book-1/full/max/0/default.jpg")
    assert (found["type"], found["format"]) == ("Image", "image/jpeg")
    assert (found["width"], found["height"]) == (3000, 2000)


@pytest.mark.parametrize("size", [(9000, 5000), (5001, 9000), (70_000, 3)])
def test_the_body_of_an_image_beyond_max_size_has_the_smaller_files_dimensions(
    size: tuple[int, int],
) -> None:
    options = Options(max_size=4000)
    pyramid = Pyramid(*size, options.tile_size, options.max_size)
    page = done(a_message(), width=size[0], height=size[1], sizes=pyramid.sizes)
    document = built(page, options=options)
    found = body(document)
    assert (found["width"], found["height"]) == pyramid.full
    assert 2000 < max(pyramid.full) <= 4000
    (canvas,) = document["items"]
    assert (canvas["width"], canvas["height"]) == size


def test_the_embedded_service_tells_sizes_and_no_dimensions_of_its_own() -> None:
    document = built(a_page(size=(3000, 2000)))
    services = [node for node in walk(document) if node.get("type") == "ImageService3"]
    assert services
    for service in services:
        assert service["profile"] == "level0"
        assert service["id"] == "https://images.example.org/iiif/Letters/tiles/book-1"
        assert service["sizes"] == [
            {"width": 375, "height": 250},
            {"width": 750, "height": 500},
            {"width": 1500, "height": 1000},
        ]
        assert not {"width", "height"} & service.keys()


@given(st.integers(1, 40_000), st.integers(1, 40_000))
def test_every_image_named_is_a_file_of_the_pyramid_with_its_size(width: int, height: int) -> None:
    pyramid = Pyramid(width, height, OPTIONS.tile_size, OPTIONS.max_size)
    document = built(a_page(size=(width, height)))
    service = "https://images.example.org/iiif/Letters/tiles/book-1/"
    images = [node for node in walk(document) if node.get("type") == "Image"]
    assert len(images) == 3  # of the manifest, of the canvas, and what is painted
    for image in images:
        path = image["id"].removeprefix(service)
        assert path in pyramid.whole_images[image["width"], image["height"]]  # type: ignore[index]


@given(st.integers(1, 40_000), st.integers(1, 40_000))
def test_a_thumbnail_is_200_pixels_wide_where_a_listed_size_is(width: int, height: int) -> None:
    (thumbnail,) = built(a_page(size=(width, height)))["thumbnail"]
    wide = [size for size in Pyramid(width, height).sizes if size.width >= 200]
    assert thumbnail["width"] >= 200 if wide else thumbnail["width"] <= 200
    assert f"/full/{thumbnail['width']},{thumbnail['height']}/0/" in thumbnail["id"]


def test_the_manifests_thumbnail_is_that_of_the_first_canvas() -> None:
    document = built(a_page(1), a_page(2, size=(1000, 1000)))
    assert document["thumbnail"] == document["items"][0]["thumbnail"]
    assert document["thumbnail"] != document["items"][1]["thumbnail"]


@pytest.mark.parametrize("item", ITEMS)
@pytest.mark.parametrize("base_url", BASE_URLS)
def test_ids_are_the_urls_of_the_layout_letter_for_letter(base_url: str, item: str) -> None:
    layout = Layout("iiif/Großes Archiv", base_url)
    assert ids(built(a_page(item=item), layout=layout)) == expected_ids(layout, item, "300,200")


@pytest.mark.parametrize(
    "address",
    [
        *GIVEN_ADDRESSES,
    ],
)
def test_ids_agree_with_the_layout_whatever_address_a_task_gives(address: str) -> None:
    layout = parse_task(task_body({"DEST_URL": address})).layout
    assert ids(built(layout=layout)) == expected_ids(layout, "book", "300,200")


@pytest.mark.parametrize("address", REFUSED_ADDRESSES)
def test_an_address_that_libraries_would_rewrite_is_refused(address: str) -> None:
    with pytest.raises(BadTask, match="DEST_URL"):
        parse_task(task_body({"DEST_URL": address}))


@pytest.mark.parametrize("item", ITEMS)
def test_a_collections_entry_has_the_manifests_id(item: str) -> None:
    manifest = build_manifest(LAYOUT, OPTIONS, [a_page(item=item)])
    (entry,) = json.loads(to_json(whole("All", [refer(manifest)])))["items"]
    assert entry["id"] == LAYOUT.url(LAYOUT.manifest(item))


def test_the_collection_lists_entries_in_the_order_given_with_label_and_thumbnail() -> None:
    manifests = [
        build_manifest(LAYOUT, OPTIONS, [a_page(item=item)], Description((title,)))
        for item, title in [("b", "Second"), ("a", "First")]
    ]
    document = json.loads(to_json(whole("Letters", list(map(refer, manifests)))))
    assert document["type"] == "Collection"
    assert document["id"] == "https://images.example.org/iiif/Letters/collection.json"
    assert document["label"] == {"none": ["Letters"]}
    assert [entry["label"] for entry in document["items"]] == [
        {"none": ["Second"]},
        {"none": ["First"]},
    ]
    for entry, manifest in zip(document["items"], manifests, strict=True):
        assert entry["type"] == "Manifest"
        assert entry["thumbnail"] == json.loads(to_json(manifest))["thumbnail"]
        assert "items" not in entry


def test_an_empty_collection_still_has_a_list() -> None:
    assert json.loads(to_json(whole("Letters", [])))["items"] == []


@pytest.mark.parametrize("image_api", [2, 3])
def test_a_manifest_survives_being_published_and_read_again(image_api: int) -> None:
    manifest = build_manifest(
        LAYOUT,
        Options(image_api=image_api),
        [a_page(1), a_page(2)],
        Description(("Title",), nav_date="1911-01-01T00:00:00Z"),
    )
    assert parse_entry(to_json(manifest)).json() == refer(manifest).json()


FOREIGN = {
    "empty": b"",
    "no JSON": b"<html>",
    "no UTF-8": b"\xff\xfe\x00",
    "a list": b"[]",
    "null": b"null",
    "a number": b"1",
    "no context": b'{"id": "https://a.org/m", "type": "Manifest", "label": {"none": ["x"]}}',
    "no label": b'{"@context": "x", "id": "https://a.org/m", "type": "Manifest", "items": []}',
    "a collection": (
        b'{"@context": "x", "id": "https://a.org/c", "type": "Collection",'
        b' "label": {"none": ["x"]}, "items": []}'
    ),
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN.keys())
def test_what_is_no_manifest_of_presentation_3_is_a_value_error(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_entry(content)


TAKEN_FOR_MANIFESTS = {
    "no id": b'{"@context": "x", "type": "Manifest", "label": {"none": ["x"]}, "items": []}',
    "Presentation 2": (
        b'{"@context": "http://iiif.io/api/presentation/2/context.json", "@type": "sc:Manifest",'
        b' "@id": "https://a.org/m", "label": "x", "sequences": []}'
    ),
    "a nest": b"[" * 200_000,
}


@pytest.mark.parametrize("content", TAKEN_FOR_MANIFESTS.values(), ids=TAKEN_FOR_MANIFESTS.keys())
def test_what_has_no_id_or_breaks_the_reader_is_a_value_error_too(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_entry(content)


def calls_of(pages: list[Page]) -> int:
    """Return how many Python functions are called to build and write a manifest."""
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        document = to_json(build_manifest(LAYOUT, OPTIONS, pages))
    finally:
        sys.setprofile(None)
    assert document.count(b'"Canvas"') == len(pages)
    return calls


@pytest.mark.parametrize(
    "text", ["1911-01-02", "1911-01-02T00:00:00Z", "2024-02-30", "1e5", "null"]
)
def test_texts_that_look_like_something_else_stay_as_they_are(text: str) -> None:
    document = built(row=Description((text,), (text,), (("date", (text,)),)))
    assert document["label"] == document["summary"] == {"none": [text]}
    assert document["metadata"][0]["value"] == {"none": [text]}


def test_the_work_grows_no_faster_than_the_pages() -> None:
    pages = [a_page(number) for number in range(1, 401)]
    few, many = calls_of(pages[:100]), calls_of(pages)
    assert many < 4.2 * few


def test_four_thousand_canvases_fit_one_manifest(tmp_path: Path) -> None:
    manifest = build_manifest(LAYOUT, OPTIONS, [a_page(n) for n in range(1, 4001)])
    assert isinstance(manifest, Manifest)
    canvases = json.loads(to_json(manifest))["items"]
    assert len({canvas["id"] for canvas in canvases}) == 4000


# What a row and the run's defaults add

FULL = Description(
    title=("Ein <i>Buch</i>", "A book"),
    summary=("H<sub>2</sub>O", "a < b"),
    metadata=(("creator", ("A. F.", "<b>B</b>")), ("<b>x</b>", ("<script>y</script>",))),
    language="de",
    rights="http://rightsstatements.org/vocab/InC/1.0/",
    required_statement=("Courtesy of <b>us</b>",),
    providers=(Provider("Bücherei & Co", logo="https://a.example/l.PNG?x"),),
    homepages=("https://a.example/book",),
    nav_date="1911-05-03T00:00:00Z",
    viewing_direction="right-to-left",
    behaviors=("paged", "no-repeat"),
    thumbnail_page=2,
    page_labels=("Deckel", "", "1r"),
    sections=(Section("Anfang", (1,)), Section("Briefe", (2, 3))),
)


def full(row: Description = FULL, **fields: Any) -> dict[str, Any]:
    return built(*(a_page(number) for number in (1, 2, 3)), row=row, **fields)


def test_texts_stand_under_the_rows_language_with_the_html_that_is_allowed() -> None:
    document = full()
    assert document["label"] == {"de": ["Ein Buch", "A book"]}
    assert document["summary"] == {"de": ["<span>H<sub>2</sub>O</span>", "a < b"]}
    assert document["metadata"] == [
        {"label": {"none": ["creator"]}, "value": {"de": ["A. F.", "<b>B</b>"]}}
    ]
    assert document["requiredStatement"] == {
        "label": {"none": ["Attribution"]},
        "value": {"de": ["<span>Courtesy of <b>us</b></span>"]},
    }


def test_values_of_the_specification_stand_under_its_names() -> None:
    document = full()
    assert document["rights"] == "http://rightsstatements.org/vocab/InC/1.0/"
    assert document["navDate"] == "1911-05-03T00:00:00Z"
    assert document["viewingDirection"] == "right-to-left"
    assert document["behavior"] == ["paged", "no-repeat"]
    assert document["homepage"] == [
        {
            "id": "https://a.example/book",
            "type": "Text",
            "label": document["label"],
            "format": "text/html",
        }
    ]


def test_a_provider_is_an_agent_with_an_id() -> None:
    url = "https://images.example.org/iiif/Letters/collection.json"
    assert full()["provider"] == [
        {
            "id": f"{url}#B%C3%BCcherei%20%26%20Co",
            "type": "Agent",
            "label": {"de": ["Bücherei & Co"]},
            "logo": [{"id": "https://a.example/l.PNG?x", "type": "Image", "format": "image/png"}],
        }
    ]


def test_labels_thumbnail_and_contents_count_the_canvases() -> None:
    pages = [a_page(number, size=(600, 400 + number)) for number in (4, 7, 9)]
    document = built(*pages, row=FULL)
    canvases = document["items"]
    assert [canvas["label"] for canvas in canvases] == [
        {"de": ["Deckel"]},
        {"none": ["2"]},
        {"de": ["1r"]},
    ]
    assert document["thumbnail"] == canvases[1]["thumbnail"] != canvases[0]["thumbnail"]
    (contents,) = document["structures"]
    assert [
        (entry["label"]["de"], [canvas["id"] for canvas in entry["items"]])
        for entry in contents["items"]
    ] == [
        (["Anfang"], [canvases[0]["id"]]),
        (["Briefe"], [canvases[1]["id"], canvases[2]["id"]]),
    ]
    ranges = [contents, *contents["items"]]
    assert [entry["type"] for entry in ranges] == ["Range"] * 3
    assert len({entry["id"] for entry in ranges} | {canvas["id"] for canvas in canvases}) == 6


DEFAULTS = Defaults(
    "http://creativecommons.org/publicdomain/zero/1.0/",
    Provider("The Library", "https://l.example/", "https://l.example/l.svg", "https://l.example/1"),
    RequiredStatement("Courtesy of the library", "Credit"),
)


def test_what_a_row_does_not_say_the_run_says() -> None:
    document = built(defaults=DEFAULTS)
    assert document["rights"] == DEFAULTS.rights
    assert document["requiredStatement"] == {
        "label": {"none": ["Credit"]},
        "value": {"none": ["Courtesy of the library"]},
    }
    name = {"none": ["The Library"]}
    assert document["provider"] == [
        {
            "id": "https://l.example/1",
            "type": "Agent",
            "label": name,
            "homepage": [
                {"id": "https://l.example/", "type": "Text", "label": name, "format": "text/html"}
            ],
            "logo": [{"id": "https://l.example/l.svg", "type": "Image", "format": "image/svg+xml"}],
        }
    ]


def test_what_a_row_says_goes_before_the_runs() -> None:
    document = full(defaults=DEFAULTS)
    assert document["rights"] == FULL.rights
    assert [agent["label"] for agent in document["provider"]] == [{"de": ["Bücherei & Co"]}]
    assert "The Library" not in str(document)
    assert document["requiredStatement"]["label"] == {"none": ["Credit"]}
    assert document["requiredStatement"]["value"] == {"de": ["<span>Courtesy of <b>us</b></span>"]}


def test_rights_that_a_row_states_without_a_uri_are_not_the_runs() -> None:
    assert "rights" not in built(row=Description(rights=""), defaults=DEFAULTS)


def test_a_row_may_name_the_runs_provider_without_its_details() -> None:
    document = built(row=Description(providers=(Provider("the library"),)), defaults=DEFAULTS)
    assert document["provider"][0]["id"] == "https://l.example/1"
    assert document["provider"][0]["logo"][0]["id"] == "https://l.example/l.svg"


@pytest.mark.parametrize("image_api", [2, 3])
@given(width=st.integers(1, 20_000), height=st.integers(1, 20_000))
def test_bodies_and_thumbnails_name_files_of_either_image_api(
    image_api: int, width: int, height: int
) -> None:
    options = Options(image_api=image_api)
    pyramid = options.pyramid(width, height)
    page = done(a_message(), width=width, height=height, sizes=pyramid.sizes)
    document = built(page, options=options)
    service = LAYOUT.url(LAYOUT.service("book", 1))
    images = [node for node in walk(document) if node.get("type") == "Image"]
    assert len(images) == 3
    for image in images:
        assert image["id"].removeprefix(f"{service}/") in pyramid.paths
        (embedded,) = image["service"]
        names = ("id", "type") if image_api == 3 else ("@id", "@type")
        assert [embedded[name] for name in names] == [service, f"ImageService{image_api}"]
        assert [(size["width"], size["height"]) for size in embedded["sizes"]] == list(
            pyramid.sizes
        )


# What the specification requires of any manifest

REQUIRED = {
    "Manifest": {"id", "label", "items"},
    "Canvas": {"id", "width", "height", "items"},
    "AnnotationPage": {"id", "items"},
    "Annotation": {"id", "motivation", "target", "body"},
    "Image": {"id"},
    "ImageService3": {"id", "profile"},
    "Agent": {"id", "label"},
    "Text": {"id", "label"},
    "Range": {"id", "items"},
    "Collection": {"id"},
}


def assert_holds_what_is_required(document: dict[str, Any]) -> None:
    """Assert what https://iiif.io/api/presentation/3.0/ says that a manifest must have and be."""
    Manifest.model_validate_json(json.dumps(document))
    canvases = {canvas["id"] for canvas in document["items"]}
    assert len(canvases) == len(document["items"])
    for node in walk(document):
        kind = node.get("type")
        if kind is not None and node.keys() != {"id", "type"}:
            assert node.keys() >= REQUIRED[kind], kind
        for name in LANGUAGE_MAPS & node.keys():
            assert node[name]
            assert all(LANGUAGE_KEY.fullmatch(language) for language in node[name])
            assert all(text for texts in node[name].values() for text in texts)
            assert all(node[name].values())
    for entry in walk(document.get("structures", [])):
        assert entry.get("type") != "Range" or entry["items"]
        assert entry.get("type") != "Canvas" or entry["id"] in canvases
    assert all(document.values())


HOSTILE = [
    *("||", "<b>", "</p>", "<script>", "<trees>", "javascript:x", "https://", "a.example", ": "),
    *("2-3", "en", "paged", "\x00", "\u202e", "é", "CC BY 4.0", "1911", " ", "'", '"', "&", "1"),
]
CELLS = st.tuples(
    st.sampled_from([*COLUMN_NAMES, "creator", "<b>", "\x00"]),
    st.lists(st.sampled_from(HOSTILE), min_size=1).map("".join) | st.text(min_size=1),
)


@given(st.lists(CELLS, max_size=12), st.integers(1, 3))
def test_no_row_breaks_its_item(cells: list[tuple[str, str]], count: int) -> None:
    row = Row(2, tuple(Cell(column_name(label), label, text) for label, text in cells))
    description, _ = describe(row, count)
    pages = [a_page(number) for number in range(1, count + 1)]
    for defaults in (NO_DEFAULTS, DEFAULTS):
        assert_holds_what_is_required(built(*pages, row=description, defaults=defaults))


@pytest.mark.parametrize("row", [UNDESCRIBED, FULL])
def test_a_manifest_holds_what_is_required(row: Description) -> None:
    assert_holds_what_is_required(full(row, defaults=DEFAULTS))
