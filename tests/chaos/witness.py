"""Watches what lies in the destination, write by write. Pure.

A wrong order shows at once, not only if a process dies at the wrong moment.
"""

import json
from dataclasses import dataclass, field
from urllib.parse import unquote

from pipeline.layout import INFO_FILE, TILES_FOLDER, Layout
from pipeline.task import Options


@dataclass
class Witness:
    """The keys that lie in the destination, and what was wrong when they came."""

    layout: Layout
    options: Options
    keys: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)

    def put(self, key: str, body: bytes) -> None:
        """Note an object that was written: call it when the cloud has answered."""
        self.keys.add(key)
        folder, _, name = key.rpartition("/")
        if name == INFO_FILE:
            self._check_info(folder, json.loads(body))
        elif key.endswith(".json") and f"/{TILES_FOLDER}/" not in key:
            self._check_document(key, json.loads(body))

    def delete(self, key: str) -> None:
        """Note an object that is removed: call it before, for somebody may write it meanwhile."""
        self.keys.discard(key)

    def done(self, item: str, page: int, part: int) -> None:
        """Note that a page was recorded as done."""
        for key in (self.layout.info(item, page, part), self.layout.receipt(item, page, part)):
            if key not in self.keys:
                self.faults.append(f"{item} {page}.{part} was recorded as done without {key}")

    def _check_info(self, service: str, info: dict[str, int]) -> None:
        expected = self.options.pyramid(info["width"], info["height"]).paths
        missing = [path for path in expected if f"{service}/{path}" not in self.keys]
        if missing:
            self.faults.append(f"{service}: info.json without {len(missing)} files: {missing[0]}")

    def _check_document(self, key: str, document: object) -> None:
        for service in services(document):
            key_of_service = unquote(service.removeprefix(f"{self.layout.base_url}/"))
            info = f"{key_of_service}/{INFO_FILE}"
            if info not in self.keys:
                self.faults.append(f"{key} names {info}, which is not there")


def services(document: object) -> set[str]:
    """Return the ids of all image services that a document names."""
    found: set[str] = set()
    if isinstance(document, list):
        for entry in document:
            found |= services(entry)
    elif isinstance(document, dict):
        if str(document.get("type", "")).startswith("ImageService"):
            found.add(document["id"])
        for value in document.values():
            found |= services(value)
    return found
