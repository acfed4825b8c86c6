"""The environment variables of the stages, read once by their entry points. Pure.

The template sets them on AWS, the embedded cloud on a laptop.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.errors import TilepoolError

TABLE = "TILEPOOL_TABLE"
QUEUE_URL = "TILEPOOL_QUEUE_URL"
DEAD_LETTER_QUEUE_URL = "TILEPOOL_DEAD_LETTER_QUEUE_URL"
RUN_ID = "TILEPOOL_RUN_ID"
SOURCE_STORE = "TILEPOOL_SOURCE_STORE"
DEST_STORE = "TILEPOOL_DEST_STORE"
CLAIM_SECONDS = "TILEPOOL_CLAIM_SECONDS"

BUCKET_STORE = "s3://{bucket}"


class BadEnvironment(TilepoolError):
    """A variable is missing or is not what it should be: the deployment is wrong."""


@dataclass(frozen=True, slots=True)
class Environment:
    """Read access to a process's variables."""

    variables: Mapping[str, str]

    def text(self, name: str, default: str | None = None) -> str:
        """Return a variable; raises BadEnvironment where it is missing and has no default."""
        value = self.variables.get(name) or default
        if value is None:
            raise BadEnvironment(f"{name}: missing")
        return value

    def whole(self, name: str, default: int, least: int = 0) -> int:
        """Return a whole number; raises BadEnvironment where it is none or too small."""
        value = self.text(name, str(default))
        if not value.isascii() or not value.isdigit() or int(value) < least:
            raise BadEnvironment(f"{name}: expected a whole number from {least}, not {value!r}")
        return int(value)

    def store_url(self, name: str, bucket: str) -> str:
        """Return the URL of the store that holds a bucket: S3, or the folder that plays it."""
        return self.text(name, BUCKET_STORE).replace("{bucket}", bucket)
