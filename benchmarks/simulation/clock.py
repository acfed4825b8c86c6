"""Virtual time: real threads of which one runs at a time, while the clock jumps to who is next.

What waits, waits in a heap, so an hour of a thousand idle workers costs what they do in it. Waits
alone take time; computing takes none.
"""

import _thread
import heapq
import itertools
from collections.abc import Callable
from typing import Any


class Task:
    """A thread in virtual time, and what it waits for."""

    __slots__ = ("baton", "turn", "woken")

    def __init__(self) -> None:
        self.baton = _thread.allocate_lock()
        self.baton.acquire()
        self.turn = 0
        self.woken = False


class Clock:
    """The time, and whose turn it is. The thread that makes the clock is its first task."""

    def __init__(self, now: float) -> None:
        self.now = now
        self.faults: list[BaseException] = []
        self._current = Task()
        self._order = itertools.count()
        self._due: list[tuple[float, int, Task, int]] = []

    def read(self, *_: Any) -> float:
        """Return the time in seconds, whichever of the system's clocks is asked for."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Wait."""
        self.park(seconds)

    @property
    def current(self) -> Task:
        """Return the task that runs."""
        return self._current

    def spawn(self, function: Callable[[], object]) -> None:
        """Run a function in a thread of its own, from now on; what it raises is a fault."""
        task = Task()

        def run() -> None:
            task.baton.acquire()
            try:
                function()
            except BaseException as fault:  # noqa: BLE001  # told at the end
                self.faults.append(fault)
            self._next().baton.release()

        _thread.start_new_thread(run, ())
        self._push(task, 0)

    def park(self, seconds: float | None = None) -> bool:
        """Wait until somebody wakes this task, at most so long; tell whether somebody did."""
        task = self._current
        task.woken = False
        if seconds is not None:
            self._push(task, seconds)
        other = self._next()
        if other is not task:
            other.baton.release()
            task.baton.acquire()
        return task.woken

    def wake(self, task: Task) -> None:
        """End a task's wait."""
        task.woken = True
        self._push(task, 0)

    def _push(self, task: Task, seconds: float) -> None:
        entry = (self.now + max(0.0, seconds), next(self._order), task, task.turn)
        heapq.heappush(self._due, entry)

    def _next(self) -> Task:
        """Return the task whose turn it is, and set the clock to its time."""
        while True:
            # Empty only if all wait for each other: an IndexError that ends the thread.
            due, _, task, turn = heapq.heappop(self._due)
            if turn == task.turn:  # else it was woken before its time
                break
        task.turn += 1
        self.now, self._current = due, task
        return task
