"""The `tilepool` command. What a subcommand needs is imported when it runs: `--help` is quick."""

import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from console.commands import deploying, looking, mending
from console.commands.guard import guarded
from console.commands.replay import replay
from console.commands.scaling import scale
from console.commands.sections import Sections
from console.commands.shared import MAX_LOCAL_WORKERS
from console.commands.submitting import submit
from console.errors import ConsoleError, ExitCode
from console.options import Where, embedded_where, folder_option

DEFAULT_PORT = 8000
MAX_SAMPLE = 100_000

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)

NEW_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group(cls=Sections, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tilepool")
def cli() -> None:
    """Turn folders of scans into static IIIF tiles and manifests.

    Exit codes: 0 all done; 1 failed; 2 bad task or usage; 3 done, but some images failed.
    """


@cli.command(short_help="Run the whole pipeline on a small sample.")
@click.option(
    "--dest",
    type=NEW_FOLDER,
    default=Path("tilepool-demo"),
    show_default=True,
    help="Folder for the sample's scans and its export.",
)
@folder_option
def demo(dest: Path, folder: Path) -> None:
    """Draw a small sample collection and run the whole pipeline on it."""
    from console.sample import draw_sample

    guarded(lambda: _draw(draw_sample, dest / "source"))
    task = dest / "source" / "task.json"
    wanted = _Wanted(task, dest / "source", dest / "export", workers=2)
    code = _run(wanted, embedded_where(folder))
    # Without an active environment the command is known by its path alone.
    command = "tilepool" if shutil.which("tilepool") else sys.argv[0]
    click.echo(f"\nLook at it: {command} serve {dest / 'export'}")
    sys.exit(code)


@cli.command(short_help="Run a task from one folder to another.")
@click.argument("task", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--source", type=FOLDER, required=True, help="Folder that plays AWS_SRC_BUCKET.")
@click.option("--dest", type=NEW_FOLDER, required=True, help="Folder that plays AWS_DEST_BUCKET.")
@click.option(
    "--workers",
    type=click.IntRange(1, MAX_LOCAL_WORKERS),
    help="Worker processes; they share the cores.  [default: the task's, or 2]",
)
@click.option("--base-url", help="Address that the export will have, instead of DEST_URL.")
@folder_option
def local(folder: Path, **wanted: Any) -> None:
    """Run TASK, a task file, from one folder to another on this machine."""
    sys.exit(_run(_Wanted(**wanted), embedded_where(folder)))


@cli.group(short_help="Keep an embedded cloud running.")
def cloud() -> None:
    """Keep an embedded cloud running between commands."""


@cloud.command(short_help="Start the embedded cloud.")
@folder_option
def up(folder: Path) -> None:
    """Start the embedded cloud; it goes on with what its folder holds."""
    from console.keep import bring_up

    click.echo(guarded(lambda: bring_up(folder)))


@cloud.command(short_help="Stop the embedded cloud.")
@folder_option
def down(folder: Path) -> None:
    """Stop the embedded cloud; what is under way goes on after the next `up`."""
    from console.keep import bring_down

    click.echo(guarded(lambda: bring_down(folder)))


@cli.command(short_help="Serve an export on this machine.")
@click.argument("folder", type=FOLDER, metavar="DIR")
@click.option("--port", type=click.IntRange(0, 65_535), default=DEFAULT_PORT, show_default=True)
def serve(folder: Path, port: int) -> None:
    """Serve an export on 127.0.0.1, as a static host with CORS would."""
    from console.serve import serve_folder

    guarded(lambda: serve_folder(folder, port, click.echo))


@cli.command(short_help="Look for every file that an export promises.")
@click.argument("target", metavar="DIR | s3://BUCKET/PREFIX | https://…/collection.json")
@click.option(
    "--sample",
    type=click.IntRange(0, MAX_SAMPLE),
    default=100,
    show_default=True,
    metavar="N",
    help="Decode N files and compare what they show with their place in the whole image.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Draws another sample.")
@click.option(
    "--every-header",
    is_flag=True,
    help="In a bucket, read the size of every tile, not of some of each image.",
)
def verify(target: str, sample: int, seed: int, every_header: bool) -> None:  # noqa: FBT001
    """Look for every file that an export's documents name or promise; whoever has made it.

    DIR may be a manifest, a collection or an info.json as well, as may the others.

    Exit codes: 0 all is there and right; 1 something is not; 2 usage.
    """
    from rich.console import Console

    from console.verify.report import progress, report
    from console.verify.verification import Wanted, verify

    console = Console()

    def run() -> ExitCode:
        with progress(console) as watch:
            verified = verify(Wanted(target, sample, seed, every_header), watch)
        return report(console, verified)

    sys.exit(guarded(run))


def _draw(draw: Callable[[Path], None], folder: Path) -> None:
    try:
        draw(folder)
    except OSError as error:
        reason = f"--dest: {folder} cannot be written: {error.strerror}"
        raise ConsoleError(reason, ExitCode.USAGE) from error


@dataclass(frozen=True, slots=True)
class _Wanted:
    task: Path
    source: Path
    dest: Path
    workers: int | None = None
    base_url: str | None = None


def _run(wanted: _Wanted, where: Where) -> ExitCode:
    from rich.console import Console

    from console.local import LocalRun, run_locally
    from console.report import progress, report

    console = Console()

    def run() -> ExitCode:
        local = LocalRun(
            wanted.task.read_bytes(), wanted.source, wanted.dest, wanted.workers, wanted.base_url
        )
        with progress(console) as watch:
            result = run_locally(local, where, watch)
        return report(console, result, wanted.dest, "last", where.typed)

    return guarded(run)


VERBS = (
    submit,
    *(looking.status, looking.runs, looking.failed, looking.dlq),
    *(replay, mending.finalize, mending.manifests),
    *(scale, mending.cancel, mending.resume, mending.reconcile),
    *(deploying.deploy, deploying.destroy, deploying.bundle),
)
for verb in VERBS:
    cli.add_command(verb)


def main() -> None:
    """Run the command line; SIGTERM and a closed terminal end it in order, as Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # else `nohup` wants it to go on
        signal.signal(signal.SIGHUP, signal.default_int_handler)
    cli()


if __name__ == "__main__":
    main()
