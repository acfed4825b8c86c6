"""The subcommand that gives a run more workers, or fewer, while it is at work."""

import sys

import click

from console.commands.guard import guarded
from console.commands.shared import (
    MAX_LOCAL_WORKERS,
    MAX_WORKERS,
    follow,
    run_argument,
    wait_option,
)
from console.errors import ConsoleError, ExitCode
from console.options import Where, deployment_options


@click.command(short_help="Give a run more workers, or fewer.")
@run_argument
@click.argument("number", metavar="N", type=click.IntRange(1, MAX_WORKERS))
@wait_option
@deployment_options
def scale(name: str, number: int, wait: bool, where: Where) -> None:  # noqa: FBT001
    """Have N workers at work on RUN, from now on.

    More are started at once. Fewer: those that have not begun end, and of the others the newest
    finish the images in hand and leave. Workers that die are replaced, every few minutes.

    Exit codes: 0 done, or on its way; 1 the run has ended; 2 usage; with --wait also 3: pages
    failed.
    """
    from console.connected import connected
    from console.plain import say
    from console.runs import find_run
    from console.scale import scale, told

    def run() -> ExitCode:
        with connected(where) as (place, console):
            found = find_run(place.ledger, name)
            if place.endpoint is not None and number > MAX_LOCAL_WORKERS:
                reason = f"N: an embedded cloud has {MAX_LOCAL_WORKERS} workers of a run at most"
                raise ConsoleError(reason, ExitCode.USAGE)
            for line in told(scale(found, number, place)):
                say(console, line)
            return follow(place, console, [found.run_id], where, wait=wait)

    sys.exit(guarded(run))
