"""Threads, locks and clocks of the standard library in virtual time, for the code that uses them.

Put in place for good, before that code is imported: for processes that end with the simulation.
Events, conditions, semaphores, queues and executors are the library's own, made of these locks.
"""

import concurrent.futures.thread  # noqa: F401  # its own locks are made before
import functools
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, ClassVar

from benchmarks.simulation.clock import Clock, Task

STACK_BYTES = 256 * 1024
"""Of ten thousand threads, each has little to do."""
CLOCKS = ("time", "monotonic", "perf_counter", "clock_gettime")


class Lock:
    """`threading.Lock`; whoever has waited longest is next."""

    clock: ClassVar[Clock]

    def __init__(self) -> None:
        self._locked = False
        self._waiting: deque[Task] = deque()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:  # noqa: FBT001, FBT002
        """Take the lock; tell whether it was to be had."""
        if not self._locked:
            self._locked = True
            return True
        if not blocking:
            return False
        task = self.clock.current
        self._waiting.append(task)
        if self.clock.park(None if timeout < 0 else timeout):
            return True
        self._waiting.remove(task)
        return False

    def release(self) -> None:
        """Give the lock back, or to the next."""
        if not self._locked:
            raise RuntimeError("release unlocked lock")
        if self._waiting:
            self.clock.wake(self._waiting.popleft())
        else:
            self._locked = False

    def locked(self) -> bool:
        """Tell whether anybody has it."""
        return self._locked

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()


class Thread:
    """`threading.Thread`, as far as it is used."""

    clock: ClassVar[Clock]

    def __init__(
        self,
        group: None = None,
        target: Callable[..., object] | None = None,
        name: str | None = None,
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        daemon: bool | None = None,
    ) -> None:
        self.name, self.daemon = name or "thread", bool(daemon)
        self.ident: int | None = None
        self._target = functools.partial(target, *args, **(kwargs or {})) if target else None
        self._ended = threading.Event()

    def start(self) -> None:
        """Begin."""
        self.ident = id(self)
        self.clock.spawn(self._run)

    def join(self, timeout: float | None = None) -> None:
        """Wait for the end, at most so long."""
        self._ended.wait(timeout)

    def is_alive(self) -> bool:
        """Tell whether it has begun and not ended."""
        return self.ident is not None and not self._ended.is_set()

    def _run(self) -> None:
        try:
            if self._target is not None:
                self._target()
        finally:
            self._ended.set()


def install(clock: Clock) -> None:
    """Have the library tell and pass this clock's time, until the process ends."""
    threading.stack_size(STACK_BYTES)
    Lock.clock = Thread.clock = clock
    library: Any = threading
    library.Lock = library._allocate_lock = Lock  # noqa: SLF001  # what a condition waits by
    library.RLock = library._PyRLock  # noqa: SLF001  # made of such locks
    library.Thread = Thread
    library._time = clock.read  # noqa: SLF001
    library = queue
    library.SimpleQueue = library._PySimpleQueue  # noqa: SLF001  # the other is written in C
    library.time = clock.read
    library = time
    library.sleep = clock.sleep
    for name in CLOCKS:
        setattr(library, name, clock.read)
