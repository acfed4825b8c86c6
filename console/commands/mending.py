"""The subcommands that stop a run, take it up again, or build its manifests again."""

import sys
from typing import TYPE_CHECKING

import click

from console.commands.guard import guarded
from console.commands.shared import follow, run_argument, wait_option, workers_option
from console.errors import ExitCode
from console.options import Where, deployment_options

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from console.deployment import Deployment
    from pipeline.run import Run

STOP_SECONDS = 25
"""A worker that is told to stop has given back its pages by then."""


@click.command(short_help="Stop a run.")
@run_argument
@deployment_options
def cancel(name: str, where: Where) -> None:
    """Stop RUN: its jobs end, and its other pages stay as they are.

    What has been tiled stays. `resume` and `replay` take the run up again.

    Exit codes: 0 cancelled; 1 it has ended; 2 usage.
    """
    from console.cancel import cancel
    from console.connected import connected
    from console.plain import counted, say
    from console.runs import find_run

    def stop() -> ExitCode:
        with connected(where) as (place, console):
            run = find_run(place.ledger, name)
            jobs = cancel(run, place)
            say(console, f"{run.run_id}: cancelled, {counted(jobs, 'job')} told to stop")
            if jobs:
                say(console, f"  pages in hand are finished or given up within {STOP_SECONDS} s")
            say(console, f"  {'next':<11}`tilepool resume {run.run_id}{where.typed}`")
        return ExitCode.DONE

    sys.exit(guarded(stop))


@click.command(short_help="Take up a cancelled run.")
@run_argument
@workers_option
@wait_option
@deployment_options
def resume(name: str, workers: int | None, wait: bool, where: Where) -> None:  # noqa: FBT001
    """Take up RUN, which was cancelled, where it stood.

    Exit codes: 0 done, or on its way; 1 failed; 2 usage; 3 ended, but pages failed.
    """
    from console.plain import counted, say
    from console.reconcile import build_dispatcher
    from console.resume import resume

    def start(run: "Run", place: "Deployment", console: "Console") -> None:
        resumed = resume(run, place, workers)
        if not resumed.is_dispatching:
            images = counted(resumed.messages, "image")
            started = counted(resumed.workers, "worker")
            say(console, f"{run.run_id}: {images} sent again, {started} started")
        elif place.endpoint is not None:
            build_dispatcher(place).dispatch(run.upload)
            say(console, f"{run.run_id}: dispatched again")
        else:
            say(console, f"{run.run_id}: will be dispatched within five minutes")

    _run(name, where, start, wait=wait)


@click.command(short_help="Publish a run as it is, with gaps for failed pages.")
@run_argument
@click.option("--with-gaps", is_flag=True, help="Publish items with failed pages, too.")
@wait_option
@deployment_options
def finalize(name: str, with_gaps: bool, wait: bool, where: Where) -> None:  # noqa: FBT001
    """Publish RUN as it is: in the manifests, each failed page is an empty canvas that says so.

    A later `replay` closes the gaps, page by page.

    Exit codes: 0 done, or on its way; 1 failed; 2 usage; 3 ended: published, with gaps.
    """
    if not with_gaps:
        raise click.UsageError("publishing items with failed pages is asked for by --with-gaps")
    _run(name, where, _rebuilding(gaps=True), wait=wait)


@click.command(short_help="Build the manifests of a run again.")
@run_argument
@wait_option
@deployment_options
def manifests(name: str, wait: bool, where: Where) -> None:  # noqa: FBT001
    """Build the manifests of RUN again, with the CSV as it is now; tile nothing.

    Also for a run whose manifest builder has died too often.

    Exit codes: 0 done, or on its way; 1 failed; 2 usage; 3 ended, but pages have failed.
    """
    _run(name, where, _rebuilding(gaps=False), wait=wait)


@click.command(short_help="Bring forward whatever is stuck.")
@click.option(
    "--at-once", is_flag=True, help="Take for stuck what stands still now, not for minutes."
)
@wait_option
@deployment_options
def reconcile(at_once: bool, wait: bool, where: Where) -> None:  # noqa: FBT001
    """Bring forward every run that is stuck, now; on AWS that happens every five minutes.

    What was tried several times in vain, and given up, is tried anew.

    Exit codes: 0 nothing is stuck any more; 1 something could not be brought forward; 2 usage; 3
    a run that was followed has ended, but pages failed.
    """
    from console.connected import connected
    from console.events import told_to
    from console.plain import say
    from console.reconcile import await_unexpected, reconcile

    def bring_forward() -> ExitCode:
        with connected(where) as (place, console):
            told: list[str] = []

            def tell(event: str) -> None:
                told.append(event)
                say(console, f"  {event}")

            with told_to(tell):
                reconcile(place, at_once=at_once)
            if not told:
                say(console, "Nothing is stuck")
            if place.private:
                await_unexpected(place)
            open_runs = list(place.ledger.open_runs())
            return follow(place, console, open_runs, where, wait=wait)

    sys.exit(guarded(bring_forward))


def _rebuilding(*, gaps: bool) -> "Callable[[Run, Deployment, Console], None]":
    def start(run: "Run", place: "Deployment", console: "Console") -> None:
        from console.plain import say
        from console.rebuild import Rebuilding, rebuild

        started = rebuild(run, place, with_gaps=gaps or run.with_gaps)
        say(console, f"{run.run_id}: its manifests are being built again")
        if started is Rebuilding.RESCUED and gaps and not run.with_gaps:
            say(console, "  as they were to be: finalize the run when that has ended")

    return start


def _run(
    name: str,
    where: Where,
    start: "Callable[[Run, Deployment, Console], None]",
    *,
    wait: bool,
) -> None:
    """Bring a run under way, follow it where asked to, and exit."""
    from console.connected import connected
    from console.runs import find_run

    def run() -> ExitCode:
        with connected(where) as (place, console):
            found = find_run(place.ledger, name)
            start(found, place, console)
            return follow(place, console, [found.run_id], where, wait=wait)

    sys.exit(guarded(run))
