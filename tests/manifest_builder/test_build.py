"""The final job on real folders: what it publishes, withholds, withdraws and tells."""

import json
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import pyvips

from manifest_builder import collection
from manifest_builder.build import finish_run
from manifest_builder.summary import MAX_NAMED
from pipeline.defaults import Defaults, Provider
from pipeline.errors import TransientError
from pipeline.layout import Layout
from pipeline.ledger import Ledger
from pipeline.message import Message
from pipeline.rows import encode, summary_values
from pipeline.run import Page, PageState, Plan, RunState
from pipeline.storage import MissingObject, Storage, open_storage
from pipeline.task import Options
from tests.builders import a_message, a_plan, a_run, done, failed, new_run_id
from tests.builds import (
    Interrupted,
    building,
    files,
    finish,
    has_manifest,
    listed,
    manifest_urls,
    pages_of,
    publish,
    read,
    write_csv,
)
from tests.fakes import MemoryLedger
from tests.steps import run_through
from worker.page import tile_page
from worker.work import PageWork

CSV = b"identifier,title\nbook,The book\n"
MAX_ROW_BYTES = 400_000
"""https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html"""


@pytest.fixture
def plan(source: Path, dest: Path) -> Plan:
    plan = a_plan(source, dest)
    write_csv(plan, CSV)
    return plan


# What is published


def test_every_item_gets_a_manifest_and_the_collection_lists_them(plan: Plan) -> None:
    summary = finish(plan, pages_of(book=2, map=1))
    assert len(read(plan, plan.layout.manifest("book"))["items"]) == 2
    assert listed(plan) == manifest_urls(plan, "book", "map")
    assert (summary.items, summary.images, summary.failed) == (2, 3, 0)
    assert summary.collection_url == plan.layout.url(plan.layout.collection)


def test_pages_stand_in_the_order_of_their_numbers(plan: Plan) -> None:
    finish(plan, list(reversed(pages_of(book=12))))
    labels = [
        canvas["label"]["none"][0] for canvas in read(plan, plan.layout.manifest("book"))["items"]
    ]
    assert labels == [str(number) for number in range(1, 13)]


def test_rows_of_the_csv_describe_the_manifests(plan: Plan) -> None:
    finish(plan, pages_of(book=1))
    assert read(plan, plan.layout.manifest("book"))["label"] == {"none": ["The book"]}


def test_a_decomposed_row_describes_the_composed_item(plan: Plan) -> None:
    name = "Bücher"
    write_csv(plan, f"identifier,title\n{unicodedata.normalize('NFD', name)},Titel\n".encode())
    summary = finish(plan, [done(a_message(item=name))])
    assert read(plan, plan.layout.manifest(name))["label"] == {"none": ["Titel"]}
    assert (summary.without_row, summary.problems) == ((), ())


def test_the_collection_follows_the_csv_then_natural_order(plan: Plan) -> None:
    write_csv(plan, b"identifier\nz\na\n")
    finish(plan, pages_of(a=1, z=1, p10=1, p9=1))
    assert listed(plan) == manifest_urls(plan, "z", "a", "p9", "p10")


def test_the_csv_is_copied_byte_for_byte(plan: Plan) -> None:
    content = b'\xef\xbb\xbfIDENTIFIER , title\r\nbook,"a\nb"\r\n\r\n'
    write_csv(plan, content)
    finish(plan, pages_of(book=1))
    assert open_storage(plan.dest_store).read(plan.layout.csv("letters.csv")) == content


def test_items_without_a_row_are_published_and_named(plan: Plan) -> None:
    summary = finish(plan, pages_of(book=1, stray=1))
    assert has_manifest(plan, "stray")
    assert summary.without_row == ("stray",)


def test_rows_without_images_are_named(plan: Plan) -> None:
    write_csv(plan, b"identifier\nbook\nlost\n")
    summary = finish(plan, pages_of(book=1))
    assert len(summary.problems) == 1
    assert "'lost'" in summary.problems[0]


