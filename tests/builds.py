"""Runs at the point where the final job takes over, and what it leaves in the destination."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from manifest_builder.build import Publisher, finish_run
from manifest_builder.items import sort_items
from manifest_builder.writing import Writer
from pipeline.ledger import Ledger
from pipeline.run import Page, PageState, Plan, RunState, Summary
from pipeline.storage import Storage, open_storage
from tests.builders import a_message, a_run, done, failed, new_run_id
from tests.fakes import MemoryLedger


def write_csv(plan: Plan, content: bytes) -> None:
    open_storage(plan.source_store).write(plan.csv_key, content, "text/csv", 0)


def pages_of(**items: int) -> list[Page]:
    return [done(a_message(item=item, page=n + 1)) for item, k in items.items() for n in range(k)]


def building(ledger: Ledger, plan: Plan, pages: Sequence[Page]) -> str:
    """Bring a run with these pages to the point where the final job takes over."""
    run_id = new_run_id()
    ledger.open_run(a_run(run_id, plan))
    rows = [replace(page, message=replace(page.message, run_id=run_id)) for page in pages]
    queued = [Page(row.message) for row in rows]
    assert ledger.record_pages(run_id, queued)
    assert ledger.seal(run_id, queued)
    for row in rows:
        ledger.settle(row)
    ledger.advance(run_id, RunState.DISPATCHING, RunState.TILING)
    ledger.claim_final_job(run_id, ledger.shard_counts(run_id), 0)
    return run_id


def finish(plan: Plan, pages: Sequence[Page]) -> Summary:
    ledger = MemoryLedger()
    summary = finish_run(building(ledger, plan, pages), ledger)
    assert summary is not None
    return summary


def build(run_id: str, ledger: Ledger) -> Summary:
    summary = finish_run(run_id, ledger)
    assert summary is not None
    return summary


def rebuild(run_id: str, ledger: Ledger, *, with_gaps: bool = False) -> Summary:
    """Build a run again as `manifests` and `finalize` have it done."""
    assert ledger.claim_rebuild(run_id, 1, with_gaps=with_gaps)
    return build(run_id, ledger)


def replay(run_id: str, ledger: Ledger, *, succeeds: bool = True) -> Summary:
    """Have the failed pages of a run tried once more, and the run built again."""
    pages = list(ledger.pages(run_id, PageState.FAILED))
    assert ledger.reopen(run_id, [RunState.DONE_WITH_FAILURES], trickles=False)
    for page in pages:
        message = replace(page.message, replays=page.message.replays + 1)
        assert ledger.requeue(Page(message))
        assert ledger.settle(done(message) if succeeds else failed(message))
    assert ledger.claim_final_job(run_id, ledger.shard_counts(run_id), 1)
    return build(run_id, ledger)


def publish(plan: Plan, pages: Sequence[Page], dest: Storage | None = None) -> Summary:
    """Publish what a run's final job would, into a destination of one's own."""
    writer = Writer(dest or open_storage(plan.dest_store))
    publisher = Publisher(plan, open_storage(plan.source_store), writer)
    return publisher.publish(pages, sort_items(pages, (), with_gaps=False))


def read(plan: Plan, key: str) -> Any:
    return json.loads(open_storage(plan.dest_store).read(key))


def listed(plan: Plan) -> list[str]:
    """Return the ids of the collection's entries."""
    return [entry["id"] for entry in read(plan, plan.layout.collection)["items"]]


def manifest_urls(plan: Plan, *items: str) -> list[str]:
    return [plan.layout.url(plan.layout.manifest(item)) for item in items]


def has_manifest(plan: Plan, item: str) -> bool:
    folder = Path(unquote(urlsplit(plan.dest_store).path))
    return (folder / plan.layout.manifest(item)).is_file()


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


class Interrupted(Storage):
    """A destination where something happens just as a document is to be written.

    The document is the collection, unless `key` says otherwise.
    """

    def __init__(
        self, plan: Plan, interruption: Callable[[], object], key: str | None = None
    ) -> None:
        super().__init__(open_storage(plan.dest_store)._store)
        self._key = key or plan.layout.collection
        self._interruption: Callable[[], object] | None = interruption

    def write(self, key: str, content: bytes | Path, content_type: str, max_age: int) -> None:
        interruption = self._interruption
        if key == self._key and interruption is not None:
            self._interruption = None
            interruption()
        super().write(key, content, content_type, max_age)
