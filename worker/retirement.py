"""Leaving in order: a worker that was retired finishes what it has in hand, and takes no more."""

import threading
from collections.abc import Callable
from typing import Self

import structlog

from worker.beside import Beside

LOOK_SECONDS = 15

log = structlog.get_logger()


class Retirement(Beside):
    """Looks whether the worker's job was retired, before it begins and then again and again.

    `is_retired` is None for a worker that is no job of a run: it stays. `told` is set when it was;
    unlike a stop that hurries no page, and gives none back.
    """

    def __init__(
        self, is_retired: Callable[[], bool] | None, look_seconds: float = LOOK_SECONDS
    ) -> None:
        super().__init__("retirement")
        self.told = threading.Event()
        self._is_retired = is_retired
        self._look_seconds = look_seconds

    def __enter__(self) -> Self:
        if self._is_retired is not None:
            self.look()
            super().__enter__()
        return self

    def look(self) -> None:
        """Look once; what cannot be read is read the next time."""
        try:
            retired = self._is_retired is not None and self._is_retired()
        except Exception:  # the worker goes on until it is known
            log.exception("retirement_unknown")
            return
        if retired:
            log.info("worker_retired")
            self.told.set()

    def _run(self) -> None:
        while not self.told.is_set() and not self._left.wait(self._look_seconds):
            self.look()
