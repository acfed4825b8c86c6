"""Where a run stands, for people and programs, and what they can do next."""

import dataclasses
import io
import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from console.embedded import EmbeddedCloud
from console.job_view import GONE, JobView, view_jobs
from console.runs import find_run
from console.status import (
    MAX_LAST_ERRORS,
    Status,
    next_steps,
    show_status,
    status_as_json,
    status_line,
)
from console.viewing import view
from pipeline.run import SHARDS, Counts, Page, Run, RunState
from tests.builders import a_message, a_run, failed, new_run_id

RUNNING, ENDED, GONE_JOB = JobView("w1", "RUNNING"), JobView("w2", "SUCCEEDED"), JobView("w3")
DEAD = JobView("f1", "FAILED", "exit code 1", "logs/f1.log")


def status(state: RunState, **fields: Any) -> Status:
    of_status = {f.name for f in dataclasses.fields(Status)} - {"run", "counts"}
    given = {name: fields.pop(name) for name in of_status & fields.keys()}
    run = a_run("letters-1", state=state, **fields)
    return Status(run, Counts(10, 7, 2), **given)


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


def test_how_quickly_it_goes_on_and_what_failed_last_is_shown() -> None:
    pages = tuple(
        replace(failed(a_message("letters-1", page=page), reason), attempts=1, ended_at=60)
        for page, reason in ((3, "damaged"), (2, "x" * 900), (1, "no image"))
    )
    what = status(
        RunState.TILING,
        workers=(RUNNING, JobView("w4", "RUNNING"), JobView("w5", "SUCCEEDED")),
        retired=frozenset({"w4", "w5"}),
        rate=0.0025,
        failures=pages,
        wanted_workers=4,
    )
    source = "archive/Letters/book/Access/p{}.tif"
    assert shown(what) == [
        "letters-1: tiling",
        "  task       batch/tasks/task.json, uploaded 2026-03-01T12:00:00.000Z",
        "  images     7 of 10 done, 2 failed, 1 to do",
        "  rate       0.1 images/min",
        "  eta        6 min",
        "  workers    1 retiring, 1 running, 1 succeeded",
        "  wanted     4 workers",
        f"  last error book, page 3 ({source.format(3)}): damaged  [1970-01-01T00:01:00Z]",
        f"  last error book, page 2 ({source.format(2)}): {'x' * 300}…  [1970-01-01T00:01:00Z]",
        f"  last error book, page 1 ({source.format(1)}): no image  [1970-01-01T00:01:00Z]",
    ]
    told = json.loads(status_as_json(what))
    assert (told["rate_per_minute"], told["eta_seconds"]) == (0.15, 400)
    assert told["wanted_workers"] == 4
    assert [error["page"] for error in told["last_errors"]] == [3, 2, 1]
    assert told["last_errors"][0] == {
        "item": "book",
        "page": 3,
        "part": 1,
        "source": source.format(3),
        "reason": "damaged",
        "attempts": 1,
        "time": "1970-01-01T00:01:00Z",
    }


def test_what_is_not_known_is_null() -> None:
    told = json.loads(status_as_json(status(RunState.TILING)))
    assert (told["rate_per_minute"], told["eta_seconds"]) == (None, None)
    assert told["wanted_workers"] == 2, "the plan's"
    assert told["last_errors"] == []
    rejected = Status(Run("r", a_run("r").upload, RunState.REJECTED), Counts())
    assert json.loads(status_as_json(rejected))["wanted_workers"] is None


def test_no_more_than_a_few_errors_are_shown() -> None:
    pages = tuple(failed(a_message("letters-1", page=page)) for page in range(1, 30))
    what = status(RunState.TILING, failures=pages)
    assert sum(line.startswith("  last error") for line in shown(what)) == MAX_LAST_ERRORS
    assert len(json.loads(status_as_json(what))["last_errors"]) == MAX_LAST_ERRORS


def test_a_run_in_one_line() -> None:
    assert status_line(status(RunState.TILING, rate=0.5)) == (
        "tiling, 7 of 10 done, 2 failed, 1 to do, rate 30.0 images/min, eta 2 s"
    )
    waiting = a_run("letters-1", waits_for="letters-0")
    assert status_line(Status(waiting, Counts())) == "dispatching, waits for run letters-0"


@pytest.mark.parametrize("pages", [3, 400])
def test_a_status_costs_a_few_requests_however_many_pages_there_are(
    cloud: EmbeddedCloud, pages: int
) -> None:
    run_id = new_run_id()
    messages = [a_message(run_id, page=number) for number in range(1, pages + 1)]
    ledger = cloud.ledger
    ledger.open_run(a_run(run_id))
    ledger.record_pages(run_id, [Page(message) for message in messages])
    ledger.seal(run_id, [Page(message) for message in messages])
    ledger.advance(run_id, RunState.DISPATCHING, RunState.TILING)
    for message in messages[: pages // 2]:
        ledger.settle(failed(message))
    place = replace(cloud)  # with clients of its own
    calls = Counter[str]()
    read = Counter[str]()

    def count(model: Any, params: dict[str, Any], **_: object) -> None:
        calls[model.name] += 1

    def count_items(parsed: dict[str, Any], model: Any, **_: object) -> None:
        read[model.name] += sum(map(len, parsed.get("Responses", {}).values()))
        read[model.name] += len(parsed.get("Items", []))

    for client in (place.ledger._table._client, place.batch):
        client.meta.events.register("before-call", count)
        client.meta.events.register("after-call", count_items)
    found = view(place, find_run(place.ledger, run_id))
    assert len(found.failures) == min(
        pages // 2, len({Page(m).shard for m in messages[: pages // 2]})
    )
    assert calls == {"GetItem": 1, "Query": 1, "BatchGetItem": 3}
    assert read["Query"] == 0
    assert read["BatchGetItem"] <= 3 * SHARDS


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
