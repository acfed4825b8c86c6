"""Options that several commands share. Imports nothing that is slow."""

import functools
import os
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import click
from click.core import ParameterSource

Answer = TypeVar("Answer")
STACK = "TILEPOOL_STACK"
FOLDER = "TILEPOOL_DIR"


@dataclass(frozen=True, slots=True)
class Where:
    """Where a deployment is: a CloudFormation stack, else the embedded cloud in a folder."""

    folder: Path
    stack: str | None = None
    typed: str = ""
    """The option as it was typed, for commands that are shown; empty if a variable told."""


def default_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder of the embedded cloud where none is named.

    https://specifications.freedesktop.org/basedir-spec/latest/
    """
    state = Path(environ.get("XDG_STATE_HOME", ""))
    # The specification wants relative paths ignored.
    return (state if state.is_absolute() else Path.home() / ".local" / "state") / "tilepool"


folder_option = click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    envvar=FOLDER,
    default=lambda: default_folder(os.environ),
    show_default=f"${FOLDER}, or ~/.local/state/tilepool",
    help="Folder of the embedded cloud: its ledger, dead letters and logs.",
)
stack_option = click.option(
    "--stack",
    metavar="NAME",
    envvar=STACK,
    help=f"CloudFormation stack, for a deployment on AWS.  [default: ${STACK}]",
)


def deployment_options(command: Callable[..., Answer]) -> Callable[..., Answer]:
    """Give a command `--stack` and `--dir`; it takes both as one argument, `where`."""

    @stack_option
    @folder_option
    @functools.wraps(command)
    def with_where(
        *arguments: object, stack: str | None, folder: Path, **options: object
    ) -> Answer:
        context = click.get_current_context()
        named = {
            name
            for name in ("stack", "folder")
            if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        }
        if named == {"stack", "folder"}:
            raise click.UsageError("expected either --stack or --dir, not both")
        if "folder" in named:
            # An option goes before a variable.
            where = Where(folder, typed=_typed("--dir", str(folder)))
        else:
            where = Where(folder, stack, _typed("--stack", str(stack)) if named else "")
        return command(*arguments, where=where, **options)

    return with_where


def embedded_where(folder: Path) -> Where:
    """Return the embedded cloud of a command that has `--dir` alone."""
    source = click.get_current_context().get_parameter_source("folder")
    is_typed = source is ParameterSource.COMMANDLINE
    return Where(folder, typed=_typed("--dir", str(folder)) if is_typed else "")


def _typed(option: str, value: str) -> str:
    return f" {option} {shlex.quote(value)}"
