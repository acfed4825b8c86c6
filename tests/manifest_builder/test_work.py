"""How much the final job does, in counts: calls of the store, of the ledger, and of functions."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from console.embedded import EmbeddedCloud
from manifest_builder.build import Publisher, finish_run
from manifest_builder.items import sort_items
from manifest_builder.writing import Writer
from pipeline.dynamo_table import MAX_BATCH_KEYS
from pipeline.errors import TilepoolError
from pipeline.run import SHARDS, Page, Plan
from pipeline.storage import Storage, open_storage
from pipeline.threads import MAX_THREADS
from tests.builders import a_message, a_plan, done
from tests.builds import building, publish, write_csv

BUILDERS = ("/manifest_builder/", "/iiif_prezi3/", "/pipeline/")


@pytest.fixture
def plan(source: Path, dest: Path) -> Plan:
    plan = a_plan(source, dest)
    write_csv(plan, b"identifier,title\n")
    return plan


class Counted(Storage):
    """A destination that counts what is asked of it, by the name of the method."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(open_storage(plan.dest_store)._store)
        self.calls: Counter[str] = Counter()

    def read(self, key: str, limit_bytes: int | None = None) -> bytes:
        self.calls["read"] += 1
        return super().read(key, limit_bytes)

    def read_unless(self, key: str, etag: str) -> tuple[bytes, str] | None:
        self.calls["asked"] += 1
        found = super().read_unless(key, etag)
        self.calls["sent"] += found is not None
        return found

    def write(self, key: str, content: bytes | Path, content_type: str, max_age: int) -> None:
        self.calls["write"] += 1
        super().write(key, content, content_type, max_age)

    def folders(self, prefix: str) -> list[str]:
        self.calls["list"] += 1
        return super().folders(prefix)

    def objects(self, prefix: str) -> Iterator[Any]:
        self.calls["list"] += 1
        return super().objects(prefix)


def pages_of(items: int, pages: int, first: int = 0) -> list[Page]:
    messages = [
        a_message(item=f"item{item:05}", page=page + 1)
        for item in range(first, first + items)
        for page in range(pages)
    ]
    return [done(message) for message in messages]


def calls_of_store(plan: Plan, pages: list[Page], *, only_changed: bool = False) -> Counter[str]:
    dest = Counted(plan)
    publisher = Publisher(plan, open_storage(plan.source_store), Writer(dest, only_changed))
    publisher.publish(pages, sort_items(pages, (), with_gaps=False))
    return +dest.calls


# Collection and CSV are two documents more. The look whether the collection holds lists the
# folders again and reads it; the parts of a large one are listed before.


@pytest.mark.parametrize("items", [1, 30])
def test_a_first_build_writes_each_document_once_and_reads_none_of_its_manifests(
    plan: Plan, items: int
) -> None:
    calls = calls_of_store(plan, pages_of(items, 2))
    assert calls == {"write": items + 2, "read": 1, "list": 3}


@pytest.mark.parametrize("items", [1, 30])
def test_a_rebuild_reads_each_document_once_and_writes_none(plan: Plan, items: int) -> None:
    pages = pages_of(items, 2)
    calls_of_store(plan, pages)
    calls = calls_of_store(plan, pages, only_changed=True)
    assert calls == {"read": items + 2 + 1, "list": 3}


@pytest.mark.parametrize("earlier", [1, 30])
def test_manifests_of_earlier_runs_are_sent_once(plan: Plan, earlier: int) -> None:
    publish(plan, pages_of(earlier, 2))
    calls = calls_of_store(plan, pages_of(1, 2, first=earlier))
    assert calls == {"asked": 2 * earlier, "sent": earlier, "write": 3, "read": 1, "list": 3}


def test_no_more_documents_are_made_than_are_being_written(plan: Plan) -> None:
    made = 0
    ahead = []

    class Slow(Counted):
        def write(self, key: str, content: bytes | Path, content_type: str, max_age: int) -> None:
            super().write(key, content, content_type, max_age)
            ahead.append(made - self.calls["write"])

    def documents() -> Iterator[tuple[str, bytes]]:
        nonlocal made
        for number in range(5 * MAX_THREADS):
            made += 1
            yield f"document{number}", b"{}"

    Writer(Slow(plan)).write_all(documents())
    assert max(ahead) <= MAX_THREADS


def test_a_document_that_cannot_be_written_ends_the_build(plan: Plan, dest: Path) -> None:
    (dest / "bad").mkdir()
    documents = [(f"document{number}", b"{}") for number in range(3 * MAX_THREADS)]
    with pytest.raises(TilepoolError, match="bad"):
        Writer(open_storage(plan.dest_store)).write_all([*documents, ("bad", b"{}")])


def test_the_ledger_is_asked_once_for_each_page_of_a_listing(
    cloud: EmbeddedCloud, plan: Plan
) -> None:
    pages = pages_of(MAX_BATCH_KEYS + 1, 1)
    run_id = building(cloud.ledger, plan, pages)
    with counted_requests(cloud) as requests:
        finish_run(run_id, cloud.ledger)
    assert requests == {"GetItem": 1, "Query": SHARDS, "BatchGetItem": 2, "TransactWriteItems": 1}


@contextmanager
def counted_requests(cloud: EmbeddedCloud) -> Iterator[Counter[str]]:
    requests: Counter[str] = Counter()

    def count(model: Any, **_: Any) -> None:
        requests[model.name] += 1

    events = cloud.ledger._table._client.meta.events
    events.register("before-call.dynamodb", count)
    try:
        yield requests
    finally:
        events.unregister("before-call.dynamodb", count)


@pytest.mark.parametrize(
    "pages",
    [lambda count: pages_of(1, count), lambda count: pages_of(count, 1)],
    ids=["pages of one item", "items of one page"],
)
def test_the_work_for_a_canvas_does_not_grow_with_their_number(
    plan: Plan, pages: Callable[[int], list[Page]]
) -> None:
    few, more, many = (
        counted_calls(partial(publish, plan, pages(count))) for count in (50, 100, 200)
    )
    assert (many - more) / 100 == pytest.approx((more - few) / 50, rel=0.05)


def counted_calls(function: Callable[[], object]) -> int:
    """Return how many functions that build manifests are called."""
    count = 0

    def take(frame: FrameType, event: str, _: object) -> None:
        nonlocal count
        if event == "call" and any(part in frame.f_code.co_filename for part in BUILDERS):
            count += 1

    before = sys.getprofile()
    sys.setprofile(take)
    try:
        function()
    finally:
        sys.setprofile(before)
    return count