def test_what_is_wrong_with_the_csv_is_told(plan: Plan) -> None:
    write_csv(plan, b"identifier\nbook\nbook\n")
    assert any("more than once" in problem for problem in finish(plan, pages_of(book=1)).problems)


def test_tiles_and_reused_pages_are_counted(plan: Plan) -> None:
    pages = [
        done(a_message(page=1), tiles=9, reused=True),
        done(a_message(page=2), tiles=4),
        failed(a_message(item="map")),
    ]
    summary = finish(plan, pages)
    assert (summary.images, summary.failed, summary.reused, summary.tiles) == (3, 1, 1, 13)


# What is withheld


def test_an_item_with_a_failed_page_gets_no_manifest_and_is_named(plan: Plan) -> None:
    pages = [*pages_of(book=1, map=2), failed(a_message(item="map", page=3))]
    summary = finish(plan, pages)
    assert not has_manifest(plan, "map")
    assert listed(plan) == manifest_urls(plan, "book")
    assert (summary.withheld, summary.items) == (("map",), 1)


def test_an_earlier_manifest_of_an_item_that_fails_now_is_withdrawn(plan: Plan) -> None:
    finish(plan, pages_of(book=1, map=1))
    finish(plan, [*pages_of(book=1), failed(a_message(item="map"))])
    assert not has_manifest(plan, "map")
    assert listed(plan) == manifest_urls(plan, "book")


def test_a_withheld_item_is_not_said_to_lack_images(plan: Plan) -> None:
    summary = finish(plan, [failed(a_message(item="book"))])
    assert summary.problems == ()
    assert listed(plan) == []


def test_an_item_comes_back_when_its_page_does(plan: Plan) -> None:
    finish(plan, [failed(a_message(item="book"))])
    finish(plan, pages_of(book=1))
    assert listed(plan) == manifest_urls(plan, "book")


# What earlier runs left


def test_items_of_earlier_runs_stay_in_the_collection(plan: Plan) -> None:
    finish(plan, pages_of(book=1, map=1))
    finish(plan, pages_of(new=1))
    assert listed(plan) == manifest_urls(plan, "book", "map", "new")


def test_items_of_earlier_runs_keep_label_and_thumbnail(plan: Plan) -> None:
    finish(plan, pages_of(book=1))
    before = read(plan, plan.layout.collection)["items"]
    finish(plan, pages_of(new=1))
    after = read(plan, plan.layout.collection)["items"]
    assert before[0] in after


@pytest.mark.parametrize(
    "item", ["Ü é", "a#b", "100%", "a%20b", "a+b", "a?b=c", "日本", "collection"]
)
def test_earlier_items_are_found_whatever_their_names(plan: Plan, item: str) -> None:
    finish(plan, [done(a_message(item=item))])
    summary = finish(plan, pages_of(book=1))
    assert set(listed(plan)) == set(manifest_urls(plan, item, "book"))
    assert summary.problems == ()


def test_other_files_and_folders_of_the_destination_are_left_alone(plan: Plan, dest: Path) -> None:
    prefix = dest / plan.layout.prefix
    others = {"tiles/x-1/info.json": b"{}", "viewer/index.html": b"<p>", "robots.txt": b"*"}
    for name, content in others.items():
        (prefix / name).parent.mkdir(parents=True, exist_ok=True)
        (prefix / name).write_bytes(content)
    summary = finish(plan, pages_of(book=1))
    assert summary.problems == ()
    assert listed(plan) == manifest_urls(plan, "book")
    assert others.items() <= files(prefix).items()


FOREIGN = {
    "empty": b"",
    "html": b"<html>",
    "list": b"[1]",
    "bytes": b"\xff\xfe",
    "collection": (
        b'{"@context": "x", "id": "https://a.org/c", "type": "Collection",'
        b' "label": {"none": ["x"]}, "items": []}'
    ),
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN.keys())
def test_a_foreign_manifest_is_named_and_breaks_nothing(plan: Plan, content: bytes) -> None:
    dest = open_storage(plan.dest_store)
    dest.write(plan.layout.manifest("foreign"), content, "text/plain", 0)
    summary = finish(plan, pages_of(book=1))
    assert listed(plan) == manifest_urls(plan, "book")
    assert len(summary.problems) == 1
    assert "'foreign'" in summary.problems[0]
    assert dest.read(plan.layout.manifest("foreign")) == content


