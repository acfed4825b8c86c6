"""When an invocation has to stop, while it still can by itself."""

import time
from collections.abc import Callable
from dataclasses import dataclass

RESERVE_SECONDS = 60
"""Before the end: what is begun between two looks at the clock, and its retries, take less."""


class OutOfTime(Exception):
    """The invocation stops here, for another to go on."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """The moment from which on nothing more is begun, in seconds of the clock `now`."""

    at: float
    now: Callable[[], float] = time.monotonic

    @property
    def is_over(self) -> bool:
        """Tell whether there is no time left."""
        return self.now() >= self.at

    def check(self) -> None:
        """Raise OutOfTime where there is no time left."""
        if self.is_over:
            raise OutOfTime


NEVER = Deadline(float("inf"))


def deadline_in(seconds: float) -> Deadline:
    """Return the deadline of an invocation that ends in so many seconds."""
    return Deadline(time.monotonic() + seconds - RESERVE_SECONDS)
