"""The final job's work: every manifest of a run, the collection, the CSV, and a summary.

Idempotent: all is derived from the ledger, the CSV and what lies in the destination. A run that
was built before is built again after a replay or a change of the CSV: then only documents that
differ are written.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog
from iiif_prezi3 import Manifest, ManifestRef

from manifest_builder.collection import refer
from manifest_builder.collection_files import CollectionFiles
from manifest_builder.document import to_json
from manifest_builder.gaps import hidden, is_pdf, tell_hidden
from manifest_builder.items import Items, is_done, sort_items
from manifest_builder.manifest import build_manifest
from manifest_builder.problems import Problem, echo, tell
from manifest_builder.row_reader import describe
from manifest_builder.summary import summarize
from manifest_builder.table import Row, read_catalogue
from manifest_builder.writing import Writer
from pipeline.announcements import SILENT, Announcements, announce_end
from pipeline.errors import TilepoolError
from pipeline.ledger import Ledger
from pipeline.run import Page, Plan, Run, RunState, Summary
from pipeline.storage import Storage, csv_type, open_storage

MAX_FAULT_CHARACTERS = 1_000

log = structlog.get_logger()


def finish_run(
    run_id: str, ledger: Ledger, announcements: Announcements = SILENT
) -> Summary | None:
    """Publish a run's manifests, end it and announce it; None where the run is not at this point.

    Where it was claimed again meanwhile, it is built again: what was written here may have hidden
    what has been published since.
    """
    run = ledger.load_run(run_id)
    if run is None or run.plan is None or run.state is not RunState.BUILDING:
        log.warning("nothing_to_build", state=run and run.state)
        if run is not None and run.state in {RunState.DONE, RunState.DONE_WITH_FAILURES}:
            # Batch starts a builder again that died, maybe before it had announced the end.
            announce_end(run, announcements)
        return None
    plan = run.plan
    ended, is_finished = _build(run, plan, ledger)
    while not is_finished and (later := _claimed_later(run, ledger)) is not None:
        run = later
        ended, is_finished = _build(run, plan, ledger)
    if is_finished:
        announce_end(ended, announcements)
    return ended.summary


def _build(run: Run, plan: Plan, ledger: Ledger) -> tuple[Run, bool]:
    """Publish a run's manifests; return it as ended, and whether that has ended it."""
    pages = sorted(ledger.pages(run.run_id), key=lambda page: page.message.place)
    try:
        summary = _publish(run, plan, pages, ledger)
    except TilepoolError as error:
        ledger.note_fault(run, str(error)[:MAX_FAULT_CHARACTERS])
        raise
    end = RunState.DONE if all(map(is_done, pages)) else RunState.DONE_WITH_FAILURES
    is_finished = ledger.finish(run, end, summary)
    if is_finished:
        log.info("run_finished", state=end, items=summary.items, failed=summary.failed)
    else:
        log.warning("run_not_finished", reason="it was cancelled, or ended by another builder")
    return replace(run, state=end, summary=summary), is_finished


def _claimed_later(run: Run, ledger: Ledger) -> Run | None:
    """Return a run under a claim that came after its own; None where there is none to build."""
    now = ledger.load_run(run.run_id)
    if now is None or now.claimed_at == run.claimed_at:
        return None
    if ledger.claim_rebuild(run.run_id, time.time(), with_gaps=now.with_gaps):
        now = ledger.load_run(run.run_id)
    return now if now is not None and now.state is RunState.BUILDING else None


def _publish(run: Run, plan: Plan, pages: Sequence[Page], ledger: Ledger) -> Summary:
    items = sort_items(pages, _superseded(run, plan, pages, ledger), with_gaps=run.with_gaps)
    writer = Writer(open_storage(plan.dest_store), only_changed=run.summary is not None)
    return Publisher(plan, open_storage(plan.source_store), writer).publish(pages, items)


def _superseded(run: Run, plan: Plan, pages: Iterable[Page], ledger: Ledger) -> set[str]:
    """Return the items that belong to another run by now: what they show is that run's."""
    items = list(dict.fromkeys(page.message.item for page in pages))
    owners = ledger.owners(plan.export, items)
    return {item for item, owner in owners.items() if owner != run.run_id}


@dataclass(frozen=True, slots=True)
class Publisher:
    """Writes the documents of one run."""

    plan: Plan
    source: Storage
    writer: Writer

    def publish(self, pages: Sequence[Page], items: Items) -> Summary:
        """Write manifests, then the collection, then the CSV; return what the run came to.

        `pages` are all pages of the run, sorted by their place.
        """
        csv = self.source.read(self.plan.csv_key)
        catalogue = read_catalogue(csv)
        published, mistakes = self._publish_items(items.published, catalogue.rows)
        collection = CollectionFiles(self.plan, self.writer)
        unread = collection.publish(published, items.withheld, catalogue.rows)
        key = self.plan.layout.csv(self.plan.csv_key.rpartition("/")[2])
        self.writer.write(key, csv, csv_type(catalogue.charset))
        known = {*items.published, *items.withheld, *items.superseded}
        without_images = [
            Problem(row.line, f"{echo(item)} has no images")
            for item, row in catalogue.rows.items()
            if item not in known
        ]
        problems = [
            *tell([*catalogue.problems, *mistakes, *without_images]),
            *unread,
            *(text for item in items.published.values() for text in _doubts(item)),
        ]
        return summarize(self.plan, pages, items, catalogue, problems)

    def _publish_items(
        self, items: Mapping[str, Sequence[Page]], rows: Mapping[str, Row]
    ) -> tuple[dict[str, ManifestRef], list[Problem]]:
        """Write manifests; return the collection's entries, and what is wrong with the rows."""
        published: dict[str, ManifestRef] = {}
        problems: list[Problem] = []

        def documents() -> Iterator[tuple[str, bytes]]:
            for item, pages in items.items():
                manifest, mistakes = self._build(pages, rows.get(item))
                published[item] = refer(manifest)
                problems.extend(mistakes)
                yield self.plan.layout.manifest(item), to_json(manifest)

        self.writer.write_all(documents())
        return published, problems

    def _build(
        self, pages: Sequence[Page], row: Row | None
    ) -> tuple[Manifest, tuple[Problem, ...]]:
        hiding = hidden(pages)
        known = None if hiding is None else pages.index(hiding) + 1
        description, mistakes = describe(row, len(pages), known)
        plan = self.plan
        manifest = build_manifest(plan.layout, plan.options, pages, description, plan.defaults)
        return manifest, mistakes


def _doubts(pages: Sequence[Page]) -> Iterator[str]:
    """Yield what somebody should look at in an item's files."""
    pdfs = [is_pdf(page) for page in pages]
    if any(pdfs) and not all(pdfs):
        item = echo(pages[0].message.item)
        yield f"{item}: a PDF among images; if it repeats them, take it out"
    if (page := hidden(pages)) is not None:
        yield tell_hidden(page)
