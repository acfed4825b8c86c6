"""What the dispatcher is told by its environment. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from dispatcher.check import BUCKET_STORE, StoreForms
from dispatcher.reconcile import CONFIRM_SECONDS, DISPATCH_SECONDS, Limits
from dispatcher.resources import StackResources, split_names
from pipeline import environment as names
from pipeline.completion import CLAIM_SECONDS
from pipeline.environment import Environment

INVOCATION_SECONDS = 900
"""So long an invocation may take where no Lambda tells: as long as there."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The dispatcher's variables; without an event bus, no rejected run is announced."""

    table: str
    queue_url: str
    dead_letter_queue_url: str
    event_bus: str
    stack: StackResources
    stores: StoreForms
    limits: Limits
    invocation_seconds: int


def read_settings(variables: Mapping[str, str]) -> Settings:
    """Read the variables; raises BadEnvironment with every mistake in them."""
    given = Environment(variables)
    settings = Settings(
        table=given.text(names.TABLE),
        queue_url=given.text(names.QUEUE_URL),
        dead_letter_queue_url=given.text(names.DEAD_LETTER_QUEUE_URL),
        event_bus=given.text(names.EVENT_BUS, ""),
        stack=StackResources(
            queue=given.text(names.JOB_QUEUE, ""),
            definition=given.text(names.JOB_DEFINITION, ""),
            manifest_definition=given.text(names.MANIFEST_JOB_DEFINITION, ""),
            other_queues=split_names(given.text(names.OTHER_JOB_QUEUES, "")),
            other_definitions=split_names(given.text(names.OTHER_JOB_DEFINITIONS, "")),
        ),
        stores=StoreForms(
            source=given.text(names.SOURCE_STORE, BUCKET_STORE),
            dest=given.text(names.DEST_STORE, BUCKET_STORE),
        ),
        limits=Limits(
            dispatch_seconds=given.whole(names.DISPATCH_SECONDS, DISPATCH_SECONDS),
            confirm_seconds=given.whole(names.CONFIRM_SECONDS, CONFIRM_SECONDS),
            claim_seconds=given.whole(names.CLAIM_SECONDS, CLAIM_SECONDS),
        ),
        invocation_seconds=given.whole(names.INVOCATION_SECONDS, INVOCATION_SECONDS),
    )
    given.check()
    return settings
