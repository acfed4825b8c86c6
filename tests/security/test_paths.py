"""Whatever keys, names and cells hold: all that is written lies below the task's prefix."""

import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from console.serve import make_server
from dispatcher.expand import expand
from manifest_builder.build import Publisher
from manifest_builder.items import sort_items
from manifest_builder.writing import Writer
from pipeline.errors import BadTask, PermanentError
from pipeline.layout import Layout, Listed, has_utf8_form
from pipeline.message import MAX_ITEM_BYTES
from pipeline.run import Page
from pipeline.storage import JPEG_TYPE, open_storage
from pipeline.task import parse_task
from tests.builders import ENVIRONMENT, a_message, a_plan, done, task_body

PARTS = st.one_of(
    st.sampled_from(
        [
            *("..", ".", "", "Access", "access", "%2e%2e", "..%2f", "%2F", "..\\", "\\", "~", "\0"),
            *("collections", "tiles", "collection.json", "a\n", "\u202e", "..\u2024", "C:", "-1"),
            *("x" * 300, "é", "\ud800", "CON", "*", "a b", "$(id)", "`id`", ";rm"),
        ]
    ),
    st.text(max_size=8),
)
KEYS = st.lists(PARTS, min_size=1, max_size=5).map("/".join)
PREFIX = "iiif/archive/Letters"


def files_below(folder: Path) -> Iterator[str]:
    return (file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())


def publish(dest: Path, source: Path, pages: list[Page], csv: bytes) -> None:
    """Write what the worker and the manifest builder write for pages that were listed."""
    layout = Layout(PREFIX, "https://images.example.org")
    storage = open_storage(dest.as_uri())
    for page in pages:
        place = page.message.place
        for key in (layout.info(*place), f"{layout.service(*place)}/full/max/0/default.jpg"):
            with suppress(PermanentError):
                storage.write(key, b"x", JPEG_TYPE, 0)
    (source / "rows.csv").write_bytes(csv)
    plan = a_plan(source, dest, csv_key="rows.csv", layout=layout)
    items = sort_items(pages, frozenset(), with_gaps=False)
    with suppress(PermanentError):
        publisher = Publisher(plan, open_storage(source.as_uri()), Writer(storage))
        publisher.publish(pages, items)


@settings(max_examples=60)
@given(keys=st.lists(KEYS.filter(has_utf8_form), max_size=5), cell=st.text(max_size=20))
@example(keys=["archive/../../x"], cell="../../../x")
@example(keys=["archive/.."], cell="=1+1")
def test_no_key_and_no_cell_leads_out_of_the_prefix(keys: list[str], cell: str) -> None:
    with tempfile.TemporaryDirectory(prefix="tilepool-paths-") as folder:
        root = Path(folder)
        dest, source = root / "dest", root / "source"
        dest.mkdir()
        source.mkdir()
        listing = [Listed(f"{key}/p1.tif", "e", 1) for key in keys]
        expansion = expand("run-1", listing)
        quoted = cell.replace('"', '""').encode(errors="replace")
        items = dict.fromkeys(page.message.item for page in expansion.pages())
        rows = b"".join(b'"%s","%s"\n' % (item.encode(errors="replace"), quoted) for item in items)
        csv = b'identifier,title\n"%s",x\n' % quoted + rows
        publish(dest, source, [done(page.message) for page in expansion.pages()], csv)
        assert sorted(path.name for path in root.iterdir()) == ["dest", "source"]
        assert [path.name for path in source.iterdir()] == ["rows.csv"]
        assert all(file.startswith(f"{PREFIX}/") for file in files_below(dest))


@settings(max_examples=200)
@given(key=KEYS)
def test_a_store_writes_below_its_folder_or_not_at_all(key: str) -> None:
    with tempfile.TemporaryDirectory(prefix="tilepool-paths-") as folder:
        root = Path(folder)
        (root / "dest").mkdir()
        storage = open_storage((root / "dest").as_uri())
        with suppress(PermanentError):
            storage.write(key, b"x", JPEG_TYPE, 0)
            assert len(list(files_below(root / "dest"))) == 1
        assert [path.name for path in root.iterdir()] == ["dest"]


@settings(max_examples=100)
@given(values=st.dictionaries(st.sampled_from(["DEST_PREFIX", "CSV_NAME", "CSV_PATH"]), KEYS))
@example({"COLLECTION_IDENTIFIER": ".."})
def test_a_task_names_no_place_above_its_bucket(values: dict[str, str]) -> None:
    try:
        task = parse_task(task_body(values))
    except BadTask:
        return
    for key in (task.layout.prefix, task.layout.csv(task.csv_name), task.csv_key):
        assert not key.startswith("/")
        assert not {"", ".", ".."} & set(key.split("/"))
    assert task.layout.prefix.endswith(f"/{ENVIRONMENT['COLLECTION_IDENTIFIER']}")


@pytest.mark.parametrize("item", ["..", ".", "../../x", "a/../..", "\0", "x" * 300])
def test_a_message_of_a_stranger_names_no_place_outside(item: str, tmp_path: Path) -> None:
    dest = tmp_path / "dest"
    dest.mkdir()
    place = a_message(item=item).place
    storage = open_storage(dest.as_uri())
    with suppress(PermanentError):
        storage.write(Layout(PREFIX, "https://a.b").info(*place), b"x", JPEG_TYPE, 0)
    assert [path.name for path in tmp_path.iterdir()] == ["dest"]
    assert all(file.startswith(f"{PREFIX}/tiles/") for file in files_below(dest))


def test_an_item_whose_name_no_row_can_hold_is_told() -> None:
    good, bad = "x" * MAX_ITEM_BYTES, "é" * (MAX_ITEM_BYTES // 2 + 1)
    assert expand("run-1", [Listed(f"{good}/p1.tif", "e", 1)]).errors == ()
    (error,) = expand("run-1", [Listed(f"{bad}/p1.tif", "e", 1)]).errors
    assert "expected at most 900 bytes" in error


def test_a_link_in_the_source_is_read_as_the_user_reads_it(tmp_path: Path) -> None:
    """The folder is the user's own: links lead to where scans are kept. docs/security.md."""
    (tmp_path / "shelf").mkdir()
    (tmp_path / "shelf/p1.tif").write_bytes(b"scan")
    (tmp_path / "source").mkdir()
    (tmp_path / "source/book").symlink_to(tmp_path / "shelf")
    storage = open_storage((tmp_path / "source").as_uri())
    assert [listed.key for listed in storage.objects("book")] == ["book/p1.tif"]


def test_a_server_is_bound_to_this_machine_by_name(tmp_path: Path) -> None:
    with make_server(tmp_path, 0) as server:
        assert server.server_address[0] == "127.0.0.1"
