"""A run that is built again: what is written, what is left alone, and what belongs to others."""

import os
import shutil
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from console.embedded import EmbeddedCloud
from manifest_builder import collection
from manifest_builder.build import Publisher
from manifest_builder.items import sort_items
from manifest_builder.writing import Writer
from pipeline.ledger import Ledger
from pipeline.run import Plan, RunState, Summary
from pipeline.storage import Storage, open_storage
from tests.builders import a_message, a_plan, failed
from tests.builds import (
    Interrupted,
    build,
    building,
    files,
    finish,
    has_manifest,
    listed,
    manifest_urls,
    pages_of,
    read,
    rebuild,
    replay,
    write_csv,
)
from tests.fakes import MemoryLedger

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

CSV = b"identifier,title,description\nbook,The book,Old\nmap,The map,\n"


@pytest.fixture
def plan(source: Path, dest: Path) -> Plan:
    plan = a_plan(source, dest)
    write_csv(plan, CSV)
    return plan


def age(plan: Plan, dest: Path) -> None:
    """Have all files look old, and something lie there that no build may touch."""
    tile = dest / plan.layout.info("book", 1)
    tile.parent.mkdir(parents=True, exist_ok=True)
    tile.write_text("{}")
    for file in dest.rglob("*"):
        os.utime(file, (0, 0))


def written(plan: Plan, dest: Path) -> set[str]:
    """Return the files that were written since, below the collection's folder."""
    folder = dest / plan.layout.prefix
    return {name for name in files(folder) if (folder / name).stat().st_mtime > 0}


# What a rebuild writes


def test_after_a_replay_only_the_items_manifest_and_the_collection_are_written(
    plan: Plan, dest: Path, ledger: Ledger
) -> None:
    pages = [*pages_of(book=2, map=2, plan=1), failed(a_message(item="map", page=3))]
    run_id = building(ledger, plan, pages)
    assert build(run_id, ledger).withheld == ("map",)
    age(plan, dest)
    summary = replay(run_id, ledger)
    assert (summary.withheld, summary.items) == ((), 3)
    assert written(plan, dest) == {"map/manifest.json", "collection.json"}
    run = ledger.load_run(run_id)
    assert run is not None
    assert run.state is RunState.DONE


@pytest.mark.parametrize(
    ("change", "also"),
    [((b"Old", b"New"), set()), ((b"The book", b"Our book"), {"collection.json"})],
    ids=["description", "title"],
)
def test_a_changed_row_has_its_items_manifest_and_the_csv_written(
    plan: Plan, dest: Path, change: tuple[bytes, bytes], also: set[str]
) -> None:
    ledger = MemoryLedger()
    run_id = building(ledger, plan, pages_of(book=1, map=1))
    build(run_id, ledger)
    age(plan, dest)
    write_csv(plan, CSV.replace(*change))
    rebuild(run_id, ledger)
    assert written(plan, dest) == {"book/manifest.json", "letters.csv"} | also


def test_a_rebuild_for_which_nothing_has_changed_writes_nothing(plan: Plan, dest: Path) -> None:
    ledger = MemoryLedger()
    run_id = building(ledger, plan, pages_of(book=1, map=1))
    once = build(run_id, ledger)
    age(plan, dest)
    assert rebuild(run_id, ledger) == once
    assert written(plan, dest) == set()


def test_only_parts_of_a_collection_that_have_changed_are_written(
    plan: Plan, dest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collection, "MAX_ENTRIES", 2)
    ledger = MemoryLedger()
    run_id = building(ledger, plan, pages_of(book=1, map=1, plan=1, poster=1))
    build(run_id, ledger)
    age(plan, dest)
    write_csv(plan, CSV.replace(b"The map", b"A map"))
    rebuild(run_id, ledger)
    assert written(plan, dest) == {"map/manifest.json", "collections/1.json", "letters.csv"}


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut": lambda content: content[:-1],
    "longer": lambda content: content + b"\n",
    "other": lambda content: content.replace(b"book", b"bock"),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_what_was_damaged_is_written_again(
    plan: Plan, dest: Path, damage: Callable[[bytes], bytes]
) -> None:
    ledger = MemoryLedger()
    run_id = building(ledger, plan, pages_of(book=1, map=1))
    build(run_id, ledger)
    right = files(dest)
    names = {plan.layout.manifest("book"), plan.layout.collection, plan.layout.csv("letters.csv")}
    for name in names:
        (dest / name).write_bytes(damage(right[name]))
    rebuild(run_id, ledger)
    assert files(dest) == right


