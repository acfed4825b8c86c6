"""Lambda's entry point."""

import os
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.config import Config

from dispatcher.dispatch import Dispatcher
from dispatcher.event import parse_uploads
from dispatcher.tasks import S3TaskFiles
from pipeline.batch import BatchJobs
from pipeline.dynamo_ledger import DynamoLedger
from pipeline.environment import QUEUE_URL, TABLE, Environment
from pipeline.logs import configure_logging
from pipeline.outbox import SqsOutbox

RETRIES = Config(retries={"mode": "standard", "max_attempts": 5})


def lambda_handler(event: Mapping[str, Any], _context: object) -> dict[str, list[str]]:
    """Dispatch every upload of an S3 event; return the run ids.

    Any error reaches Lambda, which invokes again with the same event; that is safe.
    """
    configure_logging()
    dispatcher = _dispatcher(Environment(os.environ))
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


def _dispatcher(environment: Environment) -> Dispatcher:
    return Dispatcher(
        tasks=S3TaskFiles(boto3.client("s3", config=RETRIES)),
        ledger=DynamoLedger(boto3.client("dynamodb", config=RETRIES), environment.text(TABLE)),
        outbox=SqsOutbox(boto3.client("sqs", config=RETRIES), environment.text(QUEUE_URL)),
        jobs=BatchJobs(boto3.client("batch", config=RETRIES)),
        environment=environment,
    )
