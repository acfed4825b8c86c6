"""What a tiling process is bound to before its first page, and how it answers. Runs in it.

The worker itself imports this too, and needs no image library for that.
"""

import mmap
import multiprocessing
import os
import resource
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import wait
from pathlib import Path

from pipeline.errors import TilepoolError
from pipeline.run import TiledPage
from worker.work import PageWork, Steps

OUT_OF_MEMORY = 71
"""A tiling process's exit code."""
ORPHANED = 72
LEAST_BYTES = 64_000_000
"""A process that does not even get so much is none: it would call every image too large."""
OOM_SCORE = Path("/proc/self/oom_score_adj")
"""https://man7.org/linux/man-pages/man5/proc_pid_oom_score_adj.5.html"""
TAKE_ME_FIRST = "1000"

TilePage = Callable[[PageWork, Path], Steps[TiledPage]]


_under_way: list[Steps[TiledPage]] = []
"""The page of this process, between two steps."""


class UnforeseenError(Exception):
    """Stands for an error of a library that may not survive the way to the worker."""


def confine(memory_bytes: int) -> None:
    """Bind this process: to its memory, its worker's life and signals, and libvips' best loaders.

    It dies of what it asks for beyond so many bytes, and not its neighbours with it. Raises
    OSError where that is next to nothing.
    """
    # A signal to the whole session is the worker's business, which ends this process in time.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A page that crashes must not leave all that it had in memory on the disk.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if OOM_SCORE.exists():
        # Should the machine's or the container's memory end all the same, not the worker itself.
        OOM_SCORE.write_text(TAKE_ME_FIRST, encoding="ascii")
    from worker.opening import keep_nothing_open, refuse_other_loaders

    refuse_other_loaders()
    keep_nothing_open()
    threading.Thread(target=_end_with_the_worker, name="orphan", daemon=True).start()
    # After the thread, whose start hangs where there is no memory for it.
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    mmap.mmap(-1, LEAST_BYTES, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()


def answer() -> None:
    """Do nothing: whoever waits for it knows that this process is there."""


def tile_page(work: PageWork, scratch: Path) -> Steps[TiledPage]:
    """Tile a page as `worker.page` does."""
    from worker import page

    return page.tile_page(work, scratch)


def begin_page(tile_page: TilePage, work: PageWork, scratch: Path) -> TiledPage | None:
    """Work on a page until it is done, or pauses: None; raise like `go_on`."""
    # Where libvips puts files of its own. It asks the C library, not Python.
    os.putenv("TMPDIR", str(scratch))
    _under_way[:] = [tile_page(work, scratch)]
    return go_on()


def go_on() -> TiledPage | None:
    """Work on the page under way until it is done, or pauses: None.

    Raises what is ours, and UnforeseenError for all else: an error that cannot be pickled, or not
    unpickled, would break the pool.
    """
    try:
        next(_under_way[0])
    except StopIteration as done:
        tiled: TiledPage = done.value
        return tiled
    except TilepoolError:
        raise
    except MemoryError:
        # What was in hand may never be given back: the next page gets a process of its own.
        os._exit(OUT_OF_MEMORY)
    except BaseException as error:
        raise UnforeseenError(f"{type(error).__name__}: {error}") from error
    return None


def _end_with_the_worker() -> None:
    """End as soon as the worker is gone: its pages are other workers' by then."""
    worker = multiprocessing.parent_process()
    if worker is not None:
        wait([worker.sentinel])
        os._exit(ORPHANED)
