"""A foreign export as `tilepool verify` and `tilepool serve` meet it, with one document broken."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from console.errors import ConsoleError
from console.serve import describe
from console.verify.verification import Wanted, verify
from manifest_builder.collection import build_collections, refer
from manifest_builder.document import to_json
from manifest_builder.manifest import build_manifest
from pipeline.geometry import Pyramid
from pipeline.task import Options
from tests.builders import a_message, done
from tests.fuzz.documents import LAYOUT, Target
from worker.info import info_json

WIDTH, HEIGHT = 600, 400
KINDS = {"Collection": LAYOUT.collection, "Manifest": LAYOUT.manifest("book")}


def documents() -> dict[str, bytes]:
    """Return an export's documents by their keys."""
    page = done(a_message(), width=WIDTH, height=HEIGHT)
    manifest = build_manifest(LAYOUT, Options(), [page])
    collections = build_collections(LAYOUT, "Letters", [refer(manifest)])
    place = page.message.place
    return {
        LAYOUT.manifest("book"): to_json(manifest),
        **{key: to_json(collection) for key, collection in collections.items()},
        LAYOUT.info(*place): info_json(LAYOUT.url(LAYOUT.service(*place)), Pyramid(WIDTH, HEIGHT)),
    }


def read_export(content: bytes) -> None:
    """Verify an export in which a document is put in place of the one that it looks like."""
    with tempfile.TemporaryDirectory(prefix="tilepool-fuzz-") as folder:
        root = Path(folder)
        for key, document in (documents() | {_key(content): content}).items():
            (root / key).parent.mkdir(parents=True, exist_ok=True)
            (root / key).write_bytes(document)
        list(describe(root, "http://127.0.0.1:8000"))
        try:
            verify(Wanted(str(root), 3, 0, every_header=False), lambda _: None)
        except ConsoleError:
            return


def _key(content: bytes) -> str:
    for kind, key in KINDS.items():
        if f'"type": "{kind}"'.encode() in content[:1_000]:
            return key
    return next(key for key in documents() if key.endswith("/info.json"))


def seeds() -> Sequence[bytes]:
    """Return each kind of document."""
    return [json.dumps(json.loads(document)).encode() for document in documents().values()]


EXPORTS: Mapping[str, Target] = {"export": Target(read_export, seeds, is_json=True)}
