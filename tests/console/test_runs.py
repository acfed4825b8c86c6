"""Finding a run by what a person types."""

import json
from dataclasses import replace

import pytest

from console.errors import ConsoleError, ExitCode
from console.runs import find_run, newest_runs, plan_of
from console.runs_report import runs_as_json
from pipeline.run import RunState
from tests.builders import a_run, an_upload
from tests.fakes import MemoryLedger


@pytest.fixture
def runs() -> MemoryLedger:
    ledger = MemoryLedger()
    for number, run_id in enumerate(["letters-1a", "letters-1ab", "letters-2", "maps-1"]):
        upload = replace(an_upload(), time=f"2026-03-0{number + 1}T12:00:00.000Z")
        ledger.open_run(a_run(run_id, upload=upload))
    return ledger


@pytest.mark.parametrize(
    ("name", "run_id"),
    [
        ("letters-1a", "letters-1a"),
        ("letters-1ab", "letters-1ab"),
        ("letters-2", "letters-2"),
        ("m", "maps-1"),
        ("last", "maps-1"),
    ],
)
def test_a_run_is_found_by_its_id_its_beginning_or_as_the_last(
    runs: MemoryLedger, name: str, run_id: str
) -> None:
    assert find_run(runs, name).run_id == run_id


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("letters", "several runs begin with 'letters': letters-2, letters-1ab, letters-1a"),
        ("letters-1", "several runs begin with 'letters-1'"),
        ("nothing", "no run 'nothing'; `tilepool runs`"),
        ("etters", "no run 'etters'"),
        ("", "no run ''"),
    ],
)
def test_what_is_no_run_is_a_usage_error_of_one_line(
    runs: MemoryLedger, name: str, words: str
) -> None:
    with pytest.raises(ConsoleError) as caught:
        find_run(runs, name)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code is ExitCode.USAGE


def test_there_may_be_no_run_yet() -> None:
    with pytest.raises(ConsoleError, match="there is no run yet"):
        find_run(MemoryLedger(), "last")


def test_a_rejected_run_has_no_plan() -> None:
    with pytest.raises(ConsoleError, match="was rejected"):
        plan_of(replace(a_run("r"), plan=None, state=RunState.REJECTED))


def test_the_newest_come_first_and_no_more_than_asked_for(runs: MemoryLedger) -> None:
    listed = list(newest_runs(runs, 3))
    assert [entry.run.run_id for entry in listed] == ["maps-1", "letters-2", "letters-1ab"]
    told = json.loads(runs_as_json(listed))
    assert [entry["run"] for entry in told] == ["maps-1", "letters-2", "letters-1ab"]
    assert told[0]["state"] == "dispatching"
    assert told[0]["counts"] == {"total": 0, "done": 0, "failed": 0, "pending": 0}
