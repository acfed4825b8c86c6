"""`tilepool replay`: the failed pages of a run once more."""

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from console.commands.guard import guarded
from console.commands.shared import follow, wait_option, workers_option
from console.errors import ExitCode
from console.options import Where, deployment_options

if TYPE_CHECKING:
    from rich.console import Console

    from console.deployment import Deployment


@dataclass(frozen=True, slots=True)
class Wanted:
    """What `tilepool replay` was asked for."""

    name: str | None
    everything: bool
    items: tuple[str, ...]
    reason: str
    workers: int | None
    dry_run: bool
    native: bool
    wait: bool

    def mistake(self) -> str | None:
        """Return what does not go together, if anything."""
        if self.everything == (self.name is not None):
            return "expected either RUN or --all"
        if self.native and (not self.everything or self.items or self.reason or self.dry_run):
            return "--native moves all letters: expected it with --all, --workers and --wait alone"
        return None


@click.command(short_help="Tile failed pages once more.")
@click.argument("name", metavar="[RUN]", required=False)
@click.option("--all", "everything", is_flag=True, help="All runs that have dead letters.")
@click.option(
    "--item", "items", multiple=True, metavar="ITEM", help="Pages of this item; may be repeated."
)
@click.option("--reason", default="", metavar="TEXT", help="Pages that failed for such a reason.")
@workers_option
@click.option("--dry-run", is_flag=True, help="Tell what would be replayed; change nothing.")
@click.option("--native", is_flag=True, help="With --all: let SQS move all letters by itself.")
@wait_option
@deployment_options
def replay(where: Where, **options: Any) -> None:
    """Tile the failed pages of RUN once more, and build its manifests again.

    RUN is a run's id, an unambiguous beginning of one, or `last`.

    Exit codes: 0 done, or on its way; 1 failed; 2 usage, and where no failed page is chosen; 3
    ended, but pages failed again.
    """
    from console.connected import connected

    wanted = Wanted(**options)
    mistake = wanted.mistake()
    if mistake is not None:
        raise click.UsageError(mistake)

    def run() -> ExitCode:
        with connected(where) as (place, console):
            started = _start(wanted, place, console)
            return follow(place, console, started, where, wait=wanted.wait)

    sys.exit(guarded(run))


def _start(wanted: Wanted, place: "Deployment", console: "Console") -> list[str]:
    """Do what is asked for; return the runs that are under way now."""
    from console.redrive import await_workers, redrive
    from console.replay import Choice
    from console.replaying import Replaying
    from console.runs import find_run

    choice = Choice(frozenset(wanted.items), wanted.reason)
    replaying = Replaying(place, console, choice, wanted.workers)
    if wanted.native:
        run_ids = redrive(place, console, wanted.workers)
        if place.private or wanted.wait:
            await_workers(place, run_ids)
        return run_ids
    if wanted.everything:
        if wanted.dry_run:
            replaying.show_all()
            return []
        return [done.run_id for done in replaying.replay_all()]
    run = find_run(place.ledger, wanted.name or "")
    if wanted.dry_run:
        replaying.show_run(run)
        return []
    done = replaying.replay_run(run)
    return [run.run_id] if done.pages or done.queued else []