def test_what_was_deleted_is_written_again(plan: Plan, dest: Path) -> None:
    ledger = MemoryLedger()
    run_id = building(ledger, plan, pages_of(book=1, map=1))
    build(run_id, ledger)
    right = files(dest)
    shutil.rmtree(dest / plan.layout.prefix)
    rebuild(run_id, ledger)
    assert files(dest) == right


def test_the_first_build_of_a_run_writes_everything(plan: Plan, dest: Path) -> None:
    finish(plan, pages_of(book=1))
    age(plan, dest)
    finish(plan, pages_of(book=1))
    assert written(plan, dest) == {"book/manifest.json", "collection.json", "letters.csv"}


# Builders that die, and builders at the same time


class _Dying(Storage):
    """A destination whose user dies after so many changes."""

    def __init__(self, plan: Plan, changes: int) -> None:
        super().__init__(open_storage(plan.dest_store)._store)
        self._changes = changes

    def write(self, key: str, content: bytes | Path, content_type: str, max_age: int) -> None:
        self._live()
        super().write(key, content, content_type, max_age)

    def delete(self, key: str) -> None:
        self._live()
        super().delete(key)

    def _live(self) -> None:
        self._changes -= 1
        if self._changes < 0:
            raise _Death


class _Death(Exception):
    pass


@pytest.mark.parametrize("only_changed", [False, True])
@pytest.mark.parametrize("changes", range(6))
def test_a_builder_that_dies_anywhere_lists_no_missing_file_and_its_successor_ends_the_same(
    plan: Plan, dest: Path, changes: int, *, only_changed: bool
) -> None:
    finish(plan, pages_of(book=1, map=1, old=1))
    write_csv(plan, CSV.replace(b"The book", b"Our book"))
    pages = [*pages_of(book=1, map=2, new=1), failed(a_message(item="old"))]
    pages.sort(key=lambda page: page.message.place)
    items = sort_items(pages, (), with_gaps=False)

    def publish(storage: Storage) -> Summary:
        writer = Writer(storage, only_changed=only_changed)
        return Publisher(plan, open_storage(plan.source_store), writer).publish(pages, items)

    with pytest.raises(_Death):
        publish(_Dying(plan, changes))
    existing = {item for item in ("book", "map", "old", "new") if has_manifest(plan, item)}
    assert set(listed(plan)) <= set(manifest_urls(plan, *existing))
    summary = publish(open_storage(plan.dest_store))
    assert listed(plan) == manifest_urls(plan, "book", "map", "new")
    ended = files(dest)
    shutil.rmtree(dest / plan.layout.prefix)
    assert publish(open_storage(plan.dest_store)) == summary
    assert files(dest) == ended


@pytest.mark.parametrize("place", ["book/manifest.json", "collection.json", "letters.csv"])
def test_a_second_builder_at_the_same_time_does_no_harm(plan: Plan, dest: Path, place: str) -> None:
    pages = [*pages_of(book=1, map=1), failed(a_message(item="old"))]
    finish(plan, pages)
    once = files(dest)
    items = sort_items(pages, (), with_gaps=False)

    def publish(storage: Storage) -> Summary:
        return Publisher(plan, open_storage(plan.source_store), Writer(storage)).publish(
            pages, items
        )

    key = f"{plan.layout.prefix}/{place}"
    publish(Interrupted(plan, lambda: publish(open_storage(plan.dest_store)), key))
    assert files(dest) == once


# What a later run has taken over


