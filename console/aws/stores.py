"""Buckets and tables as they are left by a stack. Adapter: takes clients."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from botocore.exceptions import ClientError

from console.aws.emptying import count_versions, delete_versions
from console.plain import counted

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_s3.client import S3Client

OWNER_TAG = "aws:cloudformation:stack-id"
NO_BUCKET = {"404", "NoSuchBucket"}
NO_TAGS = "NoSuchTagSet"
NO_TABLE = "ResourceNotFoundException"


@dataclass(frozen=True, slots=True)
class Facts:
    """Who has made a thing, and when."""

    created: datetime
    tags: Mapping[str, str]

    def is_of(self, stack_id: str, let_go: datetime) -> bool:
        """Tell whether it is what a stack has let go of: its name may have been taken since.

        CloudFormation's tag says so. Without one, it must have been there at that moment.
        """
        owner = self.tags.get(OWNER_TAG)
        return owner == stack_id or (owner is None and self.created <= let_go)


class Leftover(Protocol):
    """Something that costs as long as it is there."""

    @property
    def name(self) -> str:
        """Return the name by which AWS knows it."""
        ...

    def facts(self) -> Facts | None:
        """Return who has made it; None if it is not there any more."""
        ...

    def describe(self) -> str:
        """Return its name and what is in it."""
        ...

    def remove(self) -> None:
        """Remove it with all that is in it; it may be gone already."""
        ...


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket with all versions of its objects."""

    s3: "S3Client"
    account: str
    name: str

    def facts(self) -> Facts | None:
        for page in self.s3.get_paginator("list_buckets").paginate(Prefix=self.name):
            for bucket in page.get("Buckets", []):
                if bucket.get("Name") == self.name and "CreationDate" in bucket:
                    return Facts(bucket["CreationDate"], self._tags())
        return None

    def _tags(self) -> dict[str, str]:
        try:
            told = self.s3.get_bucket_tagging(Bucket=self.name, ExpectedBucketOwner=self.account)
        except ClientError as error:
            if error.response["Error"]["Code"] in {*NO_BUCKET, NO_TAGS}:
                return {}
            raise
        return {tag["Key"]: tag["Value"] for tag in told["TagSet"]}

    def describe(self) -> str:
        versions = count_versions(self.s3, self.name, self.account)
        return f"bucket {self.name} with {counted(versions, 'version')} of objects"

    def remove(self) -> None:
        try:
            delete_versions(self.s3, self.name, self.account)
            self.s3.delete_bucket(Bucket=self.name, ExpectedBucketOwner=self.account)
        except ClientError as error:
            if error.response["Error"]["Code"] not in NO_BUCKET:
                raise


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its rows, and its protection against deletion."""

    dynamodb: "DynamoDBClient"
    name: str

    def facts(self) -> Facts | None:
        try:
            told = self.dynamodb.describe_table(TableName=self.name)["Table"]
            listed = self.dynamodb.list_tags_of_resource(ResourceArn=told.get("TableArn", ""))
        except ClientError as error:
            if error.response["Error"]["Code"] == NO_TABLE:
                return None
            raise
        tags = {tag["Key"]: tag["Value"] for tag in listed.get("Tags", [])}
        return Facts(told["CreationDateTime"], tags)

    def describe(self) -> str:
        return f"table {self.name}, the ledger of all runs"

    def remove(self) -> None:
        try:
            told = self.dynamodb.describe_table(TableName=self.name)["Table"]
            if told.get("DeletionProtectionEnabled"):
                self.dynamodb.update_table(TableName=self.name, DeletionProtectionEnabled=False)
                self.dynamodb.get_waiter("table_exists").wait(TableName=self.name)
            self.dynamodb.delete_table(TableName=self.name)
        except ClientError as error:
            if error.response["Error"]["Code"] != NO_TABLE:
                raise
