"""Getting hold of a deployment for the length of a command."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import boto3
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
)

from console.deployment import Deployment
from console.embedded import JOB_ENVIRONMENT, EmbeddedCloud, embedded_cloud
from console.errors import ConsoleError, ExitCode
from console.options import Where
from console.stack import connect_to_stack


@contextmanager
def deployment(where: Where) -> Iterator[Deployment]:
    """Use the deployment that `--stack` or `--dir` names.

    Of the embedded cloud that is the one which is up, else one that is private to this command.
    Raises ConsoleError for what AWS refuses, here or in the block.
    """
    if where.stack is None:
        with embedded_deployment(where) as cloud:
            yield cloud
        return
    try:
        yield connect_to_stack(where.stack, boto3.Session(region_name=_region()))
    except NoCredentialsError as error:
        reason = "no AWS credentials are found; set AWS_PROFILE, or log in"
        raise ConsoleError(reason, ExitCode.USAGE) from error
    except (BotoCoreError, ClientError) as error:
        raise ConsoleError(f"AWS: {_line(error)}") from error


@contextmanager
def embedded_deployment(
    where: Where, job_environment: Mapping[str, str] = JOB_ENVIRONMENT
) -> Iterator[EmbeddedCloud]:
    """Use the embedded cloud of a folder; raises ConsoleError when it dies meanwhile."""
    with embedded_cloud(where.folder, job_environment) as cloud:
        try:
            yield cloud
        except (EndpointConnectionError, HTTPClientError) as error:
            log = cloud.logs / "cloud.log"
            raise ConsoleError(
                f"the embedded cloud died or was stopped; see {log}. `tilepool reconcile` goes on"
                " with what was under way"
            ) from error
        except (BotoCoreError, ClientError) as error:
            raise ConsoleError(f"the embedded cloud: {_line(error)}") from error


def _region() -> str | None:
    """Return AWS_REGION, which boto3 ignores; None means what boto3 finds."""
    return os.environ.get("AWS_REGION") or None


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
