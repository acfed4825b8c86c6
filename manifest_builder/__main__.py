"""The manifest builder's entry point: `python -m manifest_builder`."""

import os

import boto3
from botocore.config import Config
from structlog.contextvars import bind_contextvars

from manifest_builder.build import finish_run
from pipeline.dynamo_ledger import DynamoLedger
from pipeline.environment import RUN_ID, TABLE, Environment
from pipeline.logs import configure_logging


def main() -> None:
    """Build the manifests of the run that the environment names."""
    configure_logging()
    environment = Environment(os.environ)
    run_id = environment.text(RUN_ID)
    bind_contextvars(run=run_id)
    config = Config(retries={"mode": "standard", "max_attempts": 5})
    finish_run(
        run_id, DynamoLedger(boto3.client("dynamodb", config=config), environment.text(TABLE))
    )


if __name__ == "__main__":
    main()
