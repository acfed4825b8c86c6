"""A deployment on AWS, found by its CloudFormation stack. Adapter: takes a session or a client."""

from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import ClientError, NoRegionError

from console.deployment import ON_AWS, Deployment
from console.errors import ConsoleError, ExitCode

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.client import CloudFormationClient

OUTPUTS = ("Ledger", "Pages", "DeadLetters", "BatchBucket")
"""What a deployment is known by, of the outputs of `cfn/template.yaml`."""


def connect_to_stack(name: str, session: boto3.Session) -> Deployment:
    """Return the deployment that a stack is; raises ConsoleError where it cannot be told."""
    try:
        client = session.client("cloudformation", config=ON_AWS)
    except NoRegionError as error:
        reason = "--stack: no AWS region is set; set AWS_REGION, or one in your AWS profile"
        raise ConsoleError(reason, ExitCode.USAGE) from error
    outputs = read_outputs(name, client)
    return Deployment(
        session=session,
        table=outputs["Ledger"],
        queue_url=outputs["Pages"],
        dead_letter_queue_url=outputs["DeadLetters"],
        bucket=outputs["BatchBucket"],
    )


def read_outputs(name: str, client: "CloudFormationClient") -> dict[str, str]:
    """Return a stack's outputs, all of OUTPUTS among them."""
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
