"""Workers are started once each, whoever dies or competes in between."""

import pytest

from pipeline import pool
from pipeline.pool import living_jobs, look_at_pool, start_workers
from pipeline.run import Plan, Run
from tests.builders import a_run, new_run_id
from tests.fakes import MemoryJobs, MemoryLedger


class Scene:
    """A run without workers."""

    def __init__(self) -> None:
        self.ledger, self.jobs = MemoryLedger(), MemoryJobs()
        self.run_id = new_run_id()
        self.ledger.open_run(a_run(self.run_id))

    @property
    def run(self) -> Run:
        run = self.ledger.load_run(self.run_id)
        assert run is not None
        return run

    @property
    def noted(self) -> list[str]:
        return [job.job_id for job in self.ledger.worker_jobs(self.run_id)]

    def start(self, count: int) -> list[str]:
        return start_workers(self.run, count, self.ledger, self.jobs)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_as_many_as_asked_are_started_and_noted(scene: Scene) -> None:
    assert scene.start(3) == ["worker-1", "worker-2", "worker-3"]
    assert scene.start(1) == ["worker-4"]
    assert scene.start(0) == scene.start(-1) == []
    assert scene.noted == ["worker-1", "worker-2", "worker-3", "worker-4"]


def test_a_job_that_was_submitted_but_not_noted_is_noted(scene: Scene) -> None:
    assert scene.run.plan is not None
    submitted = scene.jobs.submit_worker(scene.run_id, scene.run.plan, 0)
    assert scene.start(2) == [submitted, "worker-2"]
    assert len(scene.jobs.workers) == 2


def competing(scene: Scene, noted: str | None = None) -> None:
    """Have another process note a worker, or the same one, while ours is being submitted."""
    submit = scene.jobs.submit_worker

    def submit_late(run_id: str, plan: Plan, index: int) -> str:
        job_id = submit(run_id, plan, index)
        scene.ledger.add_worker_job(run_id, index, noted or job_id)
        return job_id

    scene.jobs.submit_worker = submit_late  # type: ignore[method-assign]


def test_of_two_that_start_workers_one_goes_on(scene: Scene) -> None:
    competing(scene, "of another process")
    assert scene.start(3) == []
    assert scene.noted == ["of another process"]
    assert scene.jobs.ended == {"worker-1"}


def test_a_job_that_another_has_noted_is_not_ended(scene: Scene) -> None:
    competing(scene)
    assert scene.start(1) == []
    assert scene.noted == ["worker-1"]
    assert scene.jobs.ended == set()


def test_the_pool_is_what_lives_and_stays(scene: Scene) -> None:
    first, second, third, fourth = scene.start(4)
    scene.jobs.ended.add(first)
    scene.ledger.retire_worker(scene.run_id, 2)
    found = look_at_pool(scene.run_id, scene.ledger, scene.jobs)
    assert found.noted == 4
    assert [job.job_id for job in found.living] == [second, fourth]
    assert living_jobs(scene.run_id, scene.ledger, scene.jobs) == {second, third, fourth}


def test_of_two_that_saw_the_same_pool_one_starts_workers(scene: Scene) -> None:
    scene.start(1)
    seen = look_at_pool(scene.run_id, scene.ledger, scene.jobs)
    run, ledger, jobs = scene.run, scene.ledger, scene.jobs
    assert len(start_workers(run, 3, ledger, jobs, seen.noted)) == 3
    assert start_workers(run, 3, ledger, jobs, seen.noted) == []
    assert len(scene.noted) == len(jobs.workers) == 4
    assert jobs.ended == set()


def test_of_a_run_with_very_many_jobs_the_newest_are_looked_at(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "MAX_LOOKED_AT", 3)
    started = scene.start(5)
    found = look_at_pool(scene.run_id, scene.ledger, scene.jobs)
    assert found.noted == 5
    assert [job.job_id for job in found.living] == started[2:]