TAKEN_FOR_MANIFESTS = {
    "presentation2": (
        b'{"@context": "http://iiif.io/api/presentation/2/context.json", "@type": "sc:Manifest",'
        b' "@id": "https://a.org/m", "label": "x", "sequences": []}'
    ),
    "no_id": b'{"@context": "x", "type": "Manifest", "label": {"none": ["x"]}, "items": []}',
    "nest": b"[" * 200_000,
    "python": b'{"@context": "x", "self": 1}',
}


@pytest.mark.parametrize("content", TAKEN_FOR_MANIFESTS.values(), ids=TAKEN_FOR_MANIFESTS.keys())
def test_what_the_reader_takes_for_a_manifest_or_breaks_at_is_named(
    plan: Plan, content: bytes
) -> None:
    open_storage(plan.dest_store).write(plan.layout.manifest("foreign"), content, "text/plain", 0)
    summary = finish(plan, pages_of(book=1))
    assert listed(plan) == manifest_urls(plan, "book")
    assert len(summary.problems) == 1


def test_a_folder_in_a_manifests_place_breaks_nothing(plan: Plan, dest: Path) -> None:
    (dest / plan.layout.manifest("odd") / "deeper").mkdir(parents=True)
    finish(plan, pages_of(book=1))
    assert listed(plan) == manifest_urls(plan, "book")


# Large collections


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collection, "MAX_ENTRIES", 2)


def listed_in_parts(plan: Plan) -> list[list[str]]:
    """Return the ids of the manifests in each part of the collection, in order."""
    root = read(plan, plan.layout.collection)
    assert {entry["type"] for entry in root["items"]} == {"Collection"}
    parts = []
    for number, entry in enumerate(root["items"], 1):
        part = read(plan, plan.layout.subcollection(number))
        assert part["id"] == entry["id"]
        parts.append([manifest["id"] for manifest in part["items"]])
    return parts


@pytest.mark.usefixtures("small_parts")
def test_a_large_collection_is_written_in_parts(plan: Plan) -> None:
    finish(plan, pages_of(a=1, b=1, c=1, d=1, e=1))
    urls = manifest_urls(plan, *"abcde")
    assert listed_in_parts(plan) == [urls[:2], urls[2:4], urls[4:]]


@pytest.mark.usefixtures("small_parts")
def test_items_of_earlier_runs_find_their_place_among_the_parts(plan: Plan) -> None:
    finish(plan, pages_of(b=1, d=1, e=1))
    finish(plan, pages_of(a=1, c=1))
    urls = manifest_urls(plan, *"abcde")
    assert listed_in_parts(plan) == [urls[:2], urls[2:4], urls[4:]]


@pytest.mark.usefixtures("small_parts")
def test_parts_that_a_smaller_collection_has_not_are_removed(plan: Plan, dest: Path) -> None:
    finish(plan, pages_of(a=1, b=1, c=1))
    folder = dest / plan.layout.subcollections_folder
    (folder / "notes.json").write_text("{}")
    (folder / "deeper").mkdir()
    (folder / "deeper/2.json").write_text("{}")
    finish(plan, [failed(a_message(item="a"))])
    assert listed(plan) == manifest_urls(plan, "b", "c")
    assert set(files(folder)) == {"notes.json", "deeper/2.json"}


@pytest.mark.usefixtures("small_parts")
def test_an_item_with_the_name_of_the_subcollections_folder_is_an_item(plan: Plan) -> None:
    finish(plan, pages_of(a=1, collections=1, tiles=1))
    finish(plan, pages_of(b=1))
    urls = manifest_urls(plan, "a", "b", "collections", "tiles")
    assert listed_in_parts(plan) == [urls[:2], urls[2:]]
    assert has_manifest(plan, "collections")


