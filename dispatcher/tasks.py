"""Reading uploaded task files. Adapter: takes a client."""

from typing import TYPE_CHECKING, Protocol

from pipeline.run import Upload
from pipeline.task import MAX_TASK_BYTES

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


class TaskFiles(Protocol):
    """What the dispatcher asks of the batch bucket."""

    def read(self, upload: Upload) -> bytes:
        """Return a task file's content, cut just above the size that any task may have."""


class S3TaskFiles:
    """Task files in the batch bucket, in the very version that the event names."""

    def __init__(self, client: "S3Client") -> None:
        self._client = client

    def read(self, upload: Upload) -> bytes:
        if upload.version is None:
            answer = self._client.get_object(Bucket=upload.bucket, Key=upload.key)
        else:
            answer = self._client.get_object(
                Bucket=upload.bucket, Key=upload.key, VersionId=upload.version
            )
        return answer["Body"].read(MAX_TASK_BYTES + 1)
