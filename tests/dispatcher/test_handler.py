"""The Lambda's entry point on the embedded cloud."""

import os
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest

from console.embedded import EmbeddedCloud
from dispatcher.deadline import RESERVE_SECONDS
from dispatcher.handler import lambda_handler
from pipeline import dynamo_recording
from pipeline.dynamo_ledger import DynamoLedger
from pipeline.outbox import read_depth
from pipeline.run import Counts, Page, RunState
from tests.builders import ENVIRONMENT, a_message, a_run, done, new_run_id, task_body
from tests.queues import new_sqs_queue

IMAGES = 12


@pytest.fixture
def function(cloud: EmbeddedCloud, monkeypatch: pytest.MonkeyPatch) -> EmbeddedCloud:
    """The embedded cloud, and this process's environment as the Lambda's."""
    queue = new_sqs_queue(cloud, lease_seconds=30)
    variables = {
        "AWS_ENDPOINT_URL": cloud.url,
        "AWS_ACCESS_KEY_ID": cloud.access_key,
        "AWS_SECRET_ACCESS_KEY": cloud.access_key,
        "AWS_DEFAULT_REGION": "us-east-1",
        "TILEPOOL_TABLE": cloud.table,
        "TILEPOOL_QUEUE_URL": queue.url,
        "TILEPOOL_DEAD_LETTER_QUEUE_URL": queue.dead_letter_url,
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return cloud


def record(cloud: EmbeddedCloud, key: str) -> dict[str, object]:
    return {
        "eventTime": "2026-03-01T12:00:00.000Z",
        "s3": {
            "bucket": {"name": cloud.bucket},
            "object": {"key": key, "sequencer": new_run_id()},
        },
    }


def put(cloud: EmbeddedCloud, key: str) -> None:
    """Put a task file where no trigger of the embedded cloud sees it (no .json)."""
    cloud.upload_task(key, b"not a task")


def test_every_record_of_an_event_is_dispatched(function: EmbeddedCloud) -> None:
    keys = ["one.task", "two.task"]
    for key in keys:
        put(function, key)
    answer = lambda_handler({"Records": [record(function, key) for key in keys]}, None)
    states = []
    for run_id in answer["runs"]:
        run = function.ledger.load_run(run_id)
        assert run is not None
        states.append(run.state)
    assert states == [RunState.REJECTED, RunState.REJECTED]


def test_one_upload_that_cannot_be_read_does_not_keep_back_the_others(
    function: EmbeddedCloud,
) -> None:
    put(function, "there.task")
    before = set(function.ledger.runs())
    records = [record(function, "gone.task"), record(function, "there.task")]
    with pytest.raises(ExceptionGroup, match="not dispatched"):
        lambda_handler({"Records": records}, None)
    assert len(set(function.ledger.runs()) - before) == 1


@pytest.fixture
def ledger(function: EmbeddedCloud, monkeypatch: pytest.MonkeyPatch) -> DynamoLedger:
    """A ledger of its own, so that no other test's runs are brought forward."""
    table = new_run_id()
    client = function.session.client("dynamodb", endpoint_url=function.url)
    client.create_table(
        TableName=table,
        KeySchema=[
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    monkeypatch.setenv("TILEPOOL_TABLE", table)
    return DynamoLedger(client, table)


def test_the_scheduled_event_reconciles(ledger: DynamoLedger) -> None:
    message = a_message(new_run_id())
    pages = [Page(message)]
    ledger.open_run(a_run(message.run_id))
    ledger.record_pages(message.run_id, pages)
    ledger.seal(message.run_id, pages)
    ledger.advance(message.run_id, RunState.DISPATCHING, RunState.TILING)
    ledger.settle(done(message))
    assert lambda_handler({"tilepool": "reconcile"}, None) == {"runs": []}
    run = ledger.load_run(message.run_id)
    assert run is not None
    assert run.state is RunState.BUILDING
    assert run.final_job is not None


def test_a_fault_of_the_reconciler_is_logged_and_left_to_the_next_pass(
    ledger: DynamoLedger, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TILEPOOL_DEAD_LETTER_QUEUE_URL", "http://127.0.0.1:9/nowhere")
    assert lambda_handler({"tilepool": "reconcile"}, None) == {"runs": []}
    assert "reconciling_incomplete" in capsys.readouterr().err


@dataclass(frozen=True)
class Context:
    """Lambda's context."""

    seconds: float

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds * 1000)


@pytest.fixture
def large_task(
    function: EmbeddedCloud, source: Path, dest: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, object]:
    """The event of a task that has more images than the ledger takes at once."""
    folder = source / ENVIRONMENT["ACCESS_DIR"] / "book/Access"
    csv = source / ENVIRONMENT["CSV_PATH"] / ENVIRONMENT["CSV_NAME"]
    for parent in (folder, csv.parent):
        parent.mkdir(parents=True)
    csv.write_text("Identifier,Title\nbook,A book\n")
    for page in range(IMAGES):
        (folder / f"p{page}.tif").write_bytes(b"image")
    monkeypatch.setattr(dynamo_recording, "MAX_PAGES_IN_HAND", 3)
    monkeypatch.setenv("TILEPOOL_SOURCE_STORE", source.as_uri())
    monkeypatch.setenv("TILEPOOL_DEST_STORE", dest.as_uri())
    function.upload_task("large.task", task_body())
    return {"Records": [record(function, "large.task")]}


def state_of(ledger: DynamoLedger, run_id: str) -> tuple[RunState, bool]:
    run = ledger.load_run(run_id)
    assert run is not None
    return run.state, run.dispatched_at == 0


def test_what_a_lambda_has_no_time_for_the_schedule_goes_on_with(
    large_task: dict[str, object], ledger: DynamoLedger
) -> None:
    (run_id,) = lambda_handler(large_task, Context(RESERVE_SECONDS))["runs"]
    rows = [len(list(ledger.pages(run_id)))]
    assert 0 < rows[0] < IMAGES
    while rows[-1] < IMAGES:
        assert state_of(ledger, run_id) == (RunState.DISPATCHING, True)
        lambda_handler({"tilepool": "reconcile"}, Context(RESERVE_SECONDS))
        rows.append(len(list(ledger.pages(run_id))))
        assert rows[-1] > rows[-2]
    assert len(rows) > 2
    lambda_handler({"tilepool": "reconcile"}, Context(900))
    assert ledger.counts(run_id) == Counts(IMAGES, 0, 0)
    assert state_of(ledger, run_id)[0] is RunState.TILING
    client = boto3.client("sqs")
    assert read_depth(client, os.environ["TILEPOOL_QUEUE_URL"]) == (IMAGES, 0)


def test_where_there_is_no_lambda_a_variable_tells_how_long_an_invocation_may_take(
    large_task: dict[str, object], ledger: DynamoLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TILEPOOL_INVOCATION_SECONDS", "1")
    (run_id,) = lambda_handler(large_task, None)["runs"]
    assert state_of(ledger, run_id) == (RunState.DISPATCHING, True)
    monkeypatch.delenv("TILEPOOL_INVOCATION_SECONDS")
    assert lambda_handler(large_task, None)["runs"] == [run_id]
    assert state_of(ledger, run_id)[0] is RunState.TILING


def test_an_event_without_records_is_nothing(function: EmbeddedCloud) -> None:
    assert lambda_handler({"Event": "s3:TestEvent"}, None) == {"runs": []}
