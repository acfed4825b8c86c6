"""Cancel, resume, finalize and manifests, on a run in every state."""

from collections.abc import Callable
from typing import Any

import pytest

from console.cancel import cancel
from console.errors import ConsoleError
from console.rebuild import Rebuilding, rebuild
from console.resume import resume
from pipeline.completion import CLAIM_SECONDS, complete_run
from pipeline.pool import start_workers
from pipeline.run import PageState, Run, RunState
from tests.builders import a_message, a_plan, a_run, new_run_id
from tests.site import Site


def rejected(site: Site) -> Run:
    run_id = new_run_id()
    site.ledger.open_run(
        Run(run_id, a_run(run_id).upload, RunState.REJECTED, errors=("CSV_NAME: missing",))
    )
    return site.run(run_id)


def dispatching(site: Site) -> Run:
    run_id = new_run_id()
    site.ledger.open_run(a_run(run_id, a_plan(dest_store=site.store), dispatched_at=10**9))
    return site.run(run_id)


def building(site: Site) -> Run:
    run = site.tiling({"a": [""]})
    complete_run(run.run_id, site.ledger, site.jobs)
    return site.run(run.run_id)


def done(site: Site) -> Run:
    return site.ended({"a": [""]})


def done_with_failures(site: Site) -> Run:
    return site.ended({"a": ["damaged"]})


def tiling(site: Site) -> Run:
    return site.tiling({"a": [None]})


def cancelled(site: Site) -> Run:
    return site.cancelled({"a": [None, ""]})


def state(site: Site, run: Run) -> RunState:
    return site.run(run.run_id).state


@pytest.mark.parametrize("bring", [dispatching, tiling, building])
def test_a_run_under_way_is_cancelled_and_its_jobs_end(
    site: Site, bring: Callable[[Site], Run]
) -> None:
    run = bring(site)
    start_workers(run, 2, site.ledger, site.jobs)
    living = len(site.jobs.ids)
    assert cancel(run, site) == living
    assert state(site, run) is RunState.CANCELLED
    assert site.jobs.ended == site.jobs.ids
    assert run.run_id not in list(site.ledger.open_runs())


def test_a_second_cancel_ends_the_jobs_that_the_first_did_not(site: Site) -> None:
    run = tiling(site)
    start_workers(run, 2, site.ledger, site.jobs)
    assert site.ledger.cancel(run.run_id, 1)
    assert cancel(run, site) == 2
    assert cancel(run, site) == 0


@pytest.mark.parametrize("bring", [done, done_with_failures, rejected])
def test_a_run_that_has_ended_is_not_cancelled(site: Site, bring: Callable[[Site], Run]) -> None:
    run = bring(site)
    with pytest.raises(ConsoleError, match="there is nothing to cancel"):
        cancel(run, site)
    assert state(site, run) is run.state


def test_a_cancelled_run_goes_on_where_it_stood(site: Site) -> None:
    run = site.cancelled({"a": [None, "", "damaged", None]})
    resumed = resume(run, site)
    assert (resumed.messages, resumed.workers) == (2, 2)
    assert sorted(message.page for message in site.queued()) == [1, 4]
    assert state(site, run) is RunState.TILING
    assert site.states(run)["a", 3] is PageState.FAILED
    assert run.run_id in list(site.ledger.open_runs())


def test_a_run_cancelled_while_it_was_built_is_built(site: Site) -> None:
    run = building(site)
    cancel(run, site)
    resumed = resume(site.run(run.run_id), site)
    assert (resumed.messages, resumed.workers) == (0, 0)
    assert state(site, run) is RunState.BUILDING


def test_a_run_cancelled_before_it_was_sealed_waits_for_the_next_pass(site: Site) -> None:
    run = dispatching(site)
    cancel(run, site)
    assert resume(site.run(run.run_id), site).is_dispatching
    now = site.run(run.run_id)
    assert (now.state, now.dispatched_at) == (RunState.DISPATCHING, 0)
    assert site.queued() == []


