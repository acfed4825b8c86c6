"""Counting and deleting what lies in a bucket, with all versions. Adapter: takes a client."""

from typing import TYPE_CHECKING

from console.errors import ConsoleError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef


def count_versions(s3: "S3Client", bucket: str, owner: str, prefix: str = "") -> int:
    """Return the number of versions and delete markers below a prefix."""
    return sum(len(page) for page in _pages(s3, bucket, owner, prefix))


def delete_versions(s3: "S3Client", bucket: str, owner: str, prefix: str = "") -> None:
    """Delete all versions and delete markers; raises ConsoleError for what S3 keeps."""
    for page in _pages(s3, bucket, owner, prefix):
        answer = s3.delete_objects(
            Bucket=bucket, Delete={"Objects": page, "Quiet": True}, ExpectedBucketOwner=owner
        )
        for error in answer.get("Errors", []):
            reason = error.get("Message", error.get("Code", ""))
            raise ConsoleError(f"s3://{bucket}/{error.get('Key', '')} is not deleted: {reason}")


def _pages(
    s3: "S3Client", bucket: str, owner: str, prefix: str
) -> "Iterator[list[ObjectIdentifierTypeDef]]":
    """Yield versions, as many at once as may be deleted at once."""
    pages = s3.get_paginator("list_object_versions")
    for page in pages.paginate(Bucket=bucket, Prefix=prefix, ExpectedBucketOwner=owner):
        found: list[ObjectIdentifierTypeDef] = [
            {"Key": one.get("Key", ""), "VersionId": one.get("VersionId", "")}
            for one in (*page.get("Versions", []), *page.get("DeleteMarkers", []))
        ]
        if found:
            yield found
