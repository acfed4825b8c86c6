"""The manifest builder's entry point: `python -m manifest_builder`.

Exit code 2 where a variable is missing or wrong.
"""

import os
import sys

import boto3
import structlog
from botocore.config import Config
from structlog.contextvars import bind_contextvars

from manifest_builder.build import finish_run
from manifest_builder.settings import Settings, read_settings
from pipeline.announcements import SILENT, Announcements, EventBridgeAnnouncements
from pipeline.dynamo_ledger import DynamoLedger
from pipeline.environment import EXIT_CODE, BadEnvironment
from pipeline.logs import configure_logging

log = structlog.get_logger()


def main() -> None:
    """Build the manifests of the run that the environment names."""
    configure_logging()
    try:
        settings = read_settings(os.environ)
    except BadEnvironment as error:
        log.error("bad_environment", mistakes=error.mistakes)  # noqa: TRY400  # it tells all
        sys.exit(EXIT_CODE)
    bind_contextvars(run=settings.run_id)
    config = Config(retries={"mode": "standard", "max_attempts": 5})
    ledger = DynamoLedger(boto3.client("dynamodb", config=config), settings.table)
    finish_run(settings.run_id, ledger, _announcements(settings, config))


def _announcements(settings: Settings, config: Config) -> Announcements:
    if not settings.event_bus:
        return SILENT
    client = boto3.client("events", config=config)
    return EventBridgeAnnouncements(client, settings.event_bus, settings.table)


if __name__ == "__main__":
    main()
