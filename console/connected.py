"""What a verb begins with: a deployment, a place to print, and no events of the stages' code."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from console.deployment import Deployment
from console.events import told_to
from console.options import Where
from console.place import deployment


@contextmanager
def connected(where: Where) -> Iterator[tuple[Deployment, Console]]:
    """Use a deployment and the terminal."""
    with deployment(where) as place, told_to(None):
        yield place, Console()