@pytest.mark.usefixtures("small_parts")
def test_the_subcollections_folder_is_no_item(plan: Plan) -> None:
    finish(plan, pages_of(a=1, b=1, c=1))
    summary = finish(plan, pages_of(c=1))
    assert summary.problems == ("CSV line 2: 'book' has no images",)
    assert [url for part in listed_in_parts(plan) for url in part] == manifest_urls(
        plan, "a", "b", "c"
    )


@pytest.mark.usefixtures("small_parts")
def test_parts_that_another_run_writes_meanwhile_are_not_lost(plan: Plan) -> None:
    dest = Interrupted(plan, lambda: publish(plan, pages_of(late=1, later=1)))
    publish(plan, pages_of(a=1, b=1), dest)
    urls = manifest_urls(plan, "a", "b", "late", "later")
    assert listed_in_parts(plan) == [urls[:2], urls[2:]]


# What rows and the run's defaults say


def test_bad_values_are_told_with_their_lines_and_cost_nothing_else(plan: Plan) -> None:
    write_csv(
        plan,
        b"identifier,title,rights,navDate\n"
        b"book,The book,Ask us,1911\n"
        b"map,The map,Ask us,soon\n"
        b"map,Again,,\n"
        b"gone,,,\n",
    )
    summary = finish(plan, pages_of(book=1, map=1))
    assert [problem.partition(": ")[0] for problem in summary.problems] == [
        "CSV lines 2, 3",
        "CSV line 3",
        "CSV line 4",
        "CSV line 5",
    ]
    assert "rights: expected a licence" in summary.problems[0]
    assert "navDate: expected a date" in summary.problems[1]
    assert read(plan, plan.layout.manifest("book"))["navDate"] == "1911-01-01T00:00:00Z"
    assert read(plan, plan.layout.manifest("map"))["label"] == {"none": ["The map"]}


def test_a_row_is_not_held_against_pages_that_could_not_be_counted(plan: Plan) -> None:
    write_csv(plan, b"identifier,page_labels,ranges\nbook,a||b||c,All: 1-3\n")
    assert finish(plan, [failed(a_message())]).problems == ()


@pytest.mark.parametrize(
    ("keys", "told"), [(["1.tif", "2.PDF"], 1), (["1.pdf", "2.pdf"], 0), (["1.tif", "2.tif"], 0)]
)
def test_a_pdf_among_images_is_asked_about(plan: Plan, keys: list[str], told: int) -> None:
    pages = [done(a_message(item="book", page=n, key=key)) for n, key in enumerate(keys, 1)]
    problems = finish(plan, pages).problems
    assert len(problems) == told
    assert all("'book': a PDF among images" in problem for problem in problems)


def test_the_runs_defaults_are_in_every_manifest_whose_row_says_nothing_else(plan: Plan) -> None:
    rights = "http://rightsstatements.org/vocab/InC/1.0/"
    plan = replace(plan, defaults=Defaults(rights, Provider("The Library")))
    write_csv(plan, b"identifier,rights\nbook,CC0\nmap,\n")
    finish(plan, pages_of(book=1, map=1, stray=1))
    found = {
        item: read(plan, plan.layout.manifest(item))["rights"] for item in ("book", "map", "stray")
    }
    assert found == {
        "book": "http://creativecommons.org/publicdomain/zero/1.0/",
        "map": rights,
        "stray": rights,
    }


def test_a_csv_in_another_encoding_describes_items_and_is_named(plan: Plan) -> None:
    write_csv(plan, "identifier;title\r\nbook;Bücher, neu\r\n".encode("cp1252"))
    summary = finish(plan, pages_of(book=1))
    assert read(plan, plan.layout.manifest("book"))["label"] == {"none": ["Bücher, neu"]}
    assert len(summary.problems) == 1
    assert "Windows-1252" in summary.problems[0]


# How a run ends


