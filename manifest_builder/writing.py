"""Putting documents into the destination; a rebuild leaves alone what lies there as it should."""

from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from pipeline.storage import (
    DOCUMENT_MAX_AGE_SECONDS,
    PRESENTATION_TYPE,
    MissingObject,
    Storage,
    TooLarge,
)

MAX_WRITES = 16
"""Documents that are compared and written side by side: more hide more of a store's latency, and
are held in memory meanwhile, of which that of an item of 10,000 pages takes 20 MB."""


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

        They are made in the caller's thread: in several, Python would make none sooner.
        """
        under_way: deque[Future[None]] = deque()
        with ThreadPoolExecutor(MAX_WRITES) as writers:
            for key, content in documents:
                if len(under_way) == MAX_WRITES:
                    under_way.popleft().result()
                under_way.append(writers.submit(self.write, key, content))
            for written in under_way:
                written.result()

    def _has(self, key: str, content: bytes) -> bool:
        try:
            return self.dest.read(key, limit_bytes=len(content)) == content
        except (MissingObject, TooLarge):
            return False
