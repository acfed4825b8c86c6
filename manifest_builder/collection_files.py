"""Writing the collection of all manifests there are: this run's and those of earlier ones."""

from collections.abc import Collection as Container
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from iiif_prezi3 import ManifestRef
from natsort import natsorted

from manifest_builder.collection import build_collections, parse_entry
from manifest_builder.document import to_json
from manifest_builder.writing import Writer
from pipeline.errors import TransientError
from pipeline.run import Plan
from pipeline.storage import MissingObject, Storage

MAX_READS = 16
MAX_ROUNDS = 10


@dataclass(frozen=True, slots=True)
class CollectionFiles:
    """The collection and its parts in the destination."""

    plan: Plan
    writer: Writer

    @property
    def dest(self) -> Storage:
        """Return where it lies."""
        return self.writer.dest

    def publish(
        self,
        published: Mapping[str, ManifestRef],
        withheld: Container[str],
        order: Iterable[str],
    ) -> list[str]:
        """Write the collection, in the order of the CSV's rows; return what could not be read.

        A run for the same collection may write a manifest at the same time; the last to look sees
        both. Parts beyond the last are removed before that look: one that another run has just
        written belongs to a manifest that the look then finds.
        """
        layout, problems = self.plan.layout, list[str]()
        rank = {item: number for number, item in enumerate(order)}
        seen: set[str] | None = None
        for _ in range(MAX_ROUNDS):
            found = set(self.dest.folders(layout.prefix)) | published.keys()
            items = {item for item in found if item not in withheld}
            if items == seen:
                return problems
            seen = items
            earlier, problems = self._read_earlier(items - published.keys())
            entries = {**published, **earlier}
            ordered = natsorted(sorted(entries))
            ordered.sort(key=lambda item: rank.get(item, len(rank)))
            self._write([entries[item] for item in ordered])
        raise TransientError("other runs keep adding to the collection")

    def _write(self, entries: list[ManifestRef]) -> None:
        layout = self.plan.layout
        documents = build_collections(layout, self.plan.collection, entries)
        for key, document in documents.items():
            self.writer.write(key, to_json(document))
        for listed in list(self.dest.objects(layout.subcollections_folder)):
            if listed.key not in documents and layout.is_subcollection(listed.key):
                self.dest.delete(listed.key)

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
