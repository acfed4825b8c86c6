"""`tilepool submit`: a task file to a deployment."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from console.commands.guard import guarded
from console.commands.shared import follow, wait_option
from console.errors import ExitCode, shown
from console.options import Where, deployment_options

if TYPE_CHECKING:
    from rich.console import Console

    from console.deployment import Deployment
    from console.submit import TaskFile


@click.command(short_help="Start the run of a task file.")
@click.argument(
    "task", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="TASK.json"
)
@click.option(
    "--source",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="On the embedded cloud: folder that plays AWS_SRC_BUCKET.",
)
@click.option(
    "--dest",
    type=click.Path(file_okay=False, path_type=Path),
    help="On the embedded cloud: folder that plays AWS_DEST_BUCKET.",
)
@wait_option
@deployment_options
def submit(task: Path, source: Path | None, dest: Path | None, wait: bool, where: Where) -> None:  # noqa: FBT001
    """Check TASK.json, a task file, upload it, and say which run comes of it.

    A task with mistakes is not uploaded: all of them are told. On the embedded cloud folders play
    the buckets: those of --source and --dest, else those that the task names, as file:///….

    Exit codes: 0 done, or on its way; 1 failed; 2 usage, and where the task has mistakes; 3 with
    --wait: ended, but some images failed.
    """
    from console.connected import connected
    from console.submit import Folders, prepare_file
    from pipeline.errors import BadTask

    if where.stack is not None and (source or dest):
        raise click.UsageError(
            "--source and --dest are for the embedded cloud, not for a stack"
            f" ({shown(where.stack)!r}, by --stack or $TILEPOOL_STACK)"
        )
    if (source is None) != (dest is None):
        raise click.UsageError("expected both --source and --dest, or neither")
    folders = Folders(source, dest) if source is not None and dest is not None else None

    def run() -> ExitCode:
        try:
            file = prepare_file(task.read_bytes(), folders, where)
        except BadTask as error:
            for mistake in error.errors:
                click.echo(f"Error: {shown(f'{task}: {mistake}')}", err=True)
            return ExitCode.USAGE
        with connected(where) as (place, console):
            return submit_file(file, place, console, where, wait=wait)

    sys.exit(guarded(run))


def submit_file(
    file: "TaskFile",
    place: "Deployment",
    console: "Console",
    where: Where,
    *,
    wait: bool,
    patience: float | None = None,
) -> ExitCode:
    """Upload a task file, and show what comes of it; wait for its run for `patience` seconds."""
    from console.plain import say, spoken
    from console.submit import find_run_of
    from pipeline.run import RunState

    uploaded = place.upload_task(file.key, file.body)
    say(console, f"Uploaded as {place.bucket}/{uploaded.key}")
    run_id = find_run_of(place, uploaded, where, wait=wait, patience=patience)
    run = place.ledger.load_run(run_id) if run_id is not None else None
    if run is None:
        say(console, "No run has come of it so far: the dispatcher lists all images first")
        say(console, f"  {'next':<11}`tilepool runs{where.typed}`")
        return ExitCode.DONE
    say(console, f"{run.run_id}: {spoken(run.state.value)}")
    # There is nothing to wait for, and its mistakes are to be told.
    is_rejected = run.state is RunState.REJECTED
    return follow(place, console, [run.run_id], where, wait=wait or is_rejected)
