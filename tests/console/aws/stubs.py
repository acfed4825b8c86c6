"""CloudFormation as botocore's Stubber plays it, for what no emulator can be made to show."""

from datetime import UTC, datetime, timedelta
from typing import Any

STACK_ID = "arn:aws:cloudformation:eu-west-1:123456789012:stack/archive/1"
START = datetime(2026, 1, 1, tzinfo=UTC)


def event(
    number: int, logical_id: str, status: str, reason: str = "", kind: str = "AWS::SQS::Queue"
) -> dict[str, Any]:
    """Return an event; `archive` is the stack's own logical id."""
    is_of_stack = logical_id == "archive"
    return {
        "StackId": STACK_ID,
        "StackName": "archive",
        "EventId": f"event-{number}",
        "LogicalResourceId": logical_id,
        "PhysicalResourceId": STACK_ID if is_of_stack else f"physical-{logical_id}",
        "ResourceType": "AWS::CloudFormation::Stack" if is_of_stack else kind,
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
        "Timestamp": START + timedelta(seconds=number),
    }


def stack(status: str, **fields: Any) -> dict[str, Any]:
    """Return what DescribeStacks tells of a stack."""
    told = {"StackName": "archive", "StackId": STACK_ID, "CreationTime": START}
    return {"Stacks": [{**told, "StackStatus": status, **fields}]}
