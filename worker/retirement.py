"""Leaving in order: a worker that was retired finishes what it has in hand, and takes no more."""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

import structlog

LOOK_SECONDS = 15
JOIN_SECONDS = 5

log = structlog.get_logger()


class Retirement:
    """Looks whether the worker's job was retired, before it begins and then again and again.

    `is_retired` is None for a worker that is no job of a run: it stays. `told` is set when it was;
    unlike a stop that hurries no page, and gives none back.
    """

    def __init__(
        self, is_retired: Callable[[], bool] | None, look_seconds: float = LOOK_SECONDS
    ) -> None:
        self.told = threading.Event()
        self._is_retired = is_retired
        self._look_seconds = look_seconds
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._run, name="retirement", daemon=True)

    def __enter__(self) -> Self:
        if self._is_retired is not None:
            self.look()
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._left.set()
        if self._thread.ident is not None:
            self._thread.join(JOIN_SECONDS)

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
