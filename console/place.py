"""Getting hold of a deployment for the length of a command."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    HTTPClientError,
)

from console.deployment import Deployment
from console.embedded import JOB_ENVIRONMENT, EmbeddedCloud, embedded_cloud
from console.errors import ConsoleError
from console.options import Where
from console.session import new_session, one_line, told_refusals
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
    with told_refusals():
        yield connect_to_stack(where.stack, new_session())


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
            raise ConsoleError(f"the embedded cloud: {one_line(error)}") from error