@pytest.mark.parametrize("bring", [dispatching, tiling, building, done, done_with_failures])
def test_only_a_cancelled_run_is_resumed(site: Site, bring: Callable[[Site], Run]) -> None:
    run = bring(site)
    with pytest.raises(ConsoleError, match=run.state.value.replace("_", " ")):
        resume(run, site)
    assert state(site, run) is run.state


@pytest.mark.parametrize("ends", [False, True])
def test_a_run_whose_items_are_anothers_by_now_is_not_resumed(site: Site, ends: bool) -> None:
    run = site.cancelled({"a": [None], "b": [None]})
    later = site.ended({"b": [""]}) if ends else site.tiling({"b": [None]})
    with pytest.raises(ConsoleError, match=f"belong to run {later.run_id}"):
        resume(run, site)
    assert state(site, run) is RunState.CANCELLED
    assert site.queued() == []


def test_a_run_that_loses_its_items_while_it_is_reopened_stays_cancelled(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = site.cancelled({"a": [None]})
    real = site.ledger.reopen
    later: list[Run] = []

    def reopen_late(run_id: str, states: list[RunState], **how: Any) -> bool:
        later.append(site.tiling({"a": [None]}))
        return real(run_id, states, **how)

    monkeypatch.setattr(site.ledger, "reopen", reopen_late)
    with pytest.raises(ConsoleError, match="belong to run"):
        resume(run, site)
    assert state(site, run) is RunState.CANCELLED
    assert site.queued() == []
    export = a_plan(dest_store=site.store).export
    assert site.ledger.owners(export, ["a"]) == {"a": later[0].run_id}


def test_a_rejected_run_can_be_brought_nowhere(site: Site) -> None:
    run = rejected(site)
    for verb in (resume, lambda run, site: rebuild(run, site, with_gaps=True)):
        with pytest.raises(ConsoleError, match="was rejected"):
            verb(run, site)


@pytest.mark.parametrize("with_gaps", [False, True])
@pytest.mark.parametrize("bring", [done, done_with_failures])
def test_a_run_that_was_built_is_built_again(
    site: Site, bring: Callable[[Site], Run], with_gaps: bool
) -> None:
    run = bring(site)
    finals = len(site.jobs.finals)
    assert rebuild(run, site, with_gaps=with_gaps) is Rebuilding.BUILT_AGAIN
    now = site.run(run.run_id)
    assert (now.state, now.with_gaps) == (RunState.BUILDING, with_gaps)
    assert len(site.jobs.finals) == finals + 1


@pytest.mark.parametrize(
    ("bring", "words"),
    [
        (dispatching, "dispatching, with 0 pages to do"),
        (tiling, "tiling, with 1 page to do"),
        (cancelled, "`tilepool resume"),
        (building, "is building its manifests; wait"),
    ],
)
def test_a_run_that_is_not_so_far_is_not_built(
    site: Site, bring: Callable[[Site], Run], words: str
) -> None:
    run = bring(site)
    with pytest.raises(ConsoleError, match=words):
        rebuild(run, site, with_gaps=False)
    assert state(site, run) is run.state


def test_a_run_whose_final_job_is_dead_gets_another(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = building(site)
    site.jobs.ended |= site.jobs.ids
    with pytest.raises(ConsoleError, match="a moment ago"):
        rebuild(run, site, with_gaps=False)
    assert run.claimed_at is not None
    later = float(run.claimed_at + CLAIM_SECONDS + 1)
    monkeypatch.setattr("time.time", lambda: later)
    assert rebuild(run, site, with_gaps=True) is Rebuilding.RESCUED
    now = site.run(run.run_id)
    assert now.final_job not in {None, run.final_job}
    assert not now.with_gaps


def test_what_a_run_had_in_hand_may_be_settled_after_its_cancelling(site: Site) -> None:
    run = tiling(site)
    cancel(run, site)
    site.settle(a_message(run.run_id, "a", 1))
    assert complete_run(run.run_id, site.ledger, site.jobs).name == "STARTED"
    assert state(site, run) is RunState.CANCELLED