def test_a_run_without_failures_is_done(plan: Plan) -> None:
    ledger = MemoryLedger()
    run_id = building(ledger, plan, pages_of(book=2))
    summary = finish_run(run_id, ledger)
    run = ledger.load_run(run_id)
    assert run is not None
    assert (run.state, run.summary) == (RunState.DONE, summary)


def test_a_run_with_a_failed_page_is_done_with_failures(plan: Plan) -> None:
    ledger = MemoryLedger()
    run_id = building(ledger, plan, [*pages_of(book=1), failed(a_message(item="map"))])
    finish_run(run_id, ledger)
    run = ledger.load_run(run_id)
    assert run is not None
    assert run.state is RunState.DONE_WITH_FAILURES


@pytest.mark.parametrize("state", [s for s in RunState if s is not RunState.BUILDING])
def test_a_run_in_another_state_is_left_alone(plan: Plan, dest: Path, state: RunState) -> None:
    ledger = MemoryLedger()
    run = a_run(new_run_id(), plan, state=state)
    ledger.open_run(run)
    assert finish_run(run.run_id, ledger) is None
    assert ledger.load_run(run.run_id) == run
    assert files(dest) == {}


def test_a_run_that_nobody_knows_is_no_error() -> None:
    assert finish_run("unknown", MemoryLedger()) is None


def test_a_second_final_job_writes_the_same_bytes(plan: Plan, dest: Path) -> None:
    ledger = MemoryLedger()
    pages = [*pages_of(book=2, map=1), failed(a_message(item="poster"))]
    run_id = building(ledger, plan, pages)
    finish_run(run_id, ledger)
    once = files(dest)
    ledger.advance(run_id, RunState.DONE_WITH_FAILURES, RunState.BUILDING)
    finish_run(run_id, ledger)
    assert files(dest) == once


def test_the_ledger_on_dynamodb_ends_the_run_alike(plan: Plan, ledger: Ledger) -> None:
    pages = [*pages_of(book=1, stray=1), failed(a_message(item="map"))]
    run_id = building(ledger, plan, pages)
    summary = finish_run(run_id, ledger)
    run = ledger.load_run(run_id)
    assert run is not None
    assert (run.state, run.summary) == (RunState.DONE_WITH_FAILURES, summary)


def test_names_of_one_kind_are_cut(plan: Plan) -> None:
    items = {f"item{number:03}": 1 for number in range(MAX_NAMED + 7)}
    summary = finish(plan, pages_of(**items))
    assert len(summary.without_row) == MAX_NAMED + 1
    assert summary.without_row[0] == "item000"
    assert summary.without_row[-1] == "… and 7 more"


def test_as_many_names_as_are_shown_are_not_cut(plan: Plan) -> None:
    summary = finish(plan, pages_of(**{f"item{number:03}": 1 for number in range(MAX_NAMED)}))
    assert len(summary.without_row) == MAX_NAMED
    assert summary.without_row[-1] == f"item{MAX_NAMED - 1:03}"


def test_a_summary_fits_a_row_of_the_table_whatever_the_csv_holds(plan: Plan) -> None:
    wide = "\U0001f600"
    rows = "".join(f"{wide}{number}{wide * 10_000},{wide * 99}\n" for number in range(MAX_NAMED))
    write_csv(plan, f"identifier,{wide * 500},navDate\n{rows}".encode())
    summary = finish(plan, pages_of(book=1))
    assert len(summary.problems) == MAX_NAMED
    assert len(json.dumps(encode(summary_values(summary)), ensure_ascii=False).encode()) < (
        MAX_ROW_BYTES
    )


# What others do meanwhile


def test_a_manifest_that_another_run_adds_meanwhile_is_not_left_out(plan: Plan) -> None:
    dest = Interrupted(plan, lambda: publish(plan, pages_of(late=1)))
    publish(plan, pages_of(book=1), dest)
    assert set(listed(plan)) == set(manifest_urls(plan, "book", "late"))


