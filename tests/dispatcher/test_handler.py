"""The Lambda's entry point on the embedded cloud."""

import pytest

from console.embedded import EmbeddedCloud
from dispatcher.handler import lambda_handler
from pipeline.run import RunState
from tests.builders import new_run_id
from tests.queues import new_sqs_queue


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


def test_an_event_without_records_is_nothing(function: EmbeddedCloud) -> None:
    assert lambda_handler({"Event": "s3:TestEvent"}, None) == {"runs": []}
