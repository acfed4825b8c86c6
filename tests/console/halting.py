"""Halting what tiles on an embedded cloud, so that a run does not end while a test looks at it."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def tiling(cloud: int) -> set[int]:
    """Return the ids of the processes that tile, or are about to: all below a cloud's workers."""
    parents = dict(_parents())
    workers = {process for process, parent in parents.items() if parent == cloud}
    found: set[int] = set()
    below = workers
    while below:
        below = {process for process, parent in parents.items() if parent in below}
        found |= below
    return found


def _parents() -> Iterator[tuple[int, int]]:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            yield int(stat.parent.name), int(stat.read_text().rpartition(")")[2].split()[1])
