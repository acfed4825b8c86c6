"""What a stack leaves is removed with all that is in it, however often; others' things stay."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from console.aws.stores import Bucket, Facts, Table
from console.embedded import LOCAL, EmbeddedCloud

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_s3.client import S3Client

MOTO = "123456789012"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(seconds=1)


@pytest.fixture
def dynamodb(cloud: EmbeddedCloud) -> "DynamoDBClient":
    client: DynamoDBClient = cloud.session.client("dynamodb", endpoint_url=cloud.url, config=LOCAL)
    return client


def test_a_bucket_goes_with_all_versions_and_delete_markers(s3: "S3Client", bucket: str) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for key in ("a.json", "b c.json", "a.json"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"{}")
    s3.delete_object(Bucket=bucket, Key="a.json")
    left = Bucket(s3, MOTO, bucket)
    assert left.describe() == f"bucket {bucket} with 4 versions of objects"
    facts = left.facts()
    assert facts is not None
    assert facts.tags == {}
    left.remove()
    assert left.facts() is None
    left.remove()


def test_a_buckets_tags_are_told(s3: "S3Client", bucket: str) -> None:
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    facts = Bucket(s3, MOTO, bucket).facts()
    assert facts is not None
    assert facts.tags == {"a": "b"}


def test_a_protected_table_goes_as_well(dynamodb: "DynamoDBClient") -> None:
    name = f"ledger-{uuid.uuid4().hex[:8]}"
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        DeletionProtectionEnabled=True,
        Tags=[{"Key": "a", "Value": "b"}],
    )
    left = Table(dynamodb, name)
    facts = left.facts()
    assert facts is not None
    assert facts.tags == {"a": "b"}
    left.remove()
    assert left.facts() is None
    left.remove()


@pytest.mark.parametrize(
    ("created", "tags", "is_of"),
    [
        (NOW, {"aws:cloudformation:stack-id": "id"}, True),
        (NOW, {"aws:cloudformation:stack-id": "another"}, False),
        (LATER, {"aws:cloudformation:stack-id": "id"}, True),
        (NOW, {}, True),
        (LATER, {}, False),
    ],
)
def test_a_thing_that_only_has_the_name_is_told_from_the_stacks(
    created: datetime, tags: dict[str, str], is_of: bool
) -> None:
    assert Facts(created, tags).is_of("id", NOW) is is_of
