"""A rate is told where it is known, is never negative, and an ETA is what follows from it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.pace import (
    LEAST_SECONDS,
    RECENT_SECONDS,
    WINDOW_SECONDS,
    Window,
    estimate,
    eta_seconds,
    spoken_seconds,
)
from pipeline.run import Counts, Run, RunState, Watch
from tests.builders import a_run

NOW = 1_000_000.0
COUNTS = Counts(1_000, 300, 100)


def tiling(watch: Watch | None = None, opened: float = 0, **fields: Any) -> Run:
    """Return a run that was opened so many seconds ago, if at all."""
    opened_at = int(NOW - opened) if opened else 0
    return a_run("r", state=RunState.TILING, watch=watch, opened_at=opened_at, **fields)


def seen(seconds: int, done: int) -> Watch:
    """Return what the reconciler saw so many seconds ago."""
    return Watch(int(NOW) - seconds, Counts(1_000, done, 100))


@pytest.mark.parametrize(
    ("run", "rate"),
    [
        (tiling(seen(100, 250)), 0.5),
        (tiling(seen(100, 250), opened=10), 0.5),
        (tiling(seen(LEAST_SECONDS, 280)), 1),
        (tiling(opened=200), 2),
        # Too young, too old, or of before a replay: the run's average.
        (tiling(seen(LEAST_SECONDS - 1, 250), opened=200), 2),
        (tiling(seen(RECENT_SECONDS + 1, 250), opened=200), 2),
        (tiling(seen(100, 310), opened=200), 2),
        # Nothing has moved since, however long that is.
        (tiling(seen(RECENT_SECONDS + 1, 300), opened=2_000), 0),
        (tiling(), None),
        (tiling(opened=LEAST_SECONDS - 1), None),
        (tiling(opened=200, claimed_at=5), None),
        (tiling(opened=200, cancelled_at=5), None),
        (tiling(opened=-50), None),
        (a_run("r", opened_at=1), None),
        (a_run("r", state=RunState.BUILDING, opened_at=1), None),
        (a_run("r", state=RunState.DONE, opened_at=1, watch=seen(100, 250)), None),
    ],
)
def test_the_rate_is_that_since_the_reconcilers_look_else_the_average(
    run: Run, rate: float | None
) -> None:
    assert estimate(run, COUNTS, NOW) == rate


@pytest.mark.parametrize(
    ("counts", "rate", "seconds"),
    [
        (COUNTS, 2, 300),
        (COUNTS, 0, None),
        (COUNTS, None, None),
        (Counts(10, 8, 2), 2, None),
        (Counts(), 2, None),
    ],
)
def test_an_eta_is_what_is_pending_by_the_rate(
    counts: Counts, rate: float | None, seconds: float | None
) -> None:
    assert eta_seconds(counts, rate) == seconds


whole = st.integers(0, 10**6)
counts = st.builds(Counts, whole, whole, whole)
times = st.floats(0, 10**10)


@given(
    st.none() | st.builds(Watch, st.integers(0, 10**10), counts),
    st.integers(0, 10**10),
    counts,
    times,
)
def test_whatever_is_in_the_row_no_rate_or_eta_is_negative(
    watch: Watch | None, opened_at: int, now_counts: Counts, now: float
) -> None:
    run = a_run("r", state=RunState.TILING, watch=watch, opened_at=opened_at)
    rate = estimate(run, now_counts, now)
    assert rate is None or rate >= 0
    eta = eta_seconds(now_counts, rate)
    assert eta is None or eta > 0


@given(st.lists(st.tuples(st.floats(0, 1_000), counts), max_size=20))
def test_a_window_tells_no_negative_rate(looks: list[tuple[float, Counts]]) -> None:
    window, now = Window(), 0.0
    for passed, seen_counts in looks:
        now += passed
        rate = window.rate(seen_counts, now)
        assert rate is None or rate >= 0


def test_a_window_forgets_what_was_before_it() -> None:
    window = Window()
    assert window.rate(Counts(1_000, 0, 0), 0) is None
    assert window.rate(Counts(1_000, 10, 0), 10) == 1
    # Then it goes on five times as quickly.
    for second in range(11, 11 + WINDOW_SECONDS + 1):
        rate = window.rate(Counts(1_000, 10 + 5 * (second - 10), 0), second)
    assert rate == pytest.approx(5)
    assert len(window.looks) <= WINDOW_SECONDS + 2


def test_a_window_begins_anew_when_a_replay_takes_failures_back() -> None:
    window = Window()
    window.rate(Counts(100, 50, 20), 0)
    assert window.rate(Counts(100, 50, 0), 30) is None
    assert window.rate(Counts(100, 60, 0), 40) == 1


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "1 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3_599, "59 min"),
        (11_100, "3 h 5 min"),
        (86_399, "23 h 59 min"),
        (187_200, "2 d 4 h"),
    ],
)
def test_a_time_to_wait_is_said_in_words(seconds: float, words: str) -> None:
    assert spoken_seconds(seconds) == words