class Overtaken(MemoryLedger):
    """Once, when a builder has read the rows, the run is ended and more happens to it."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: Callable[[], object] | None = None

    def owners(self, export: str, items: Sequence[str]) -> dict[str, str]:
        if (meanwhile := self.meanwhile) is not None:
            self.meanwhile = None
            meanwhile()
        return super().owners(export, items)


@pytest.mark.parametrize("is_ended", [True, False])
def test_a_builder_that_was_overtaken_by_a_replay_leaves_what_that_has_published(
    plan: Plan, is_ended: bool
) -> None:
    ledger = Overtaken()
    run_id = building(ledger, plan, [*pages_of(book=1), failed(a_message(item="map"))])

    def meanwhile() -> None:
        build(run_id, ledger)
        replay(run_id, ledger)
        if not is_ended:
            assert ledger.claim_rebuild(run_id, 2, with_gaps=False)

    ledger.meanwhile = meanwhile
    assert build(run_id, ledger).withheld == ()
    assert has_manifest(plan, "map")
    assert listed(plan) == manifest_urls(plan, "book", "map")
    run = ledger.load_run(run_id)
    assert run is not None
    assert run.state is RunState.DONE


def test_items_of_a_later_run_are_left_as_they_are(plan: Plan, dest: Path, ledger: Ledger) -> None:
    pages = [
        *pages_of(book=1, map=1),
        failed(a_message(item="atlas")),
        failed(a_message(item="poster")),
    ]
    earlier = building(ledger, plan, pages)
    build(earlier, ledger)
    later = building(ledger, plan, pages_of(atlas=1, map=2))
    assert ledger.take_items(later, plan.export, ["atlas", "map"]) == frozenset()
    build(later, ledger)
    age(plan, dest)
    write_csv(plan, CSV.replace(b"The", b"A"))
    summary = rebuild(earlier, ledger)
    assert summary.superseded == ("atlas", "map")
    assert (summary.items, summary.withheld) == (1, ("poster",))
    assert not any("has no images" in problem for problem in summary.problems)
    assert written(plan, dest) == {"book/manifest.json", "collection.json", "letters.csv"}
    assert len(read(plan, plan.layout.manifest("map"))["items"]) == 2
    assert set(listed(plan)) == set(manifest_urls(plan, "atlas", "book", "map"))


def test_a_later_run_that_has_yet_to_publish_an_item_is_not_forestalled(plan: Plan) -> None:
    ledger = MemoryLedger()
    earlier = building(ledger, plan, [*pages_of(book=1), failed(a_message(item="map"))])
    build(earlier, ledger)
    ledger.take_items(building(ledger, plan, pages_of(map=1)), plan.export, ["map"])
    summary = replay(earlier, ledger)
    assert summary.superseded == ("map",)
    assert not has_manifest(plan, "map")
    assert listed(plan) == manifest_urls(plan, "book")


def test_items_of_ones_own_are_published(plan: Plan) -> None:
    ledger = MemoryLedger()
    run_id = building(ledger, plan, pages_of(book=1, map=1))
    ledger.take_items(run_id, plan.export, ["book"])
    summary = build(run_id, ledger)
    assert (summary.items, summary.superseded) == (2, ())


def test_the_items_of_another_export_are_not_these(plan: Plan) -> None:
    ledger = MemoryLedger()
    run_id = building(ledger, plan, pages_of(book=1))
    ledger.take_items("other", f"{plan.export}-2", ["book"])
    assert build(run_id, ledger).superseded == ()


# In a bucket


def test_in_a_bucket_too_only_what_has_changed_is_written(
    source: Path, s3: "S3Client", cloud: EmbeddedCloud
) -> None:
    bucket = f"rebuilt-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    plan = a_plan(source, dest_store=f"s3://{bucket}")
    write_csv(plan, CSV)
    run_id = building(cloud.ledger, plan, pages_of(book=1, map=1))
    build(run_id, cloud.ledger)
    write_csv(plan, CSV.replace(b"Old", b"New"))
    rebuild(run_id, cloud.ledger)
    versions = s3.list_object_versions(Bucket=bucket)["Versions"]
    names = [version["Key"].removeprefix(f"{plan.layout.prefix}/") for version in versions]
    assert Counter(names) == {
        "book/manifest.json": 2,
        "letters.csv": 2,
        "map/manifest.json": 1,
        "collection.json": 1,
    }
