"""Whose account a command works in, and where. Adapter: takes a session."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import boto3

from console.deployment import ON_AWS
from console.errors import ConsoleError, ExitCode

if TYPE_CHECKING:
    from mypy_boto3_batch.client import BatchClient
    from mypy_boto3_cloudformation.client import CloudFormationClient
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_sts.client import STSClient


@dataclass(frozen=True)
class Account:
    """An account and a region of AWS, with clients for them, built at first use."""

    session: boto3.Session
    number: str
    region: str
    partition: str

    @cached_property
    def cloudformation(self) -> "CloudFormationClient":
        """Return a client of CloudFormation."""
        return self.session.client("cloudformation", config=ON_AWS)

    @cached_property
    def s3(self) -> "S3Client":
        """Return a client of S3."""
        return self.session.client("s3", config=ON_AWS)

    @cached_property
    def batch(self) -> "BatchClient":
        """Return a client of Batch."""
        return self.session.client("batch", config=ON_AWS)

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        """Return a client of DynamoDB."""
        return self.session.client("dynamodb", config=ON_AWS)


def sign_in(session: boto3.Session) -> Account:
    """Return the session's account; raises ConsoleError without a region."""
    region = session.region_name
    if region is None:
        reason = "no AWS region is set; set AWS_REGION, or one in your AWS profile"
        raise ConsoleError(reason, ExitCode.USAGE)
    sts: STSClient = session.client("sts", config=ON_AWS)
    identity = sts.get_caller_identity()
    partition = identity["Arn"].split(":")[1]
    return Account(session, identity["Account"], region, partition)
