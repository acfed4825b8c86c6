"""What several subcommands share: arguments, options, and following what they have started."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from console.errors import ExitCode
from console.options import Where

if TYPE_CHECKING:
    from rich.console import Console

    from console.deployment import Deployment

MAX_WORKERS = 1_000
"""As in a task. Each has a process per core, so that is some thousands of images at a time."""
MAX_LOCAL_WORKERS = 64
"""They share the cores of one machine."""

run_argument = click.argument("name", metavar="RUN")
json_option = click.option("--json", "as_json", is_flag=True, help="JSON, for programs.")
wait_option = click.option(
    "--wait",
    is_flag=True,
    help="Follow the run to its end; so it is always where the embedded cloud is not kept.",
)
workers_option = click.option(
    "--workers",
    type=click.IntRange(1, MAX_WORKERS),
    metavar="N",
    help="Workers to start, never more than pages.  [default: the task's, less those that live]",
)


def follow(
    place: "Deployment", console: "Console", run_ids: Sequence[str], where: Where, *, wait: bool
) -> ExitCode:
    """Follow runs to their ends, or name the command that does; return the worst exit code."""
    from console.ending import follow_to_end
    from console.plain import say

    codes = {ExitCode.DONE}
    for run_id in run_ids:
        status = f"tilepool status {run_id}{where.typed}"
        if not (place.private or wait):
            say(console, f"  {'next':<11}`{status}`")
            continue
        try:
            codes.add(follow_to_end(place, run_id, console, where.typed))
        except KeyboardInterrupt:
            again = f"tilepool reconcile{where.typed}"
            told = f"To go on with it: {again}" if place.private else f"It goes on: {status}"
            raise KeyboardInterrupt(told) from None
    order = (ExitCode.FAILED, ExitCode.USAGE, ExitCode.DONE_WITH_FAILURES, ExitCode.DONE)
    return min(codes, key=order.index)
