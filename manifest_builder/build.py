"""The final job's work: every manifest of a run, the collection, the CSV, and a summary.

Idempotent: all is derived from the ledger, the CSV and what lies in the destination.
"""

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import structlog
from iiif_prezi3 import ManifestRef

from manifest_builder.collection import refer
from manifest_builder.collection_files import CollectionFiles
from manifest_builder.description import Description
from manifest_builder.document import to_json
from manifest_builder.manifest import build_manifest
from manifest_builder.problems import Problem, echo, tell
from manifest_builder.row_reader import describe
from manifest_builder.table import Catalogue, read_catalogue
from pipeline.ledger import Ledger
from pipeline.run import Page, PageState, Plan, RunState, Summary
from pipeline.storage import (
    DOCUMENT_MAX_AGE_SECONDS,
    PRESENTATION_TYPE,
    Storage,
    csv_type,
    open_storage,
)

MAX_NAMED = 100
"""Names of one kind that a summary lists: the run's row has 400 KB at most."""
MAX_NAME_CHARACTERS = 200
MAX_PROBLEM_CHARACTERS = 400

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
    ledger.finish(run, end, summary)
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
        problems = list(catalogue.problems)
        withheld: dict[str, None] = {}
        published: dict[str, ManifestRef] = {}
        doubtful: list[str] = []
        for item, group in itertools.groupby(pages, key=lambda page: page.message.item):
            members = list(group)
            if any(page.state is not PageState.DONE for page in members):
                # How many pages a file has that cannot be read is not known, so neither is whether
                # the row fits them.
                withheld[item] = None
                continue
            description, mistakes = describe(catalogue.rows.get(item), len(members))
            problems += mistakes
            published[item] = self._write_manifest(members, description)
            if _has_pdf_among_images(members):
                doubtful.append(
                    f"{echo(item)}: a PDF among images; if it repeats them, take it out"
                )
        collection = CollectionFiles(self.plan, self.dest)
        unread = collection.publish(published, withheld, catalogue.rows)
        for item in withheld:
            # Its pages may be gone, so an earlier run's manifest must not stand.
            self.dest.delete(self.plan.layout.manifest(item))
        key = self.plan.layout.csv(self.plan.csv_key.rpartition("/")[2])
        self.dest.write(key, csv, csv_type(catalogue.charset), DOCUMENT_MAX_AGE_SECONDS)
        problems += [
            Problem(row.line, f"{echo(item)} has no images")
            for item, row in catalogue.rows.items()
            if item not in published and item not in withheld
        ]
        return self._summary(
            pages, published, withheld, catalogue, [*tell(problems), *unread, *doubtful]
        )

    def _write_manifest(self, pages: Sequence[Page], description: Description) -> ManifestRef:
        layout, item = self.plan.layout, pages[0].message.item
        manifest = build_manifest(layout, self.plan.options, pages, description, self.plan.defaults)
        self.dest.write(
            layout.manifest(item), to_json(manifest), PRESENTATION_TYPE, DOCUMENT_MAX_AGE_SECONDS
        )
        return refer(manifest)

    def _summary(
        self,
        pages: Sequence[Page],
        published: Mapping[str, ManifestRef],
        withheld: Collection[str],
        catalogue: Catalogue,
        problems: Sequence[str],
    ) -> Summary:
        tiled = [page.tiled for page in pages if page.tiled is not None]
        return Summary(
            collection_url=self.plan.layout.url(self.plan.layout.collection),
            images=len(pages),
            failed=sum(page.state is PageState.FAILED for page in pages),
            reused=sum(page.reused for page in tiled),
            tiles=sum(page.tiles for page in tiled),
            items=len(published),
            withheld=_cut(list(withheld)),
            without_row=_cut([item for item in published if item not in catalogue.rows]),
            problems=_cut(problems, MAX_PROBLEM_CHARACTERS),
        )


def _has_pdf_among_images(pages: Sequence[Page]) -> bool:
    """Tell whether some but not all pages come from PDFs."""
    pdfs = [page.message.key.casefold().endswith(".pdf") for page in pages]
    return any(pdfs) and not all(pdfs)


def _cut(names: Sequence[str], most: int = MAX_NAME_CHARACTERS) -> tuple[str, ...]:
    shown = [name if len(name) <= most else f"{name[:most]}…" for name in names[:MAX_NAMED]]
    if len(names) > MAX_NAMED:
        shown.append(f"… and {len(names) - MAX_NAMED} more")
    return tuple(shown)
