"""What `tilepool verify` shows: progress, and a summary that says what to repair."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from console.errors import ExitCode
from console.plain import say
from console.verify.findings import Kind
from console.verify.verification import Verified, Watch

IMAGES_PER_LINE = 1_000
"""Where there is no terminal."""


@contextmanager
def progress(console: Console) -> Iterator[Watch]:
    """Show how far a verification is while the block is busy."""
    if not console.is_terminal:
        yield _Lines(console)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        bar = bars.add_task("reading documents")

        def watch(verified: Verified) -> None:
            bars.update(bar, description=_so_far(verified))

        yield watch


class _Lines:
    """Prints a line now and then."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown = 0

    def __call__(self, verified: Verified) -> None:
        if verified.images // IMAGES_PER_LINE > self._shown:
            self._shown = verified.images // IMAGES_PER_LINE
            say(self._console, _so_far(verified))


def _so_far(verified: Verified) -> str:
    decoded = f", {verified.decoded:,} decoded" if verified.decoded else ""
    return (
        f"{verified.images:,} images, {verified.files:,} files{decoded},"
        f" {verified.findings.errors:,} errors"
    )


def report(console: Console, verified: Verified) -> ExitCode:
    """Print what was found; return the exit code that says the same."""

    def line(name: str, text: str) -> None:
        say(console, f"  {name:<12}{text}")

    errors = verified.findings.errors
    if errors:
        many = "One error" if errors == 1 else f"{errors:,} errors"
        console.print(f"{many} found", style="bold red", highlight=False)
    else:
        all_there = "All that is named" if verified.findings.counts[Kind.GAP] else "All"
        console.print(f"{all_there} is there and right", style="bold green", highlight=False)
    line("collections", f"{verified.collections:,}")
    line("manifests", f"{verified.manifests:,}")
    line("images", f"{verified.images:,}")
    line("files", f"{verified.files:,} there, the size of {verified.headers:,} read")
    line("sample", f"{verified.decoded:,} decoded, {verified.compared:,} compared with the whole")
    for kind in Kind:
        if kind is not Kind.NOTE and verified.findings.counts[kind]:
            line(kind.value, f"{verified.findings.counts[kind]:,}")
    for kind, text in verified.findings.lines():
        line(kind.value, text)
    return ExitCode.FAILED if errors else ExitCode.DONE
