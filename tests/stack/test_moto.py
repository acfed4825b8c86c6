"""Batch's part of the stack on moto, which checks what MiniStack's Batch only keeps."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from tests.stack.aws import Deployed, MiniStack

REGION = "us-east-1"


@pytest.fixture
def batch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "moto")
    with mock_aws(config={"batch": {"use_docker": False}}):
        yield boto3.client("batch", region_name=REGION)


def network() -> dict[str, list[str]]:
    """Return moto's own subnets and security groups."""
    ec2: Any = boto3.client("ec2", region_name=REGION)
    return {
        "subnets": [subnet["SubnetId"] for subnet in ec2.describe_subnets()["Subnets"]],
        "securityGroupIds": [
            group["GroupId"] for group in ec2.describe_security_groups()["SecurityGroups"]
        ],
    }


def a_role(name: str) -> str:
    iam: Any = boto3.client("iam", region_name=REGION)
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    return arn


def a_profile() -> str:
    iam: Any = boto3.client("iam", region_name=REGION)
    arn: str = iam.create_instance_profile(InstanceProfileName="workers")["InstanceProfile"]["Arn"]
    return arn


def arguments(described: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: described[name] for name in names if name in described}


def test_environments_queue_and_definitions_are_taken_and_jobs_of_them_run(
    aws: MiniStack, stack: Deployed, batch: Any
) -> None:
    made = Made(aws)
    profile, job = a_profile(), a_role("job")
    for environment in made.environments:
        resources = environment["computeResources"] | network() | {"instanceRole": profile}
        batch.create_compute_environment(
            **arguments(environment, ("computeEnvironmentName", "type", "state")),
            computeResources=resources,
            serviceRole=a_role(environment["computeEnvironmentName"]),
        )
    taken = batch.describe_compute_environments()["computeEnvironments"]
    assert [environment["status"] for environment in taken] == ["VALID"] * len(made.environments)
    arns = {entry["computeEnvironmentName"]: entry["computeEnvironmentArn"] for entry in taken}
    order = [
        entry | {"computeEnvironment": arns[entry["computeEnvironment"].rpartition("/")[2]]}
        for entry in made.queue["computeEnvironmentOrder"]
    ]
    batch.create_job_queue(
        **arguments(made.queue, ("jobQueueName", "state", "priority")),
        computeEnvironmentOrder=order,
    )
    for definition in made.definitions:
        container = definition["containerProperties"] | {"jobRoleArn": job, "executionRoleArn": job}
        batch.register_job_definition(
            **arguments(definition, ("jobDefinitionName", "type")),
            containerProperties=container,
        )
        submitted = batch.submit_job(
            jobName="job",
            jobQueue=made.queue["jobQueueName"],
            jobDefinition=definition["jobDefinitionName"],
        )
        (described,) = batch.describe_jobs(jobs=[submitted["jobId"]])["jobs"]
        assert described["status"] == "SUCCEEDED"


class Made:
    """What CloudFormation has made of Batch."""

    def __init__(self, aws: MiniStack) -> None:
        batch = aws.client("batch")
        self.environments = batch.describe_compute_environments()["computeEnvironments"]
        (self.queue,) = batch.describe_job_queues()["jobQueues"]
        self.definitions = batch.describe_job_definitions()["jobDefinitions"]
