"""How quickly a run's images end, and when the last will. Pure.

A rate is in images per second. None is one that is not known.
"""

from collections import deque
from dataclasses import dataclass, field

from pipeline.run import Counts, Run, RunState

LEAST_SECONDS = 20
"""Over less than this, one image more or less makes another rate."""
RECENT_SECONDS = 900
"""What the reconciler saw before three of its passes tells little of now, unless nothing has
moved since."""
WINDOW_SECONDS = 120
LEAST_WATCHED_SECONDS = 5
MINUTE, HOUR, DAY = 60, 3_600, 86_400


def ended(counts: Counts) -> int:
    """Return how many images have an outcome."""
    return counts.done + counts.failed


def estimate(run: Run, counts: Counts, now: float) -> float | None:
    """Return the rate of a run by what its row tells.

    That is since the reconciler last saw its counts change, else since the run was opened, if
    that was never closed meanwhile.
    """
    if run.state is not RunState.TILING:
        return None
    watch = run.watch
    if watch is not None and (watch.counts == counts or now - watch.since <= RECENT_SECONDS):
        rate = _rate(ended(counts) - ended(watch.counts), now - watch.since, LEAST_SECONDS)
        if rate is not None:
            return rate
    was_closed = run.claimed_at is not None or run.cancelled_at is not None
    if was_closed or run.opened_at <= 0:
        return None
    return _rate(ended(counts), now - run.opened_at, LEAST_SECONDS)


def eta_seconds(counts: Counts, rate: float | None) -> float | None:
    """Return in how many seconds the last image ends at this rate."""
    if counts.pending <= 0:
        return None
    return counts.pending / rate if rate else None


def spoken_seconds(seconds: float) -> str:
    """Return a time to wait in words: `40 s`, `12 min`, `3 h 5 min`, `2 d 4 h`."""
    if seconds < MINUTE:
        return f"{max(1, int(seconds))} s"
    if seconds < HOUR:
        return f"{int(seconds // MINUTE)} min"
    if seconds < DAY:
        return f"{int(seconds // HOUR)} h {int(seconds % HOUR // MINUTE)} min"
    return f"{int(seconds // DAY):,} d {int(seconds % DAY // HOUR)} h"


@dataclass
class Window:
    """The rate over the last minutes, by looks at a run's counts."""

    looks: deque[tuple[float, int]] = field(default_factory=deque)

    def rate(self, counts: Counts, now: float) -> float | None:
        """Return the rate, this look included; `now` must not run backwards."""
        number = ended(counts)
        if self.looks and number < self.looks[-1][1]:
            self.looks.clear()  # a replay has taken failures back
        self.looks.append((now, number))
        while len(self.looks) > 2 and self.looks[1][0] <= now - WINDOW_SECONDS:  # noqa: PLR2004
            self.looks.popleft()
        since, before = self.looks[0]
        return _rate(number - before, now - since, LEAST_WATCHED_SECONDS)


def _rate(more: int, seconds: float, least: float) -> float | None:
    # Fewer than before: a replay has taken failures back.
    return more / seconds if seconds >= least and more >= 0 else None
