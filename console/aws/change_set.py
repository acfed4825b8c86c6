"""A change set: what an execution would do to a stack. Adapter: takes a client."""

import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from console.aws.stack_state import IN_REVIEW, find_stack
from console.errors import ConsoleError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_cloudformation.client import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import (
        DescribeChangeSetOutputTypeDef,
        ParameterTypeDef,
        ResourceChangeTypeDef,
    )

POLL_SECONDS = 1.0
STATEFUL = frozenset(
    {"AWS::DynamoDB::Table", "AWS::ECR::Repository", "AWS::S3::Bucket", "AWS::SQS::Queue"}
)
NO_CHANGES = ("didn't contain changes", "No updates are to be performed")
"""What CloudFormation says of an empty change set; it has no code for that."""


@dataclass(frozen=True, slots=True)
class Change:
    """What would become of one resource."""

    action: str
    logical_id: str
    resource_type: str
    replacement: str = ""

    @property
    def endangers_state(self) -> bool:
        """Tell whether rows, messages or files may be lost, or left behind."""
        is_taken_away = self.action == "Remove" or self.replacement in {"True", "Conditional"}
        return is_taken_away and self.resource_type in STATEFUL


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """A change set that waits to be executed or deleted; without changes it has failed already."""

    client: "CloudFormationClient"
    arn: str
    stack_id: str
    changes: tuple[Change, ...]

    def execute(self) -> None:
        """Begin; whatever a creation that fails has made is removed again."""
        self.client.execute_change_set(ChangeSetName=self.arn, RetainExceptOnCreate=True)

    def discard(self) -> None:
        """Delete it, and the stack that is only a name for it."""
        _discard(self.client, self.arn, self.stack_id)


def create_change_set(
    client: "CloudFormationClient",
    stack: str,
    template_url: str,
    parameters: "Sequence[ParameterTypeDef]",
    *,
    is_new: bool,
) -> ChangeSet:
    """Have CloudFormation compute what would change; raises ConsoleError if it cannot."""
    if is_new and any("UsePreviousValue" in parameter for parameter in parameters):
        raise ValueError("a new stack has no previous values")  # emulators take it, AWS does not
    created = client.create_change_set(
        StackName=stack,
        ChangeSetName=f"tilepool-{secrets.token_hex(8)}",
        ChangeSetType="CREATE" if is_new else "UPDATE",
        TemplateURL=template_url,
        Parameters=parameters,
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    arn, stack_id = created["Id"], created["StackId"]
    try:
        told = _await(client, arn)
        _demand_success(told)
        return ChangeSet(client, arn, stack_id, tuple(_changes(client, told)))
    except BaseException:
        _discard(client, arn, stack_id)
        raise


def _discard(client: "CloudFormationClient", arn: str, stack_id: str) -> None:
    client.delete_change_set(ChangeSetName=arn)
    stack = find_stack(client, stack_id)
    if stack is None or stack.status != IN_REVIEW:
        return
    # Somebody else may have a change set for it as well.
    if not client.list_change_sets(StackName=stack_id)["Summaries"]:
        client.delete_stack(StackName=stack_id)
        waiter = client.get_waiter("stack_delete_complete")
        waiter.wait(StackName=stack_id, WaiterConfig={"Delay": int(POLL_SECONDS)})


def _await(client: "CloudFormationClient", arn: str) -> "DescribeChangeSetOutputTypeDef":
    while True:
        told = client.describe_change_set(ChangeSetName=arn)
        if told["Status"] not in {"CREATE_PENDING", "CREATE_IN_PROGRESS"}:
            return told
        time.sleep(POLL_SECONDS)


def _demand_success(told: "DescribeChangeSetOutputTypeDef") -> None:
    reason = told.get("StatusReason", "")
    if told["Status"] != "CREATE_COMPLETE" and not any(text in reason for text in NO_CHANGES):
        raise ConsoleError(f"CloudFormation refuses the change: {reason or told['Status']}")


def _changes(
    client: "CloudFormationClient", told: "DescribeChangeSetOutputTypeDef"
) -> list[Change]:
    changes = list(told.get("Changes", []))
    while token := told.get("NextToken"):
        told = client.describe_change_set(ChangeSetName=told["ChangeSetId"], NextToken=token)
        changes.extend(told.get("Changes", []))
    return [_change(one.get("ResourceChange", {})) for one in changes]


def _change(told: "ResourceChangeTypeDef") -> Change:
    return Change(
        action=told.get("Action", ""),
        logical_id=told.get("LogicalResourceId", ""),
        resource_type=told.get("ResourceType", ""),
        replacement=told.get("Replacement", ""),
    )
