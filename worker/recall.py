"""Stopping pages under way whose run was cancelled: one thread for the worker."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from pipeline.run import Run, RunState
from worker.beside import Beside

LOOK_SECONDS = 15

log = structlog.get_logger()


@dataclass
class Wanted:
    """A page under way; `recalled` tells that it was told to stop."""

    run_id: str
    revoke: Callable[[], None]
    recalled: bool = False


class Recall(Beside):
    """Looks at the runs of all pages under way, again and again."""

    def __init__(
        self, load_run: Callable[[str], Run | None], look_seconds: float = LOOK_SECONDS
    ) -> None:
        super().__init__("recall")
        self._load_run = load_run
        self._look_seconds = look_seconds
        self._held: list[Wanted] = []
        self._lock = threading.Lock()

    @contextmanager
    def watch(self, run_id: str, revoke: Callable[[], None]) -> Iterator[Wanted]:
        """Have `revoke` called when the run is cancelled before the block is left."""
        wanted = Wanted(run_id, revoke)
        with self._lock:
            self._held.append(wanted)
        try:
            yield wanted
        finally:
            with self._lock:
                self._held.remove(wanted)

    def look(self) -> None:
        """Look at each run once."""
        with self._lock:
            run_ids = {wanted.run_id for wanted in self._held if not wanted.recalled}
        cancelled = {run_id for run_id in run_ids if self._is_cancelled(run_id)}
        with self._lock:
            for wanted in self._held:
                if wanted.run_id in cancelled and not wanted.recalled:
                    wanted.recalled = True
                    wanted.revoke()
                    log.info("page_recalled", run=wanted.run_id)

    def _is_cancelled(self, run_id: str) -> bool:
        try:
            run = self._load_run(run_id)
        except Exception:  # the next look may succeed; the page goes on until then
            log.exception("recall_failed", run=run_id)
            return False
        return run is not None and run.state is RunState.CANCELLED

    def _run(self) -> None:
        while not self._left.wait(self._look_seconds):
            self.look()
