"""Why a stack's change failed. Adapter: takes a client."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from console.aws.stack_events import Event

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.client import CloudFormationClient


def find_causes(
    client: "CloudFormationClient", stack_id: str, events: Sequence[Event]
) -> list[str]:
    """Return what failed of its own, the first failure first, and why.

    Where CloudFormation refuses a change before it touches anything, only it can tell.
    """
    causes = [
        f"{event.logical_id} ({event.resource_type}): {event.reason}"
        for event in events
        if event.is_cause
    ]
    refused = [event.reason for event in events if event.is_of_stack and event.is_failure]
    return causes or _validation_errors(client, stack_id) or refused


def _validation_errors(client: "CloudFormationClient", stack_id: str) -> list[str]:
    pages = client.get_paginator("describe_events").paginate(
        StackName=stack_id, Filters={"FailedEvents": True}
    )
    return [
        f"{told.get('LogicalResourceId', '')} ({told.get('ResourceType', '')}):"
        f" {told.get('ValidationStatusReason', '')}"
        for page in pages
        for told in page["OperationEvents"]
        if told.get("EventType") == "VALIDATION_ERROR"
    ]
