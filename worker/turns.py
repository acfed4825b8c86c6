"""Taking turns at a core: of the pages in hand for it, one is decoded and encoded at a time.

So there may be more pages in hand than cores, to be fetched and uploaded meanwhile, without the
memory of more decoded images. A process that dies gives its turn back, for the system does it.
"""

import fcntl
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class Turns(Protocol):
    """Who may compute."""

    def take(self) -> AbstractContextManager[None]:
        """Wait for the turn, and have it until the block is left."""


class NoTurns:
    """For a process that has its core to itself."""

    def take(self) -> AbstractContextManager[None]:
        return nullcontext()


NO_TURNS = NoTurns()


@dataclass(frozen=True, slots=True)
class FileTurns:
    """Turns of all processes that lock the same file."""

    file: Path

    @contextmanager
    def take(self) -> Iterator[None]:
        with self.file.open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
