"""How many calls an image costs, counted at botocore from a whole worker with stand-in tiling."""

import threading
from collections import Counter
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest

from console.embedded import EmbeddedCloud
from pipeline.outbox import SqsOutbox
from pipeline.run import SHARDS, Page, RunState, TiledPage
from tests.builders import a_message, a_plan, a_run, new_run_id
from tests.fakes import SMALL, ScriptedTiler
from tests.queues import SqsQueue, new_sqs_queue
from worker import __main__ as worker
from worker.settings import IN_HAND, read_settings
from worker.work import PageWork

IMAGES = 60
PROCESSES = 2
SLOTS = PROCESSES * IN_HAND
TILING_SECONDS = 0.02
CALLS_PER_IMAGE = {
    "sqs.ReceiveMessage": 1.0,
    "dynamodb.GetItem": 1.0,  # the page's row
    "dynamodb.TransactWriteItems": 1.0,
    "dynamodb.BatchGetItem": 0.5,  # the shards' counters, of ten pages at best
    "sqs.DeleteMessageBatch": 0.5,
}
"""At most."""
MOST_CALLS_PER_IMAGE = 4
BESIDES = SLOTS + 4
"""Calls of any kind that are not an image's: looks at the run, and what a stop gives back."""


def start_run(cloud: EmbeddedCloud, queue: SqsQueue) -> str:
    """Start a run that has one more page in each shard than is sent: no shard comes to its end."""
    run_id = new_run_id()
    messages = [a_message(run_id, page=number) for number in range(1, IMAGES + 2 * SLOTS)]
    others = [Page(a_message(run_id, item="map", page=number)) for number in range(1, 16 * SHARDS)]
    kept = {page.shard: page for page in others}
    pages = [*map(Page, messages), *kept.values()]
    assert len(kept) == SHARDS
    cloud.ledger.open_run(a_run(run_id, a_plan(dest=Path("/exports") / run_id)))
    cloud.ledger.record_pages(run_id, pages)
    cloud.ledger.seal(run_id, pages)
    cloud.ledger.advance(run_id, RunState.DISPATCHING, RunState.TILING)
    SqsOutbox(queue.client, queue.url).send(messages)
    return run_id


@pytest.fixture
def calls(cloud: EmbeddedCloud, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """All calls of the clients that a worker makes for itself."""
    variables = {
        "AWS_ENDPOINT_URL": cloud.url,
        "AWS_ACCESS_KEY_ID": cloud.access_key,
        "AWS_SECRET_ACCESS_KEY": cloud.access_key,
        "AWS_DEFAULT_REGION": "us-east-1",
        "NO_PROXY": "127.0.0.1",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    counted: Counter[str] = Counter()

    def note(**call: Any) -> None:
        operation = call["model"]
        counted[f"{operation.service_model.service_name}.{operation.name}"] += 1

    session = botocore.session.Session()
    session.register("provide-client-params.*.*", note)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", boto3.Session(botocore_session=session))
    return counted


def test_an_image_costs_few_calls(cloud: EmbeddedCloud, calls: Counter[str]) -> None:
    queue = new_sqs_queue(cloud, lease_seconds=30)
    run_id = start_run(cloud, queue)
    stop: Any = threading.Event()
    tilers = [ScriptedTiler() for _ in range(SLOTS)]

    def tile(_work: PageWork) -> TiledPage:
        if sum(len(tiler.pages) for tiler in tilers) >= IMAGES:
            stop.set()
        threading.Event().wait(TILING_SECONDS)
        return SMALL

    for tiler in tilers:
        tiler.script = tile
    settings = read_settings(
        {
            "AWS_DEFAULT_REGION": "us-east-1",
            "TILEPOOL_TABLE": cloud.table,
            "TILEPOOL_QUEUE_URL": queue.url,
            "TILEPOOL_DEAD_LETTER_QUEUE_URL": queue.dead_letter_url,
        },
        PROCESSES,
    )
    hands: Any = tilers
    worker._serve(settings, hands, stop)

    done = cloud.ledger.counts(run_id).done
    assert done >= IMAGES
    at_most = {kind: CALLS_PER_IMAGE.get(kind, 0) * done + BESIDES for kind in calls}
    assert {kind: number for kind, number in calls.items() if number > at_most[kind]} == {}
    assert sum(calls.values()) <= MOST_CALLS_PER_IMAGE * done + BESIDES
