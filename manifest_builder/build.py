"""The final job's work: every manifest of a run, the collection, the CSV, and a summary.

Idempotent: all is derived from the ledger, the CSV and what lies in the destination.
"""

import itertools
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import structlog
from iiif_prezi3 import Collection, Manifest, ManifestRef
from natsort import natsorted

from manifest_builder.manifest import (
    build_collection,
    build_manifest,
    parse_entry,
    refer,
    to_json,
)
from manifest_builder.metadata import Catalogue, read_catalogue
from pipeline.errors import TransientError
from pipeline.ledger import Ledger
from pipeline.run import Page, PageState, Plan, RunState, Summary
from pipeline.storage import (
    CSV_TYPE,
    DOCUMENT_MAX_AGE_SECONDS,
    PRESENTATION_TYPE,
    MissingObject,
    Storage,
    open_storage,
)

MAX_NAMED = 100
"""Names of one kind that a summary lists: the run's row has 400 KB at most."""
MAX_NAME_CHARACTERS = 200
MAX_READS = 16
MAX_COLLECTION_ROUNDS = 10

log = structlog.get_logger()


def finish_run(run_id: str, ledger: Ledger) -> Summary | None:
    """Publish a run's manifests and end it; None where the run is not at this point."""
    run = ledger.load_run(run_id)
    if run is None or run.plan is None or run.state is not RunState.BUILDING:
        log.warning("nothing_to_build", state=run and run.state)
        return None
    publisher = Publisher(
        run.plan, open_storage(run.plan.source_store), open_storage(run.plan.dest_store)
    )
    pages = sorted(ledger.pages(run_id), key=lambda page: page.message.place)
    summary = publisher.publish(pages)
    end = RunState.DONE_WITH_FAILURES if summary.withheld else RunState.DONE
    ledger.finish(run_id, end, summary)
    log.info("run_finished", state=end, items=summary.items, failed=summary.failed)
    return summary


@dataclass(frozen=True, slots=True)
class Publisher:
    """Writes the documents of one run."""

    plan: Plan
    source: Storage
    dest: Storage

    def publish(self, pages: Sequence[Page]) -> Summary:
        """Write manifests, then the collection, then the CSV; return what the run came to.

        `pages` are all pages of the run, sorted by their place.
        """
        csv = self.source.read(self.plan.csv_key)
        catalogue = read_catalogue(csv)
        withheld: list[str] = []
        published: dict[str, ManifestRef] = {}
        for item, group in itertools.groupby(pages, key=lambda page: page.message.item):
            members = list(group)
            if any(page.state is not PageState.DONE for page in members):
                withheld.append(item)
            else:
                published[item] = self._write_manifest(members, catalogue)
        problems = self._write_collection(published, withheld, catalogue)
        for item in withheld:
            # Its pages may be gone, so an earlier run's manifest must not stand.
            self.dest.delete(self.plan.layout.manifest(item))
        csv_name = self.plan.csv_key.rpartition("/")[2]
        self.dest.write(self.plan.layout.csv(csv_name), csv, CSV_TYPE, DOCUMENT_MAX_AGE_SECONDS)
        return self._summary(pages, published, withheld, catalogue, problems)

    def _write_manifest(self, pages: Sequence[Page], catalogue: Catalogue) -> ManifestRef:
        layout, item = self.plan.layout, pages[0].message.item
        manifest = build_manifest(layout, self.plan.options, pages, catalogue.rows.get(item))
        self._write(layout.manifest(item), manifest)
        return refer(manifest)

    def _write_collection(
        self, published: Mapping[str, ManifestRef], withheld: Sequence[str], catalogue: Catalogue
    ) -> list[str]:
        """Write the collection of all manifests there are: this run's and those of earlier ones.

        A run for the same collection may write a manifest at the same time; the last to look
        sees both.
        """
        layout, problems = self.plan.layout, list[str]()
        seen: set[str] | None = None
        for _ in range(MAX_COLLECTION_ROUNDS):
            items = (set(self.dest.folders(layout.prefix)) | published.keys()) - set(withheld)
            if items == seen:
                return problems
            seen = items
            earlier, problems = self._read_earlier(items - published.keys())
            entries = {**published, **earlier}
            ordered = natsorted(sorted(entries))
            rank = {item: number for number, item in enumerate(catalogue.rows)}
            ordered.sort(key=lambda item: rank.get(item, len(rank)))
            collection = build_collection(
                layout, self.plan.collection, [entries[item] for item in ordered]
            )
            self._write(layout.collection, collection)
        raise TransientError("other runs keep adding to the collection")

    def _read_earlier(self, items: set[str]) -> tuple[dict[str, ManifestRef], list[str]]:
        """Return the entries of items that earlier runs published, and which cannot be read."""
        entries: dict[str, ManifestRef] = {}
        problems: list[str] = []
        with ThreadPoolExecutor(MAX_READS) as readers:
            for item, found in zip(items, readers.map(self._read_manifest, items), strict=True):
                if isinstance(found, ManifestRef):
                    entries[item] = found
                elif found is not None:
                    problems.append(f"{item!r}: its manifest cannot be read: {found}")
        return entries, problems

    def _read_manifest(self, item: str) -> ManifestRef | str | None:
        try:
            return parse_entry(self.dest.read(self.plan.layout.manifest(item)))
        except MissingObject:
            return None
        except ValueError as error:
            return str(error).partition("\n")[0]

    def _write(self, key: str, document: Manifest | Collection) -> None:
        self.dest.write(key, to_json(document), PRESENTATION_TYPE, DOCUMENT_MAX_AGE_SECONDS)

    def _summary(
        self,
        pages: Sequence[Page],
        published: Mapping[str, ManifestRef],
        withheld: Sequence[str],
        catalogue: Catalogue,
        problems: Sequence[str],
    ) -> Summary:
        items = {*published, *withheld}
        unused = [f"CSV row {row!r}: no images" for row in catalogue.rows if row not in items]
        tiled = [page.tiled for page in pages if page.tiled is not None]
        return Summary(
            collection_url=self.plan.layout.url(self.plan.layout.collection),
            images=len(pages),
            failed=sum(page.state is PageState.FAILED for page in pages),
            reused=sum(page.reused for page in tiled),
            tiles=sum(page.tiles for page in tiled),
            items=len(published),
            withheld=_cut(withheld),
            without_row=_cut([item for item in published if item not in catalogue.rows]),
            problems=_cut([*catalogue.problems, *problems, *unused]),
        )


def _cut(names: Sequence[str]) -> tuple[str, ...]:
    shown = [
        name if len(name) <= MAX_NAME_CHARACTERS else f"{name[:MAX_NAME_CHARACTERS]}…"
        for name in names[:MAX_NAMED]
    ]
    if len(names) > MAX_NAMED:
        shown.append(f"… and {len(names) - MAX_NAMED} more")
    return tuple(shown)
