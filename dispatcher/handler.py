"""Lambda's entry point."""

import os
from collections.abc import Mapping
from typing import Any

import boto3
import structlog
from botocore.config import Config

from dispatcher.dispatch import Dispatcher
from dispatcher.event import parse_uploads
from dispatcher.reconcile import CONFIRM_SECONDS, DISPATCH_SECONDS, Limits, Reconciler
from dispatcher.tasks import S3TaskFiles
from pipeline.batch import BatchJobs
from pipeline.completion import CLAIM_SECONDS
from pipeline.dead_letters import SqsDeadLetters
from pipeline.dynamo_ledger import DynamoLedger
from pipeline.environment import CLAIM_SECONDS as CLAIM_VARIABLE
from pipeline.environment import DEAD_LETTER_QUEUE_URL, QUEUE_URL, TABLE, Environment
from pipeline.logs import configure_logging
from pipeline.outbox import SqsOutbox

log = structlog.get_logger()

RECONCILE = "reconcile"
"""The scheduled event is `{"tilepool": "reconcile"}`."""
DISPATCH_VARIABLE = "TILEPOOL_DISPATCH_SECONDS"
CONFIRM_VARIABLE = "TILEPOOL_CONFIRM_SECONDS"
RETRIES = Config(retries={"mode": "standard", "max_attempts": 5})


def lambda_handler(event: Mapping[str, Any], _context: object) -> dict[str, list[str]]:
    """Dispatch every upload of an S3 event, and return the run ids; or reconcile, on schedule.

    Any error reaches Lambda, which invokes again with the same event; that is safe.
    """
    configure_logging()
    environment = Environment(os.environ)
    dispatcher = _dispatcher(environment)
    if event.get("tilepool") == RECONCILE:
        try:
            _reconciler(environment, dispatcher).reconcile()
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


def _reconciler(environment: Environment, dispatcher: Dispatcher) -> Reconciler:
    limits = Limits(
        dispatch_seconds=environment.whole(DISPATCH_VARIABLE, DISPATCH_SECONDS),
        confirm_seconds=environment.whole(CONFIRM_VARIABLE, CONFIRM_SECONDS),
        claim_seconds=dispatcher.claim_seconds,
    )
    queue_url = environment.text(DEAD_LETTER_QUEUE_URL)
    return Reconciler(
        dispatcher=dispatcher,
        ledger=dispatcher.ledger,
        outbox=dispatcher.outbox,
        dead_letters=SqsDeadLetters(boto3.client("sqs", config=RETRIES), queue_url),
        jobs=dispatcher.jobs,
        limits=limits,
    )


def _dispatcher(environment: Environment) -> Dispatcher:
    return Dispatcher(
        tasks=S3TaskFiles(boto3.client("s3", config=RETRIES)),
        ledger=DynamoLedger(boto3.client("dynamodb", config=RETRIES), environment.text(TABLE)),
        outbox=SqsOutbox(boto3.client("sqs", config=RETRIES), environment.text(QUEUE_URL)),
        jobs=BatchJobs(boto3.client("batch", config=RETRIES)),
        environment=environment,
        claim_seconds=environment.whole(CLAIM_VARIABLE, CLAIM_SECONDS),
    )
