"""The artifact bucket: made once and closed to the public, and gone with the last artifact."""

import json
import uuid
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.exceptions import ClientError

from console.aws.account import Account
from console.aws.artifacts import Artifacts, default_bucket
from console.errors import ConsoleError, ExitCode

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

MOTO = "123456789012"


@pytest.fixture(params=["us-east-1", "eu-west-1"])
def account(request: pytest.FixtureRequest, s3: "S3Client") -> Account:
    """An account of which each test has a region of its own, in a way: its name is in buckets'."""
    return Account(boto3.Session(region_name=request.param), MOTO, request.param, "aws")


# Where files are put, buckets are made without their policy: moto ignores its condition.
@pytest.fixture
def artifacts(account: Account) -> Artifacts:
    return Artifacts(account.s3, account, default_bucket(account), "archive")


def buckets(s3: "S3Client") -> set[str]:
    return {str(bucket.get("Name")) for bucket in s3.list_buckets()["Buckets"]}


def test_the_default_bucket_is_made_closed_and_encrypted(artifacts: Artifacts) -> None:
    artifacts.prepare()
    artifacts.prepare()
    s3, name = artifacts.s3, artifacts.bucket
    block = s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
    assert set(block.values()) == {True}
    rules = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    (statement,) = json.loads(s3.get_bucket_policy(Bucket=name)["Policy"])["Statement"]
    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    place = s3.get_bucket_location(Bucket=name)["LocationConstraint"] or "us-east-1"
    assert place == artifacts.account.region
    artifacts.remove()


def test_a_bucket_whose_making_was_cut_off_is_closed_the_next_time(artifacts: Artifacts) -> None:
    artifacts._create()
    artifacts.prepare()
    assert artifacts.s3.get_bucket_policy(Bucket=artifacts.bucket)["Policy"]
    artifacts.remove()


def test_a_file_is_uploaded_once(artifacts: Artifacts) -> None:
    artifacts._create()
    artifacts.s3.put_bucket_versioning(
        Bucket=artifacts.bucket, VersioningConfiguration={"Status": "Enabled"}
    )
    key = artifacts.put("template", "yaml", b"Resources:")
    assert key.startswith("archive/template-")
    assert artifacts.put("template", "yaml", b"Resources:") == key
    assert artifacts.count() == 1
    assert artifacts.put("template", "yaml", b"Other:") != key
    assert artifacts.count() == 2
    artifacts.remove()


def test_other_stacks_artifacts_stay_and_keep_the_bucket(artifacts: Artifacts) -> None:
    other = Artifacts(artifacts.s3, artifacts.account, artifacts.bucket, "archive2")
    artifacts._create()
    artifacts.put("template", "yaml", b"1")
    other.put("template", "yaml", b"2")
    artifacts.remove()
    assert artifacts.count() == 0
    assert other.count() == 1
    other.remove()
    assert artifacts.bucket not in buckets(artifacts.s3)
    other.remove()
    assert other.count() == 0


def test_a_bucket_of_ones_own_is_neither_changed_nor_removed(account: Account) -> None:
    name = f"own-{uuid.uuid4().hex[:8]}"
    own = Artifacts(account.s3, account, name, "archive")
    with pytest.raises(ConsoleError, match=f"^--artifact-bucket: there is no bucket {name}$") as e:
        own.prepare()
    assert e.value.exit_code is ExitCode.USAGE
    own._create()
    own.prepare()
    with pytest.raises(ClientError, match="NoSuchBucketPolicy"):
        account.s3.get_bucket_policy(Bucket=name)
    own.put("template", "yaml", b"1")
    own.remove()
    assert name in buckets(account.s3)


def test_cloudformation_is_told_an_address_by_path(account: Account) -> None:
    artifacts = Artifacts(account.s3, account, "artifacts", "archive")
    endpoint = account.s3.meta.endpoint_url
    assert artifacts.url("archive/t.yaml") == f"{endpoint}/artifacts/archive/t.yaml"
