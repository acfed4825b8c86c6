"""The tiling processes: one page each at a time, and a page that kills its process costs only that.

Adapter around pebble; spawned, for obstore's threads do not survive a fork.
"""

import multiprocessing
import threading
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as PageTimeout
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Protocol, Self

from pebble import ProcessExpired, ProcessPool

from pipeline.errors import TransientError
from pipeline.run import TiledPage
from worker.page import PageWork, tile_page


class Tiler(Protocol):
    """What the worker asks of whoever tiles."""

    def tile(self, work: PageWork) -> TiledPage:
        """Tile a page and wait for it; raises PermanentError or TransientError."""


class TilerProcesses:
    """A pool of tiling processes. `page_seconds` limits one page's time."""

    def __init__(self, processes: int, page_seconds: int) -> None:
        self._processes = processes
        self._page_seconds = page_seconds
        self._lock = threading.Lock()
        self._stopped = False
        self._pool = self._new_pool()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def tile(self, work: PageWork) -> TiledPage:
        """Tile a page in a process of the pool and wait for it.

        Raises what tiling raises, and TransientError where the process died, took too long, or
        was stopped.
        """
        try:
            future = self._living_pool().schedule(
                tile_page, args=[work], timeout=self._page_seconds
            )
            tiled = future.result()
        except ProcessExpired as error:
            raise TransientError(f"the tiling process died (exit code {error.exitcode})") from error
        except (BrokenProcessPool, CancelledError) as error:
            raise TransientError("the tiling process was stopped") from error
        except PageTimeout as error:
            raise TransientError(f"tiling took longer than {self._page_seconds} s") from error
        return tiled

    def stop(self) -> None:
        """End the processes, whatever they are doing; from here on every page is transient."""
        with self._lock:
            self._stopped = True
            _end(self._pool)

    def _living_pool(self) -> ProcessPool:
        """Return the pool, a new one where it broke: an idle process that dies takes it along."""
        with self._lock:
            if self._stopped:
                raise TransientError("the worker is stopping")
            if not self._pool.active:
                _end(self._pool)
                self._pool = self._new_pool()
            return self._pool

    def _new_pool(self) -> ProcessPool:
        return ProcessPool(
            max_workers=self._processes, context=multiprocessing.get_context("spawn")
        )


def _end(pool: ProcessPool) -> None:
    pool.stop()  # type: ignore[no-untyped-call]
    pool.join()
