"""Putting documents into the destination; a rebuild leaves alone what lies there as it should."""

from dataclasses import dataclass

from pipeline.storage import (
    DOCUMENT_MAX_AGE_SECONDS,
    PRESENTATION_TYPE,
    MissingObject,
    Storage,
    TooLarge,
)


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

    def _has(self, key: str, content: bytes) -> bool:
        try:
            return self.dest.read(key, limit_bytes=len(content)) == content
        except (MissingObject, TooLarge):
            return False
