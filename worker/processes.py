"""The tiling processes: one page each at a time, and a page that kills its process costs only that.

Adapter around pebble; spawned, for obstore's threads do not survive a fork.
"""

import multiprocessing
import os
import resource
import tempfile
import threading
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as PageTimeout
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from pebble import ProcessExpired, ProcessFuture, ProcessPool

from pipeline.errors import TransientError
from pipeline.run import TiledPage
from worker.page import PageWork, tile_page

MEMORY_BYTES = 4_000_000_000
"""What a tiling process may hold, above all that `worker.budget` lets through: a net under it."""


OUT_OF_MEMORY = 71
"""A tiling process's exit code."""


class Tiler(Protocol):
    """What the worker asks of whoever tiles."""

    def tile(self, work: PageWork) -> TiledPage:
        """Tile a page and wait for it; raises PermanentError or TransientError."""


class TilerProcesses:
    """A pool of tiling processes.

    `page_seconds` limits the time of a page, `memory_bytes` what a process may hold.
    """

    def __init__(self, processes: int, page_seconds: int, memory_bytes: int = MEMORY_BYTES) -> None:
        self._processes = processes
        self._page_seconds = page_seconds
        self._memory_bytes = memory_bytes
        self._lock = threading.Lock()
        self._stopped = False
        self._in_hand: set[ProcessFuture[TiledPage]] = set()
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
            with tempfile.TemporaryDirectory(prefix="tilepool-") as scratch:
                return self._schedule(work, Path(scratch)).result()
        except ProcessExpired as error:
            if error.exitcode == OUT_OF_MEMORY:
                raise TransientError(f"it takes more than {self._memory_bytes:,} bytes") from error
            raise TransientError(
                f"the tiling process died (exit code {error.exitcode}): the file may be damaged,"
                " or take more memory than there is"
            ) from error
        except (BrokenProcessPool, CancelledError) as error:
            raise TransientError("the tiling process was stopped") from error
        except PageTimeout as error:
            raise TransientError(f"tiling took longer than {self._page_seconds} s") from error

    def stop(self) -> None:
        """End the processes, whatever they are doing; from here on every page is transient."""
        with self._lock:
            self._stopped = True
            self._end_pool()

    def _schedule(self, work: PageWork, scratch: Path) -> ProcessFuture[TiledPage]:
        with self._lock:
            if self._stopped:
                raise TransientError("the worker is stopping")
            if not self._pool.active:
                # An idle process that died took the pool along.
                self._end_pool()
                self._pool = self._new_pool()
            future = self._pool.schedule(_tile, args=[work, scratch], timeout=self._page_seconds)
            self._in_hand.add(future)
        future.add_done_callback(self._in_hand.discard)
        return future

    def _end_pool(self) -> None:
        # pebble leaves the futures of a stopped pool unanswered for ever.
        for future in list(self._in_hand):
            future.cancel()  # type: ignore[no-untyped-call]
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()

    def _new_pool(self) -> ProcessPool:
        return ProcessPool(
            max_workers=self._processes,
            initializer=_limit_memory,
            initargs=[self._memory_bytes],
            context=multiprocessing.get_context("spawn"),
        )


def _tile(work: PageWork, scratch: Path) -> TiledPage:
    try:
        return tile_page(work, scratch)
    except MemoryError:
        # What was in hand may never be given back: the next page gets a process of its own.
        os._exit(OUT_OF_MEMORY)


def _limit_memory(memory_bytes: int) -> None:
    """Let this process die of what it asks for beyond so much, and not its neighbours with it."""
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
