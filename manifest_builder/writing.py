"""Putting documents into the destination; a rebuild leaves alone what lies there as it should."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.storage import (
    DOCUMENT_MAX_AGE_SECONDS,
    PRESENTATION_TYPE,
    MissingObject,
    Storage,
    TooLarge,
)
from pipeline.threads import call_all


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes documents of one export.

    With `only_changed`, one whose content lies there already is not written: it keeps its date
    and ETag, so that caches and mirrors need not fetch it again.
    """

    dest: Storage
    only_changed: bool = False

    def write(self, key: str, content: bytes, content_type: str = PRESENTATION_TYPE) -> None:
        """Have a document lie at a key."""
        if not (self.only_changed and self._has(key, content)):
            self.dest.write(key, content, content_type, DOCUMENT_MAX_AGE_SECONDS)

    def write_all(self, documents: Iterable[tuple[str, bytes]]) -> None:
        """Have documents lie at their keys; while some are written, the next are made.

        They are made in the caller's thread: in several, Python would make none sooner. Those under
        way are held in memory, of which that of an item of 10,000 pages takes 20 MB.
        """
        deque(call_all(lambda document: self.write(*document), documents), maxlen=0)

    def _has(self, key: str, content: bytes) -> bool:
        try:
            return self.dest.read(key, limit_bytes=len(content)) == content
        except (MissingObject, TooLarge):
            return False
