"""The event that a run has ended: what it holds, and that it is small enough."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from structlog.testing import capture_logs

from pipeline.announcements import (
    SILENT,
    EventBridgeAnnouncements,
    announce_end,
    run_detail,
)
from pipeline.errors import TransientError
from pipeline.run import Run, RunState, Summary, Upload
from tests.builders import a_plan, a_run, an_upload

MAX_ENTRY_BYTES = 256 * 1024
SUMMARY = Summary("https://x.example/collection.json", 10, 2, 0, 90, 3, withheld=("book",))
ENDED = a_run("letters-1", state=RunState.DONE_WITH_FAILURES, summary=SUMMARY, opened_at=1_000)
DETAIL = {
    "run": "letters-1",
    "state": "done_with_failures",
    "collection": "Letters",
    "images": 10,
    "failed": 2,
    "items": 3,
    "withheld": 1,
    "seconds": 61,
    "url": "https://x.example/collection.json",
    "task": "s3://batch/tasks/task.json",
    "errors": [],
}


@pytest.fixture
def stub() -> Iterator[Stubber]:
    """EventBridge, which answers what it is told to."""
    with Stubber(boto3.Session("key", "secret", region_name="eu-west-1").client("events")) as it:
        yield it


def bus(stub: Stubber) -> EventBridgeAnnouncements:
    client: Any = stub.client
    return EventBridgeAnnouncements(client, "default", "ledger-1", lambda: 1_061.4)


def sent(detail: dict[str, Any]) -> dict[str, Any]:
    entry = {
        "EventBusName": "default",
        "Source": "tilepool",
        "DetailType": "Run Ended",
        "Detail": json.dumps({"ledger": "ledger-1"} | detail),
    }
    return {"Entries": [entry]}


def test_an_end_is_one_event(stub: Stubber) -> None:
    stub.add_response("put_events", {"FailedEntryCount": 0, "Entries": [{}]}, sent(DETAIL))
    with capture_logs() as logs:
        announce_end(ENDED, bus(stub))
    stub.assert_no_pending_responses()
    assert [entry["event"] for entry in logs] == ["run_announced"]


def test_an_event_that_is_not_taken_is_an_error(stub: Stubber) -> None:
    entry = {"ErrorCode": "ThrottlingException", "ErrorMessage": "slow down"}
    stub.add_response("put_events", {"FailedEntryCount": 1, "Entries": [entry]})
    with pytest.raises(TransientError, match="ThrottlingException: slow down"):
        bus(stub).announce(ENDED)


def test_a_failure_is_logged_and_goes_no_further(stub: Stubber) -> None:
    stub.add_client_error("put_events", "AccessDeniedException", "not authorized")
    with capture_logs() as logs:
        announce_end(ENDED, bus(stub))
    assert [entry["event"] for entry in logs] == ["announcement_failed"]
    assert logs[0]["exc_info"]


def test_a_rejected_run_tells_its_first_errors() -> None:
    errors = ("jobName: missing", "x" * 10_000, *(f"{number}: missing" for number in range(9)))
    detail = run_detail(Run("task-1", an_upload(), RunState.REJECTED, errors=errors), 2_000)
    assert (detail["state"], detail["collection"], detail["url"]) == ("rejected", "", "")
    assert (detail["images"], detail["seconds"]) == (0, 0)
    first = ["jobName: missing", "x" * 300 + "…", "0: missing", "1: missing", "2: missing"]
    assert detail["errors"] == first


def test_withheld_items_are_counted_where_their_list_was_cut() -> None:
    summary = replace(SUMMARY, withheld=("book",) * 101, withheld_items=2_000)
    assert run_detail(replace(ENDED, summary=summary), 1)["withheld"] == 2_000


def test_the_largest_event_fits_into_an_entry() -> None:
    wide = "\U0001f4da" * 50_000  # 12 bytes each in JSON
    run = a_run(
        wide,
        a_plan(collection=wide),
        state=RunState.DONE,
        upload=Upload(wide, wide, "1", "now"),
        summary=Summary(wide, 1, 0, 0, 1, 1, withheld=(wide,) * 100),
        errors=(wide,) * 100,
    )
    detail = json.dumps(run_detail(run, 1))
    assert 50_000 < len(detail.encode()) < MAX_ENTRY_BYTES - 1_000


def test_where_there_is_no_bus_nothing_is_said_to_be_announced() -> None:
    with capture_logs() as logs:
        announce_end(ENDED, SILENT)
    assert logs == []
