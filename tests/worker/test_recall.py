"""Pages of a cancelled run are stopped, all others left alone."""

import threading

from pipeline.run import Run, RunState
from tests.builders import a_run
from worker.recall import Recall


class Runs:
    """Runs whose states a test sets; one that is broken cannot be read."""

    def __init__(self) -> None:
        self.states = {"mine": RunState.TILING, "other": RunState.TILING}
        self.broken: set[str] = set()
        self.reads: list[str] = []

    def load(self, run_id: str) -> Run | None:
        self.reads.append(run_id)
        if run_id in self.broken:
            raise OSError("no network")
        return a_run(run_id, state=self.states[run_id])


def test_a_cancelled_runs_pages_are_revoked_once_each() -> None:
    runs, revoked = Runs(), list[str]()
    recall = Recall(runs.load)
    with (
        recall.watch("mine", lambda: revoked.append("first")) as first,
        recall.watch("mine", lambda: revoked.append("second")),
        recall.watch("other", lambda: revoked.append("third")) as third,
    ):
        recall.look()
        assert revoked == []
        runs.states["mine"] = RunState.CANCELLED
        recall.look()
        recall.look()
        assert revoked == ["first", "second"]
        assert (first.recalled, third.recalled) == (True, False)


def test_a_run_is_read_once_for_all_its_pages_and_not_when_they_are_gone() -> None:
    runs = Runs()
    recall = Recall(runs.load)
    with recall.watch("mine", lambda: None), recall.watch("mine", lambda: None):
        recall.look()
    recall.look()
    assert runs.reads == ["mine"]


def test_a_run_that_cannot_be_read_keeps_back_no_other() -> None:
    runs, revoked = Runs(), list[str]()
    runs.broken, runs.states["mine"] = {"other"}, RunState.CANCELLED
    recall = Recall(runs.load)
    with (
        recall.watch("other", lambda: revoked.append("other")),
        recall.watch("mine", lambda: revoked.append("mine")),
    ):
        recall.look()
    assert revoked == ["mine"]


def test_it_looks_by_itself() -> None:
    runs, revoked = Runs(), threading.Event()
    runs.states["mine"] = RunState.CANCELLED
    with Recall(runs.load, look_seconds=0.01) as recall, recall.watch("mine", revoked.set):
        assert revoked.wait(30)
