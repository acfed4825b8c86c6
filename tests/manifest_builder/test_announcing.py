"""A run's end is announced at least once, wherever a builder dies, and only when it has come."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from manifest_builder.build import finish_run
from pipeline.errors import TransientError
from pipeline.run import Plan, Run, RunState
from tests.builders import a_message, a_plan, failed
from tests.builds import building, pages_of, write_csv
from tests.fakes import MemoryAnnouncements, MemoryLedger


class Killed(BaseException):
    """The builder is killed here."""


@dataclass
class Scene:
    """A run that is to be built, and a bus."""

    plan: Plan

    def __post_init__(self) -> None:
        self.ledger = MemoryLedger()
        self.bus = MemoryAnnouncements()
        write_csv(self.plan, b"identifier,title\nbook,The book\n")
        pages = [*pages_of(book=2), failed(a_message(item="map"))]
        self.run_id = building(self.ledger, self.plan, pages)

    def build(self) -> None:
        finish_run(self.run_id, self.ledger, self.bus)

    @property
    def run(self) -> Run:
        run = self.ledger.load_run(self.run_id)
        assert run is not None
        return run


@pytest.fixture
def scene(source: Path, dest: Path) -> Scene:
    return Scene(a_plan(source, dest))


def test_a_run_is_announced_as_it_has_ended(scene: Scene) -> None:
    scene.build()
    (told,) = scene.bus.runs
    assert (told.state, told.summary) == (RunState.DONE_WITH_FAILURES, scene.run.summary)
    assert told.summary is not None


def test_a_builder_that_died_before_it_announced_does_so_when_started_again(scene: Scene) -> None:
    scene.bus.fault = Killed()
    with pytest.raises(Killed):
        scene.build()
    assert scene.run.state is RunState.DONE_WITH_FAILURES
    scene.bus.fault = None
    scene.build()
    assert scene.bus.runs == [scene.run]


def test_a_builder_that_died_before_the_end_has_announced_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> bool:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(scene.ledger, "finish", die)
        with pytest.raises(Killed):
            scene.build()
    assert scene.bus.runs == []
    scene.build()
    assert len(scene.bus.runs) == 1


def test_a_bus_that_fails_does_not_fail_the_job(scene: Scene) -> None:
    scene.bus.fault = TransientError("default: not announced")
    scene.build()
    assert scene.run.state is RunState.DONE_WITH_FAILURES


def test_a_run_that_was_cancelled_is_not_announced(scene: Scene) -> None:
    assert scene.ledger.cancel(scene.run_id, 1)
    scene.build()
    assert scene.bus.runs == []
