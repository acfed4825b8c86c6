"""Writing the collection of all manifests there are: this run's and those of earlier ones."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from iiif_prezi3 import ManifestRef
from natsort import natsorted

from manifest_builder.collection import build_collections, listing
from manifest_builder.document import to_json
from manifest_builder.earlier import EarlierManifests
from manifest_builder.writing import Writer
from pipeline.errors import TransientError
from pipeline.run import Plan
from pipeline.storage import MissingObject, Storage

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
        withheld: Collection[str],
        order: Iterable[str],
    ) -> list[str]:
        """Write the collection, then remove the manifests that are withheld; look whether it holds.

        It is in the order of the CSV's rows. Return what could not be read. A run for the same
        collection may do the same at the same time, with other items and another CSV. Each looks
        after its last change, so the last to look sees all, and finds what the other has
        overwritten or listed without knowing that it goes. Parts beyond the last are removed
        before that look: one that another run has just written belongs to a manifest that the look
        then finds.
        """
        rank = {item: number for number, item in enumerate(order)}
        others = EarlierManifests(self.dest, self.plan.layout)
        for turn in range(MAX_ROUNDS):
            items = set(self.dest.folders(self.plan.layout.prefix)).difference(published, withheld)
            earlier, problems = others.read(items)
            entries = {**published, **earlier}
            ordered = natsorted(sorted(entries))
            ordered.sort(key=lambda item: rank.get(item, len(rank)))
            documents = self._documents([entries[item] for item in ordered])
            if turn > 0 and self._is_listed(documents):
                return problems
            self._write(documents)
            for item in withheld:
                # Its pages may be gone, so an earlier run's manifest must not stand.
                self.dest.delete(self.plan.layout.manifest(item))
        raise TransientError("other runs keep changing the collection")

    def _documents(self, entries: list[ManifestRef]) -> dict[str, bytes]:
        documents = build_collections(self.plan.layout, self.plan.collection, entries)
        return {key: to_json(document) for key, document in documents.items()}

    def _is_listed(self, documents: Mapping[str, bytes]) -> bool:
        """Tell whether what lies there lists the same; two runs may have it in different orders."""
        try:
            return listing(map(self.dest.read, documents)) == listing(documents.values())
        except (MissingObject, ValueError):
            return False

    def _write(self, documents: Mapping[str, bytes]) -> None:
        for key, content in documents.items():
            self.writer.write(key, content)
        layout = self.plan.layout
        for listed in list(self.dest.objects(layout.subcollections_folder)):
            if listed.key not in documents and layout.is_subcollection(listed.key):
                self.dest.delete(listed.key)
