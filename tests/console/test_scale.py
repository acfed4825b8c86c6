"""A run gets the workers that were asked for, whatever others do at that moment."""

import dataclasses
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from structlog.testing import capture_logs

from console.errors import ConsoleError
from console.reopening import start_workers_for
from console.scale import Scaled, scale, told
from pipeline.pool import look_at_pool, start_workers
from pipeline.run import Run, RunState
from tests.builders import a_plan, a_run, new_run_id
from tests.site import Site

PAGES = {"book": [None] * 6}


def at_work(site: Site, workers: int = 2) -> Run:
    """Return a run of six pages with so many workers."""
    run = site.tiling(PAGES)
    start_workers(run, workers, site.ledger, site.jobs)
    return run


def numbers(site: Site, run: Run) -> list[int]:
    """Return the numbers of the workers that live and take pages."""
    return [job.index for job in look_at_pool(run.run_id, site.ledger, site.jobs).living]


def done(scaled: Scaled) -> tuple[int, int, int]:
    return scaled.started, scaled.ended, scaled.retired


def test_more_workers_are_started_at_once_and_once(site: Site) -> None:
    run = at_work(site)
    scaled = scale(run, 5, site)
    assert done(scaled) == (3, 0, 0)
    assert told(scaled) == [f"{run.run_id}: 5 workers wanted, 3 started"]
    again = scale(run, 5, site)
    assert done(again) == (0, 0, 0)
    assert told(again) == [f"{run.run_id}: 5 workers wanted, 5 at work: nothing to do"]
    assert numbers(site, run) == [0, 1, 2, 3, 4]
    assert site.run(run.run_id).wanted_workers == 5


def test_no_more_workers_than_pages_are_started_and_the_number_is_kept(site: Site) -> None:
    run = at_work(site)
    scaled = scale(run, 20, site)
    assert done(scaled) == (4, 0, 0)
    assert told(scaled)[1] == "  no more than there are pages to do: 6 pages"
    assert site.run(run.run_id).workers == 20


def test_of_fewer_workers_the_newest_are_retired_and_none_is_ended(site: Site) -> None:
    run = at_work(site, 5)
    scaled = scale(run, 2, site)
    assert done(scaled) == (0, 0, 3)
    assert told(scaled)[0].endswith("3 retired: each finishes the images in hand")
    assert numbers(site, run) == [0, 1]
    assert site.jobs.ended == set()
    assert done(scale(run, 2, site)) == (0, 0, 0)


def test_workers_that_have_not_begun_go_first(site: Site) -> None:
    run = at_work(site, 5)
    site.jobs.held = {"worker-2", "worker-3"}
    scaled = scale(run, 2, site)
    assert done(scaled) == (0, 2, 1)
    assert told(scaled) == [
        f"{run.run_id}: 2 workers wanted, 2 ended before they began,"
        " 1 retired: each finishes the images in hand"
    ]
    assert numbers(site, run) == [0, 3]
    assert site.jobs.ended == {"worker-2", "worker-3"}
    # Should one of them begin all the same, it takes nothing.
    assert site.ledger.is_retired(run.run_id, 1)


def test_a_retired_worker_does_not_come_back_when_more_are_wanted_again(site: Site) -> None:
    run = at_work(site, 4)
    scale(run, 1, site)
    assert done(scale(run, 3, site)) == (2, 0, 0)
    assert numbers(site, run) == [0, 4, 5]


def test_a_run_that_waits_keeps_the_number_for_later(site: Site) -> None:
    run_id = new_run_id()
    site.ledger.open_run(a_run(run_id, a_plan(dest_store=site.store)))
    run = site.run(run_id)
    assert told(scale(run, 7, site)) == [f"{run_id}: 7 workers wanted, when it starts"]
    assert site.run(run_id).workers == 7
    assert site.jobs.workers == []


def test_a_run_that_is_being_built_starts_none(site: Site) -> None:
    run = site.tiling({"a": [""]})
    site.ledger.claim_final_job(run.run_id, site.ledger.shard_counts(run.run_id), 1)
    (line,) = told(scale(run, 7, site))
    assert line.endswith("but it is building, and no page is left")
    assert site.jobs.workers == []


def ended(site: Site) -> Run:
    return site.ended({"a": [""]})


def cancelled(site: Site) -> Run:
    return site.cancelled(PAGES)


@pytest.mark.parametrize("bring", [ended, cancelled])
def test_a_run_that_has_ended_is_left_alone(site: Site, bring: Callable[[Site], Run]) -> None:
    run = bring(site)
    before = list(site.jobs.workers)
    with pytest.raises(ConsoleError, match=f"is {run.state.value}: it has no work"):
        scale(run, 7, site)
    assert site.jobs.workers == before
    assert site.run(run.run_id).wanted_workers is None


def test_a_rejected_run_is_left_alone(site: Site) -> None:
    run = Run(new_run_id(), a_run("r").upload, RunState.REJECTED, errors=("jobName: missing",))
    site.ledger.open_run(run)
    with pytest.raises(ConsoleError, match="was rejected"):
        scale(run, 7, site)


def test_who_asks_last_is_obeyed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    run = at_work(site)
    submit = site.jobs.submit_worker
    asked: list[int] = []

    def submit_late(*arguments: object) -> str:
        if not asked:
            asked.append(1)
            scale(run, 1, site)
        return submit(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(site.jobs, "submit_worker", submit_late)
    scaled = scale(run, 5, site)
    assert scaled.run.workers == 1
    assert numbers(site, run) == [0]


def test_two_that_want_the_same_do_not_get_it_twice(site: Site) -> None:
    run = at_work(site)
    gate = threading.Barrier(2)
    living = site.jobs.living

    def together(job_ids: list[str]) -> set[str]:
        gate.wait(30)
        return living(job_ids)

    jobs = dataclasses.replace(site.jobs)
    jobs.living = together  # type: ignore[method-assign,assignment]
    both = Site(site.ledger, site.outbox, jobs, site.store)
    with capture_logs(), ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda _: scale(run, 5, both), range(2)))
    assert numbers(site, run) == [0, 1, 2, 3, 4]


def test_a_replay_with_a_number_is_not_overruled_by_what_the_task_asked_for(site: Site) -> None:
    run = site.tiling(PAGES)
    assert start_workers_for(run.run_id, 6, 1, site) == 1
    assert site.run(run.run_id).workers == 1
    assert start_workers_for(run.run_id, 6, 2, site) == 2
    assert site.run(run.run_id).workers == 3


def test_retired_workers_are_none_that_live_for_a_replay(site: Site) -> None:
    run = at_work(site, 3)
    scale(run, 2, site)
    assert start_workers_for(run.run_id, 6, None, site) == 1
