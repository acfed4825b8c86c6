"""The files of an image from when they are made until they are uploaded, all of them, or none."""

from collections.abc import Iterator, Sequence
from pathlib import Path

IN_MEMORY_BYTES = 128_000_000
"""So much is kept in memory, as of a scan of 500 million pixels; the rest goes to the disk."""


class Spool:
    """Files by their path, in memory as long as they fit; beyond that in one file in `scratch`."""

    def __init__(self, scratch: Path, in_memory_bytes: int = IN_MEMORY_BYTES) -> None:
        self._file = scratch / "files"
        self._left = in_memory_bytes
        self._on_disk = 0
        self._contents: list[bytes | slice] = []
        self._numbers: dict[str, int] = {}

    def __contains__(self, path: object) -> bool:
        return path in self._numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def add(self, paths: Sequence[str], content: bytes) -> None:
        """Take a file, by all its paths."""
        self._numbers.update(dict.fromkeys(paths, len(self._contents)))
        if len(content) <= self._left:
            self._left -= len(content)
            self._contents.append(content)
            return
        with self._file.open("ab") as file:
            file.write(content)
        self._contents.append(slice(self._on_disk, self._on_disk + len(content)))
        self._on_disk += len(content)

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Yield path and content of each file."""
        for path, number in self._numbers.items():
            content = self._contents[number]
            yield path, content if isinstance(content, bytes) else self._read(content)

    def _read(self, place: slice) -> bytes:
        with self._file.open("rb") as file:
            file.seek(place.start)
            return file.read(place.stop - place.start)
