"""Lambda's entry point."""

import os
from collections.abc import Mapping
from typing import Any, Protocol

import boto3
import structlog
from botocore.config import Config

from dispatcher.deadline import Deadline, deadline_in
from dispatcher.dispatch import Dispatcher
from dispatcher.event import parse_uploads
from dispatcher.reconcile import Reconciler
from dispatcher.settings import Settings, read_settings
from dispatcher.tasks import S3TaskFiles
from pipeline.announcements import SILENT, Announcements, EventBridgeAnnouncements
from pipeline.batch import BatchJobs
from pipeline.dead_letters import SqsDeadLetters
from pipeline.dynamo_ledger import DynamoLedger
from pipeline.logs import configure_logging
from pipeline.outbox import SqsOutbox
from pipeline.threads import MAX_THREADS

log = structlog.get_logger()

RECONCILE = "reconcile"
"""The scheduled event is `{"tilepool": "reconcile"}`."""
RETRIES = Config(
    retries={"mode": "standard", "max_attempts": 5},
    max_pool_connections=MAX_THREADS,
    # AWS looks at them all the same; here it would take half the time of recording a page.
    parameter_validation=False,
)


class Context(Protocol):
    """What is asked of Lambda's context."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until the invocation is ended."""


def lambda_handler(event: Mapping[str, Any], context: Context | None) -> dict[str, list[str]]:
    """Dispatch every upload of an S3 event, and return the run ids; or reconcile, on schedule.

    Any error reaches Lambda, which invokes again with the same event; that is safe. Of what takes
    longer than the invocation, the rest is left to the schedule.
    """
    configure_logging()
    settings = read_settings(os.environ)
    seconds: float = settings.invocation_seconds
    if context is not None:
        seconds = context.get_remaining_time_in_millis() / 1000
    dispatcher = _dispatcher(settings, deadline_in(seconds))
    if event.get("tilepool") == RECONCILE:
        try:
            _reconciler(settings, dispatcher).reconcile()
        except ExceptionGroup as faults:
            # Each is logged, and the next pass tries again. Lambda's own retries, and the queue of
            # uploads that failed, are for uploads.
            log.error("reconciling_incomplete", faults=len(faults.exceptions))  # noqa: TRY400
        return {"runs": []}
    runs: list[str] = []
    errors: list[Exception] = []
    for upload in parse_uploads(event):
        try:
            runs.append(dispatcher.dispatch(upload))
        except Exception as error:  # noqa: BLE001  # one upload's fault must not keep back the others
            errors.append(error)
    if errors:
        raise ExceptionGroup("uploads not dispatched", errors)
    return {"runs": runs}


def _reconciler(settings: Settings, dispatcher: Dispatcher) -> Reconciler:
    sqs = boto3.client("sqs", config=RETRIES)
    return Reconciler(
        dispatcher=dispatcher,
        ledger=dispatcher.ledger,
        outbox=dispatcher.outbox,
        dead_letters=SqsDeadLetters(sqs, settings.dead_letter_queue_url),
        jobs=dispatcher.jobs,
        limits=settings.limits,
    )


def _dispatcher(settings: Settings, deadline: Deadline) -> Dispatcher:
    return Dispatcher(
        tasks=S3TaskFiles(boto3.client("s3", config=RETRIES)),
        ledger=DynamoLedger(boto3.client("dynamodb", config=RETRIES), settings.table),
        outbox=SqsOutbox(boto3.client("sqs", config=RETRIES), settings.queue_url),
        jobs=BatchJobs(boto3.client("batch", config=RETRIES)),
        stores=settings.stores,
        claim_seconds=settings.limits.claim_seconds,
        stack=settings.stack,
        announcements=_announcements(settings),
        deadline=deadline,
    )


def _announcements(settings: Settings) -> Announcements:
    if not settings.event_bus:
        return SILENT
    client = boto3.client("events", config=RETRIES)
    return EventBridgeAnnouncements(client, settings.event_bus, settings.table)
