"""The tiling processes, one for each slot: a page that kills its process costs only that.

Adapter around pebble, with a pool of one process for each slot: so nothing that breaks one, not
even a lock that it dies with, can hold up another's. All are forked from one process that has
loaded the libraries and done nothing else, for obstore's threads would not survive a fork.
"""

import signal
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as PageTimeout
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Protocol, TypeVar

import structlog
from pebble import CONSTS, ProcessExpired, ProcessFuture, ProcessPool

from pipeline.errors import BadImage, TilepoolError, TransientError
from pipeline.run import TiledPage
from worker import settings
from worker.confinement import (
    OUT_OF_MEMORY,
    TilePage,
    answer,
    begin_page,
    confine,
    go_on,
    tile_page,
)
from worker.forking import PROCESSES, load_libraries
from worker.work import PageWork

MEMORY_BYTES = settings.MEMORY_BYTES
MAX_STARTS = 3
START_SECONDS = 120
GAVE_UP = {OUT_OF_MEMORY, -signal.SIGABRT, -signal.SIGTRAP}
"""How a process ends that is refused memory: in Python, in C++, in GLib."""

ALONE = nullcontext()
"""The turn of a process that shares its core with none."""

Result = TypeVar("Result")

log = structlog.get_logger()


class Tiler(Protocol):
    """What the desk asks of whoever tiles."""

    def tile(self, work: PageWork) -> TiledPage:
        """Tile a page and wait for it; raises PermanentError or TransientError."""


class NoProcess(TilepoolError):
    """No tiling process comes up: this machine cannot tile, whatever the page."""


class GaveUp(TransientError):
    """The process ended itself, as one does that gets no more memory."""


class TilingProcess:
    """A slot's tiling process, and a fresh one after each that has died.

    `page_seconds` limits the time of each step of a page, `memory_bytes` what the process may
    hold. Processes of one `turn` decode and encode one after another: so more of them may be
    fetching and uploading than there are cores, without the memory of more decoded images. `stop`
    and `revoke` may be called by any thread, and wait for nothing; all else is for the slot's.
    """

    def __init__(
        self,
        page_seconds: float,
        memory_bytes: int = MEMORY_BYTES,
        tile: TilePage = tile_page,
        turn: AbstractContextManager[object] = ALONE,
    ) -> None:
        # The processes ignore SIGTERM, so pebble need not wait for what it brings.
        CONSTS.term_timeout = 0
        self._page_seconds = page_seconds
        self._memory_bytes = memory_bytes
        self._tile = tile
        self._turn = turn
        self._lock = threading.Lock()
        self._stopped = False
        self._revoked = False
        self._fresh = True
        self._pool: ProcessPool | None = None
        self._future: ProcessFuture[Any] | None = None

    def prepare(self) -> None:
        """Have a process wait for a page, and forget a revoke; raises NoProcess.

        So a page is not charged with what keeps a process from starting.
        """
        self._revoked = False
        if self._pool is not None:
            if self._pool.active:
                return
            self.close()
        for _ in range(MAX_STARTS):
            try:
                self._run(answer, timeout=None).result(START_SECONDS)
                return
            except (BrokenProcessPool, CancelledError, PageTimeout, ProcessExpired) as error:
                self.close()
                if self._stopped:
                    return
                log.warning("tiling_process_did_not_start", reason=repr(error))
        raise NoProcess(f"no tiling process came up in {MAX_STARTS} attempts")

    def tile(self, work: PageWork) -> TiledPage:
        """Tile a page and wait for it.

        Raises what tiling raises; BadImage where a process that had tiled nothing before gets no
        more memory; TransientError where the process died otherwise, took too long, was stopped,
        or where the page was revoked.
        """
        while True:
            fresh = self._fresh
            try:
                return self._tile_once(work)
            except GaveUp as error:
                if fresh:
                    raise BadImage(str(error)) from error
                # What earlier pages have left behind may be to blame: a fresh process decides.

    def revoke(self) -> None:
        """Stop the page under way, or the one that comes before the next `prepare`."""
        with self._lock:
            self._revoked = True
            self._cancel()

    def stop(self) -> None:
        """Stop the page under way; from here on every page is transient."""
        with self._lock:
            self._stopped = True
            self._cancel()

    def close(self) -> None:
        """End the process, and wait until it is gone."""
        with self._lock:
            self._cancel()
            pool, self._pool, self._future = self._pool, None, None
            self._fresh = True
        if pool is not None:
            pool.stop()  # type: ignore[no-untyped-call]
            pool.join()

    def _tile_once(self, work: PageWork) -> TiledPage:
        for _ in range(MAX_STARTS):
            with tempfile.TemporaryDirectory(prefix="tilepool-") as scratch:
                try:
                    return self._go_through(work, Path(scratch))
                except BrokenProcessPool:
                    # It died before it took the page up.
                    self.close()
                except (CancelledError, PageTimeout, ProcessExpired) as error:
                    # Gone for sure before its scratch goes, and before others publish the page.
                    self.close()
                    raise self._reason(error) from error
        raise TransientError("the tiling process died before it took the page up")

    def _go_through(self, work: PageWork, scratch: Path) -> TiledPage:
        seconds = self._page_seconds
        begun = self._run(begin_page, self._tile, work, scratch, timeout=seconds)
        self._fresh = False
        tiled = begun.result()
        if tiled is None:
            # The time that others take is not the page's.
            with self._turn:
                tiled = self._run(go_on, timeout=seconds).result()
        while tiled is None:
            tiled = self._run(go_on, timeout=seconds).result()
        return tiled

    def _run(
        self, function: Callable[..., Result], *args: object, timeout: float | None
    ) -> ProcessFuture[Result]:
        with self._lock:
            if self._stopped or self._revoked:
                raise CancelledError
            if self._pool is None:
                load_libraries()
                self._pool = ProcessPool(
                    max_workers=1,
                    initializer=confine,
                    initargs=[self._memory_bytes],
                    context=PROCESSES,
                )
            try:
                future = self._pool.schedule(function, args=args, timeout=timeout)
            except RuntimeError as error:
                # What pebble raises for a pool whose process is dead, or gets no thread.
                raise BrokenProcessPool from error
            self._future = future
        return future

    def _cancel(self) -> None:
        if self._future is not None:
            self._future.cancel()  # type: ignore[no-untyped-call]

    def _reason(self, error: Exception) -> TransientError:
        if isinstance(error, PageTimeout):
            return TransientError(f"tiling took longer than {self._page_seconds} s")
        if not isinstance(error, ProcessExpired):
            return TransientError("the tiling process was stopped")
        if error.exitcode in GAVE_UP:
            return GaveUp(
                f"it takes more than {self._memory_bytes:,} bytes of memory, or is damaged"
                f" (exit code {error.exitcode})"
            )
        return TransientError(
            f"the tiling process died (exit code {error.exitcode}): the file may be damaged,"
            " or take more memory than there is"
        )
