"""What a worker does beside its slots, again and again: a thread for each such task."""

import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

JOIN_SECONDS = 5
"""A thread that hangs in the network longer is left behind: it ends with the worker."""


class Beside(ABC):
    """A task whose thread runs from when its block is entered until it is left."""

    def __init__(self, name: str) -> None:
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._leave()
        if self._thread.ident is not None:
            self._thread.join(JOIN_SECONDS)

    def _leave(self) -> None:
        """Have the thread end."""
        self._left.set()

    @abstractmethod
    def _run(self) -> None:
        """Do it, until the block is left."""
