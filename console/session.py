"""A session with AWS; what AWS refuses in it becomes one line."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import boto3
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from console.errors import ConsoleError, ExitCode


def new_session() -> boto3.Session:
    """Return a session in the region that AWS_REGION names, which boto3 ignores, or boto3 finds."""
    return boto3.Session(region_name=os.environ.get("AWS_REGION") or None)


@contextmanager
def told_refusals() -> Iterator[None]:
    """Raise ConsoleError for what AWS refuses in the block."""
    try:
        yield
    except NoCredentialsError as error:
        reason = "no AWS credentials are found; set AWS_PROFILE, or log in"
        raise ConsoleError(reason, ExitCode.USAGE) from error
    except (BotoCoreError, ClientError) as error:
        raise ConsoleError(f"AWS: {one_line(error)}") from error


def one_line(error: Exception) -> str:
    """Return an error's text without line breaks."""
    return " ".join(str(error).split())
