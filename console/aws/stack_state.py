"""A CloudFormation stack as it stands. Adapter: takes a client."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from botocore.exceptions import ClientError

from console.errors import ConsoleError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_cloudformation.client import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import StackTypeDef

OWN = "tilepool - "
"""In the description of cfn/template.yaml, and of no other template."""
IN_REVIEW = "REVIEW_IN_PROGRESS"
"""A name alone, made by a change set that has not been executed."""
ROLLED_BACK = "ROLLBACK_COMPLETE"
"""Its creation failed: it is empty, and can only be deleted."""
DELETED: Literal["DELETE_COMPLETE"] = "DELETE_COMPLETE"
BUSY = "_IN_PROGRESS"
UPDATABLE = frozenset(
    {
        "CREATE_COMPLETE",
        "UPDATE_COMPLETE",
        "UPDATE_ROLLBACK_COMPLETE",
        "IMPORT_COMPLETE",
        "IMPORT_ROLLBACK_COMPLETE",
    }
)


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack, its parameters' values and its outputs."""

    name: str
    stack_id: str
    status: str
    parameters: "Mapping[str, str]"
    outputs: "Mapping[str, str]"
    is_protected: bool = False

    @property
    def is_busy(self) -> bool:
        """Tell whether something is being done to it."""
        return self.status.endswith(BUSY) and self.status != IN_REVIEW


def is_own(client: "CloudFormationClient", stack_id: str) -> bool:
    """Tell whether a stack, or one that is gone, was made by our template, which says so."""
    try:
        body = client.get_template(StackName=stack_id)["TemplateBody"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":
            return False  # it has none, or none any more
        raise
    return OWN in (body if isinstance(body, str) else json.dumps(body))


def demand_own(client: "CloudFormationClient", stack: Stack) -> None:
    """Refuse a stack that is somebody else's: what it holds is not ours to replace or remove."""
    if not is_own(client, stack.stack_id):
        raise ConsoleError(f"--stack: stack {stack.name} is not one of tilepool's", ExitCode.USAGE)


def find_stack(client: "CloudFormationClient", name: str) -> Stack | None:
    """Return the stack of a name, or of an id; None where there is none, or none any more."""
    try:
        (told,) = client.describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        answer = error.response["Error"]
        # There is no code of its own for a stack that is not there.
        if answer["Code"] == "ValidationError" and "does not exist" in answer["Message"]:
            return None
        raise
    return None if told["StackStatus"] == DELETED else _stack(told)


def _stack(told: "StackTypeDef") -> Stack:
    parameters = told.get("Parameters", [])
    outputs = told.get("Outputs", [])
    return Stack(
        name=told["StackName"],
        stack_id=told.get("StackId", told["StackName"]),
        status=told["StackStatus"],
        parameters={
            one.get("ParameterKey", ""): one.get("ParameterValue", "") for one in parameters
        },
        outputs={one.get("OutputKey", ""): one.get("OutputValue", "") for one in outputs},
        is_protected=told.get("EnableTerminationProtection", False),
    )
