"""Where a run stands, for people and programs, and what they can do next."""

import io
import json
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from console.embedded import EmbeddedCloud
from console.job_view import GONE, JobView, view_jobs
from console.status import Status, next_steps, show_status, status_as_json
from pipeline.run import Counts, Run, RunState
from tests.builders import a_run

RUNNING, ENDED, GONE_JOB = JobView("w1", "RUNNING"), JobView("w2", "SUCCEEDED"), JobView("w3")
DEAD = JobView("f1", "FAILED", "exit code 1", "logs/f1.log")


def status(state: RunState, **fields: Any) -> Status:
    jobs = {name: fields.pop(name) for name in ("workers", "final_job") if name in fields}
    run = a_run("letters-1", state=state, **fields)
    return Status(run, Counts(10, 7, 2), **jobs)


def shown(what: Status, options: str = "") -> list[str]:
    console = Console(file=io.StringIO(), width=200)
    show_status(console, what, options)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_a_status_is_a_few_lines() -> None:
    workers = (RUNNING, RUNNING, ENDED, GONE_JOB)
    assert shown(status(RunState.TILING, workers=workers)) == [
        "letters-1: tiling",
        "  task       batch/tasks/task.json, uploaded 2026-03-01T12:00:00.000Z",
        "  images     7 of 10 done, 2 failed, 1 to do",
        "  workers    1 gone, 2 running, 1 succeeded",
    ]


@pytest.mark.parametrize(
    ("what", "words"),
    [
        (
            status(RunState.DISPATCHING, waits_for="letters-0"),
            "waits for run letters-0, which has some of its items, to end",
        ),
        (status(RunState.TILING, workers=(ENDED,)), "`tilepool reconcile --stack s`"),
        (status(RunState.BUILDING, final_job=DEAD), "`tilepool manifests letters-1 --stack s`"),
        (status(RunState.CANCELLED), "`tilepool resume letters-1 --stack s`"),
        (status(RunState.REJECTED), "correct the task file"),
        (status(RunState.DONE_WITH_FAILURES), "`tilepool failed letters-1 --stack s` names 2"),
        (status(RunState.DONE_WITH_FAILURES), "`tilepool replay letters-1 --stack s`"),
        (
            status(RunState.DONE_WITH_FAILURES),
            "`tilepool finalize letters-1 --with-gaps --stack s`",
        ),
    ],
)
def test_what_to_do_next_is_said_as_it_is_to_be_typed(what: Status, words: str) -> None:
    assert any(words in step for step in next_steps(what, options=" --stack s"))
    assert any(words in line for line in shown(what, " --stack s"))


@pytest.mark.parametrize(
    "what",
    [
        status(RunState.DISPATCHING),
        status(RunState.TILING, workers=(ENDED, RUNNING)),
        status(RunState.BUILDING),
        status(RunState.BUILDING, final_job=JobView("f", "RUNNABLE")),
        status(RunState.DONE),
    ],
    ids=lambda what: what.run.state.value,
)
def test_where_all_goes_well_there_is_nothing_to_do(what: Status) -> None:
    assert next_steps(what) == []


def test_a_run_with_gaps_is_not_to_be_finalized_again() -> None:
    steps = next_steps(status(RunState.DONE_WITH_FAILURES, with_gaps=True))
    assert len(steps) == 2
    assert not any("finalize" in step for step in steps)


def test_a_dead_final_job_is_shown_with_its_log() -> None:
    lines = shown(status(RunState.BUILDING, final_job=DEAD))
    assert "  final job  failed (exit code 1)" in lines
    assert "  its log    logs/f1.log" in lines


def test_why_the_manifests_could_not_be_built_is_shown() -> None:
    what = status(RunState.BUILDING, final_job=DEAD, fault="there is no 'letters.csv'")
    assert "  fault      there is no 'letters.csv'" in shown(what)
    assert next_steps(what)[0].startswith("its final job ended in a fault: repair that, then")


def test_a_rejected_run_names_its_mistakes_and_steers_no_terminal() -> None:
    run = Run("r", a_run("r").upload, RunState.REJECTED, errors=("CSV_NAME: \x1b[2Jmissing",))
    assert "  mistake    CSV_NAME: \ufffd[2Jmissing" in shown(Status(run, Counts()))


def test_json_has_the_same() -> None:
    told = json.loads(status_as_json(status(RunState.TILING, workers=(RUNNING, ENDED))))
    assert (told["run"], told["state"]) == ("letters-1", "tiling")
    assert told["counts"] == {"total": 10, "done": 7, "failed": 2, "pending": 1}
    assert told["workers"] == {"running": 1, "succeeded": 1}
    assert told["final_job"] is None
    waiting = replace(status(RunState.DISPATCHING, waits_for="r0"), final_job=DEAD)
    told = json.loads(status_as_json(waiting))
    assert told["waits_for"] == "r0"
    assert told["final_job"]["log"] == "logs/f1.log"


def test_jobs_come_in_the_order_asked_for_and_forgotten_ones_as_gone(cloud: EmbeddedCloud) -> None:
    job = cloud.batch.submit_job(
        jobName="test-worker-0",
        jobQueue="q",
        jobDefinition="d",
        containerOverrides={"command": ["manifest_builder"]},
    )["jobId"]
    names = ["no-such-job", *[f"other-{number}" for number in range(150)], job]
    views = view_jobs(cloud.batch, names)
    assert [view.job_id for view in views] == names
    assert {view.status for view in views[:-1]} == {GONE}
    assert views[-1].status != GONE
    assert views[-1].log.endswith(".log")
