"""A deployment on AWS, found by its CloudFormation stack. Adapter: takes a session or a client."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import ClientError, NoRegionError

from console.deployment import ON_AWS, Deployment
from console.errors import ConsoleError, ExitCode
from dispatcher.resources import StackResources, split_names

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.client import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import ParameterTypeDef, StackTypeDef

OUTPUTS = ("Ledger", "Pages", "DeadLetters", "BatchBucket")
"""What a deployment is known by, of the outputs of `cfn/template.yaml`."""


def connect_to_stack(name: str, session: boto3.Session) -> Deployment:
    """Return the deployment that a stack is; raises ConsoleError where it cannot be told."""
    try:
        client = session.client("cloudformation", config=ON_AWS)
    except NoRegionError as error:
        reason = "--stack: no AWS region is set; set AWS_REGION, or one in your AWS profile"
        raise ConsoleError(reason, ExitCode.USAGE) from error
    stack = _describe(name, client)
    outputs = _outputs(name, stack)
    return Deployment(
        session=session,
        table=outputs["Ledger"],
        queue_url=outputs["Pages"],
        dead_letter_queue_url=outputs["DeadLetters"],
        bucket=outputs["BatchBucket"],
        failed_uploads_queue=outputs.get("UploadsFailed"),
        resources=stack_resources(outputs, stack.get("Parameters", [])),
    )


def stack_resources(
    outputs: Mapping[str, str], parameters: "Iterable[ParameterTypeDef]"
) -> StackResources:
    """Return what tasks run with, as a stack's outputs and parameters tell it."""
    given = {
        parameter.get("ParameterKey"): parameter.get("ParameterValue", "")
        for parameter in parameters
    }
    return StackResources(
        queue=outputs.get("JobQueue", ""),
        definition=outputs.get("JobDefinition", ""),
        manifest_definition=outputs.get("ManifestJobDefinition", ""),
        other_queues=split_names(given.get("OtherJobQueues", "")),
        other_definitions=split_names(given.get("OtherJobDefinitions", "")),
    )


def read_outputs(name: str, client: "CloudFormationClient") -> dict[str, str]:
    """Return a stack's outputs, all of OUTPUTS among them."""
    return _outputs(name, _describe(name, client))


def _describe(name: str, client: "CloudFormationClient") -> "StackTypeDef":
    try:
        (stack,) = client.describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        told = error.response["Error"]
        region = client.meta.region_name
        # There is no code of its own for a stack that is not there.
        if told["Code"] == "ValidationError" and "does not exist" in told["Message"]:
            reason = f"there is no stack {name!r} in {region}"
        else:
            reason = f"stack {name!r} in {region} cannot be read: {told['Message']}"
        raise ConsoleError(f"--stack: {reason}", ExitCode.USAGE) from error
    return stack


def _outputs(name: str, stack: "StackTypeDef") -> dict[str, str]:
    outputs = {
        output["OutputKey"]: output["OutputValue"]
        for output in stack.get("Outputs", [])
        if "OutputKey" in output and "OutputValue" in output
    }
    missing = [output for output in OUTPUTS if output not in outputs]
    if missing:
        raise ConsoleError(
            f"--stack: stack {name!r} has no output {', '.join(missing)};"
            f" is it tilepool's, and of this version's template? ({stack['StackStatus']})",
            ExitCode.USAGE,
        )
    return outputs
