"""The bucket that CloudFormation takes bundles and templates from. Adapter: takes a client.

Every request names the account that must own the bucket: names of buckets are for anybody to take.
"""

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Literal, cast, get_args

from botocore.exceptions import ClientError

from console.aws.account import Account
from console.aws.emptying import count_versions, delete_versions
from console.errors import ConsoleError, ExitCode

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.literals import BucketLocationConstraintType

Kind = Literal["dispatcher", "template"]
KINDS: tuple[Kind, ...] = get_args(Kind)
FIRST_REGION = "us-east-1"
"""The one that must not be named as a bucket's location."""
MISSING = {"404", "NoSuchBucket", "NoSuchKey", "NoSuchBucketPolicy", "NotFound"}


def default_bucket(account: Account) -> str:
    """Return the name of an account's artifact bucket in a region."""
    return f"tilepool-artifacts-{account.number}-{account.region}"


@dataclass(frozen=True, slots=True)
class Artifacts:
    """What a stack is deployed from, in one bucket."""

    s3: "S3Client"
    account: Account
    bucket: str
    stack: str

    @property
    def prefix(self) -> str:
        """Return what the keys of the stack's artifacts begin with."""
        return f"{self.stack}/"

    @property
    def _beginnings(self) -> list[str]:
        """Return what the keys begin with; in a bucket of the user's may be others like them."""
        return [f"{self.prefix}{kind}-" for kind in KINDS]

    def prepare(self) -> None:
        """Make the bucket if it is the account's own default one; else it must be there."""
        is_default = self.bucket == default_bucket(self.account)
        if not self._is_there():
            if not is_default:
                reason = f"--artifact-bucket: there is no bucket {self.bucket}"
                raise ConsoleError(reason, ExitCode.USAGE)
            self._create()
        if is_default and not self._has_policy():
            self._protect()

    def put(self, kind: Kind, suffix: str, body: bytes) -> str:
        """Upload a file unless the same lies there; return its key."""
        key = f"{self.prefix}{kind}-{sha256(body).hexdigest()}.{suffix}"
        owner = self.account.number
        try:
            self.s3.head_object(Bucket=self.bucket, Key=key, ExpectedBucketOwner=owner)
        except ClientError as error:
            if error.response["Error"]["Code"] not in MISSING:
                raise
            self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, ExpectedBucketOwner=owner)
        return key

    def url(self, key: str) -> str:
        """Return the address under which CloudFormation finds a template."""
        return f"{self.s3.meta.endpoint_url}/{self.bucket}/{key}"

    def count(self) -> int:
        """Return how many artifacts there are, with their versions."""
        try:
            return sum(
                count_versions(self.s3, self.bucket, self.account.number, prefix)
                for prefix in self._beginnings
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in MISSING:
                return 0
            raise

    def remove(self) -> None:
        """Remove the stack's artifacts, and the default bucket once it is empty."""
        owner = self.account.number
        try:
            for prefix in self._beginnings:
                delete_versions(self.s3, self.bucket, owner, prefix)
            is_default = self.bucket == default_bucket(self.account)
            if is_default and not count_versions(self.s3, self.bucket, owner):
                self.s3.delete_bucket(Bucket=self.bucket, ExpectedBucketOwner=owner)
        except ClientError as error:
            if error.response["Error"]["Code"] not in MISSING:
                raise

    def _is_there(self) -> bool:
        owner = self.account.number
        try:
            self.s3.head_bucket(Bucket=self.bucket, ExpectedBucketOwner=owner)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in MISSING:
                return False
            if code in {"403", "AccessDenied"}:
                raise ConsoleError(
                    f"bucket {self.bucket} is not account {owner}'s, or not for you to use;"
                    " name another with --artifact-bucket"
                ) from error
            raise
        return True

    def _create(self) -> None:
        region = self.account.region
        if region == FIRST_REGION:
            self.s3.create_bucket(Bucket=self.bucket)
        else:
            place = cast("BucketLocationConstraintType", region)
            self.s3.create_bucket(
                Bucket=self.bucket, CreateBucketConfiguration={"LocationConstraint": place}
            )

    def _has_policy(self) -> bool:
        owner = self.account.number
        try:
            self.s3.get_bucket_policy(Bucket=self.bucket, ExpectedBucketOwner=owner)
        except ClientError as error:
            if error.response["Error"]["Code"] in MISSING:
                return False
            raise
        return True

    def _protect(self) -> None:
        """Encrypt the bucket and close it to the public; the policy, last, is the sign of it."""
        owner = self.account.number
        self.s3.put_bucket_encryption(
            Bucket=self.bucket,
            ExpectedBucketOwner=owner,
            ServerSideEncryptionConfiguration={
                "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
            },
        )
        self.s3.put_public_access_block(
            Bucket=self.bucket,
            ExpectedBucketOwner=owner,
            PublicAccessBlockConfiguration={
                "BlockPublicAcls": True,
                "IgnorePublicAcls": True,
                "BlockPublicPolicy": True,
                "RestrictPublicBuckets": True,
            },
        )
        self.s3.put_bucket_policy(
            Bucket=self.bucket, ExpectedBucketOwner=owner, Policy=json.dumps(self._tls_only())
        )

    def _tls_only(self) -> dict[str, object]:
        arn = f"arn:{self.account.partition}:s3:::{self.bucket}"
        statement = {
            "Sid": "TlsOnly",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [arn, f"{arn}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
        return {"Version": "2012-10-17", "Statement": [statement]}