def test_a_manifest_that_another_run_withdraws_meanwhile_is_not_listed(plan: Plan) -> None:
    finish(plan, pages_of(old=1))
    dest = Interrupted(plan, lambda: publish(plan, [failed(a_message(item="old"))]))
    publish(plan, pages_of(book=1), dest)
    assert listed(plan) == manifest_urls(plan, "book")


def test_a_withdrawn_manifest_that_another_run_has_listed_meanwhile_is_taken_out(
    plan: Plan,
) -> None:
    finish(plan, pages_of(old=1, book=1))
    with_old = open_storage(plan.dest_store).read(plan.layout.collection)
    pages = [*pages_of(book=1), failed(a_message(item="old"))]
    publish(plan, pages, _Overwritten(plan, plan.layout.manifest("old"), [with_old]))
    assert listed(plan) == manifest_urls(plan, "book")


def test_a_label_that_another_run_changes_meanwhile_is_the_new_one(plan: Plan) -> None:
    finish(plan, pages_of(book=1))

    def rename() -> None:
        write_csv(plan, CSV.replace(b"The book", b"Our book"))
        publish(plan, pages_of(book=1))

    publish(plan, pages_of(map=1), Interrupted(plan, rename))
    labels = [entry["label"] for entry in read(plan, plan.layout.collection)["items"]]
    assert {"none": ["Our book"]} in labels
    assert {"none": ["The book"]} not in labels


@pytest.mark.usefixtures("small_parts")
def test_parts_that_another_run_overwrites_from_an_older_look_are_written_again(
    plan: Plan, dest: Path
) -> None:
    finish(plan, pages_of(a=1, b=1, c=1, d=1))
    once = files(dest)
    first = plan.layout.subcollection(1)
    foreign = [once[first].replace(b"/b/", b"/d/"), b"", b"[1]", b'{"items": [{}]}', b"\xff"]
    publish(plan, pages_of(a=1, b=1, c=1, d=1), _Overwritten(plan, first, foreign, first))
    assert files(dest) == once


def test_two_runs_that_order_the_collection_differently_do_not_fight(plan: Plan) -> None:
    publish(plan, pages_of(a=1, b=1))
    content = read(plan, plan.layout.collection)
    content["items"].reverse()
    other = json.dumps(content).encode()
    publish(plan, pages_of(a=1, b=1), _Overwritten(plan, plan.layout.collection, [other] * 100))
    assert listed(plan) == manifest_urls(plan, "b", "a")


def test_a_collection_that_others_keep_changing_is_left_for_later(plan: Plan) -> None:
    dest = _Overwritten(plan, plan.layout.collection, [b"{}"] * 100)
    with pytest.raises(TransientError, match="other runs"):
        publish(plan, pages_of(book=1), dest)


class _Overwritten(Storage):
    """A destination where, as soon as one key is changed, others write the collection."""

    def __init__(
        self, plan: Plan, key: str, contents: list[bytes], target: str | None = None
    ) -> None:
        super().__init__(open_storage(plan.dest_store)._store)
        self._key = key
        self._target = target or plan.layout.collection
        self._contents = contents

    def write(self, key: str, content: bytes | Path, content_type: str, max_age: int) -> None:
        super().write(key, content, content_type, max_age)
        self._overwrite(key)

    def delete(self, key: str) -> None:
        super().delete(key)
        self._overwrite(key)

    def _overwrite(self, key: str) -> None:
        if key == self._key and self._contents:
            super().write(self._target, self._contents.pop(0), "text/plain", 0)


# With real tiles


def draw(source: Path, key: str, width: int, height: int) -> None:
    file = source / key
    file.parent.mkdir(parents=True, exist_ok=True)
    pyvips.Image.gaussnoise(width, height, mean=128, sigma=20).cast("uchar").write_to_file(
        str(file)
    )


def tile(plan: Plan, source: Path, images: Mapping[Message, tuple[int, int]]) -> list[Page]:
    """Tile drawn images as the worker does."""
    pages = []
    for message, (width, height) in images.items():
        draw(source, message.key, width, height)
        with TemporaryDirectory() as scratch:
            tiled = run_through(tile_page(PageWork(message, plan), Path(scratch)))
        pages.append(Page(message, PageState.DONE, tiled))
    return pages


