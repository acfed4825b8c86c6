"""Where an export may lie, behind one protocol: a folder, a bucket, the web."""

from typing import NamedTuple, Protocol

MAX_DOCUMENT_BYTES = 134_217_728
"""Some million short references; viewers give up long before."""
MAX_IMAGE_BYTES = 134_217_728
"""Of a file that is decoded."""


class Absent(Exception):
    """There is no file at a URL; the text says why, where there is more to say."""


class NoAnswer(Exception):
    """A file could not be asked for; another try may succeed. The text says why."""


class TooLarge(Exception):
    """A file has more bytes than are read of one of its kind."""


class Glance(NamedTuple):
    """What is seen of a file without reading it all: its first bytes, its last two, its size.

    What could not be had cheaply is None.
    """

    start: bytes
    end: bytes | None = None
    size_bytes: int | None = None


class Place(Protocol):
    """Answers for URLs, as the web host of the export would.

    Every method that takes a URL raises Absent or NoAnswer.
    """

    parallel: int
    """Files that are best asked for at the same time."""
    reads_every_header: bool
    """Whether the header of each file comes at no further cost."""

    def name(self, url: str) -> str:
        """Return what to call a file in a report."""

    def read(self, url: str, limit: int) -> bytes:
        """Return a file's content; raises TooLarge beyond the limit in bytes."""

    def listing(self, folder_url: str) -> dict[str, int] | None:
        """Return size in bytes by path of all files below a URL; None where none can be had."""

    def glance(self, url: str, length: int, size_bytes: int | None) -> Glance:
        """Return a file's first bytes, `length` of them if it has so many.

        `size_bytes` is its size where it has been listed.
        """

    def same(self, asked: str, said: str) -> bool:
        """Tell whether the id that a document says is the URL it was asked for."""