def urls(node: Any) -> Iterator[tuple[str, str]]:
    """Yield type and id of everything in a document that has both."""
    if isinstance(node, dict):
        if "id" in node and "type" in node:
            yield node["type"], node["id"]
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from urls(child)


IDENTIFIERS_ONLY = {"Canvas", "AnnotationPage", "Annotation"}


def missing_files(plan: Plan, dest: Path, document: Any) -> list[str]:
    """Return the URLs in a document that no file of the export answers."""
    missing = []
    for kind, url in urls(document):
        if kind in IDENTIFIERS_ONLY:
            continue
        base = urlsplit(plan.layout.base_url).path
        path = unquote(urlsplit(url).path.removeprefix(base))
        path += "/info.json" if kind == "ImageService3" else ""
        if not url.startswith(plan.layout.base_url + "/") or not (dest / path.strip("/")).is_file():
            missing.append(url)
    return missing


@pytest.mark.parametrize("base_url", ["https://images.example.org", "http://127.0.0.1:8000/sub"])
def test_every_url_of_manifest_and_collection_is_a_file_of_the_export(
    source: Path, dest: Path, base_url: str
) -> None:
    plan = a_plan(
        source,
        dest,
        layout=Layout("iiif/Großes Archiv", base_url),
        options=Options(tile_size=256, max_size=2048),
    )
    write_csv(plan, CSV)
    name = "Ü #1 100%"
    images = {
        a_message(item="book", page=1): (600, 400),
        a_message(item="book", page=2): (3000, 700),
        a_message(item="tiny", page=1): (1, 1),
        a_message(item="strip", page=1): (40, 900),
        a_message(item=name, page=1): (512, 512),
    }
    finish(plan, tile(plan, source, images))
    assert missing_files(plan, dest, read(plan, plan.layout.collection)) == []
    for item in ("book", "tiny", "strip", name):
        assert missing_files(plan, dest, read(plan, plan.layout.manifest(item))) == []


def test_painted_images_have_the_dimensions_that_the_manifest_gives(
    source: Path, dest: Path
) -> None:
    plan = a_plan(source, dest, options=Options(max_size=2048))
    write_csv(plan, CSV)
    finish(plan, tile(plan, source, {a_message(item="book"): (3000, 700)}))
    manifest = read(plan, plan.layout.manifest("book"))
    body = manifest["items"][0]["items"][0]["items"][0]["body"]
    for image in (body, *manifest["thumbnail"]):
        file = dest / urlsplit(image["id"]).path.lstrip("/")
        found = pyvips.Image.new_from_file(str(file))
        assert (found.width, found.height) == (image["width"], image["height"])


def test_a_csv_that_is_gone_is_an_error_and_publishes_nothing(plan: Plan, dest: Path) -> None:
    open_storage(plan.source_store).delete(plan.csv_key)
    ledger = MemoryLedger()
    run_id = building(ledger, plan, pages_of(book=1))
    with pytest.raises(MissingObject):
        finish_run(run_id, ledger)
    run = ledger.load_run(run_id)
    assert run is not None
    assert run.state is RunState.BUILDING
    assert files(dest) == {}


def test_why_nothing_could_be_built_stands_in_the_runs_row(plan: Plan) -> None:
    ledger = MemoryLedger()
    run_id = building(ledger, plan, pages_of(book=1))
    open_storage(plan.source_store).delete(plan.csv_key)
    with pytest.raises(MissingObject):
        finish_run(run_id, ledger)
    run = ledger.load_run(run_id)
    assert run is not None
    assert run.state is RunState.BUILDING
    assert run.fault == f"there is no '{plan.csv_key}'"
    write_csv(plan, CSV)
    finish_run(run_id, ledger)
    run = ledger.load_run(run_id)
    assert run is not None
    assert (run.state, run.fault) == (RunState.DONE, None)
