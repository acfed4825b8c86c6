"""The subcommands that put the stack into an AWS account, and take it away again."""

import re
import sys
from pathlib import Path
from typing import Any

import click

from console.commands.guard import guarded
from console.errors import ConsoleError, ExitCode

ARCHITECTURES = ("x86_64", "arm64")
STACK_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,127}")


def _stack_name(_context: click.Context, _parameter: click.Parameter, name: str) -> str:
    if not STACK_NAME.fullmatch(name):
        raise click.BadParameter("expected a letter, then letters, digits and hyphens")
    return name


stack_option = click.option(
    "--stack",
    metavar="NAME",
    envvar="TILEPOOL_STACK",
    required=True,
    callback=_stack_name,
    help="CloudFormation stack.  [default: $TILEPOOL_STACK]",
)


@click.command(short_help="Create or update the stack in your AWS account.")
@stack_option
@click.option("--image", metavar="URI", help="The image that workers run, DockerImage.")
@click.option(
    "--param",
    "params",
    multiple=True,
    metavar="NAME=VALUE",
    help="A parameter of the template; may be repeated. Others stay as they are.",
)
@click.option("--plan", is_flag=True, help="Show what would change, and stop.")
@click.option("--yes", is_flag=True, help="Do not ask, whatever is removed or replaced.")
@click.option(
    "--artifact-bucket",
    metavar="BUCKET",
    help="Bucket for bundle and template.  [default: one for the account and region, made for it]",
)
def deploy(stack: str, image: str | None, params: tuple[str, ...], **wanted: Any) -> None:
    """Create or update the stack in your AWS account, by a change set.

    Exit codes: 0 deployed, or planned, or nothing to change; 1 failed; 2 usage.
    """
    from rich.console import Console

    from console.aws.account import sign_in
    from console.aws.deploy import Wanted, deploy
    from console.aws.parameters import parse_given
    from console.aws.template import read_template
    from console.session import new_session, told_refusals

    def run() -> ExitCode:
        asked = Wanted(stack, read_template(), parse_given(params, image), **wanted)
        with told_refusals():
            return deploy(asked, sign_in(new_session()), Console())

    sys.exit(guarded(run))


@click.command(short_help="Remove the stack, and all that costs.")
@stack_option
@click.option("--yes", is_flag=True, help="Do not ask for the stack's name.")
@click.option(
    "--keep-data", is_flag=True, help="Leave the batch bucket and the ledger to a later destroy."
)
def destroy(stack: str, yes: bool, keep_data: bool) -> None:  # noqa: FBT001
    """Remove the stack, its batch bucket, ledger and artifacts; ask first.

    The buckets of sources and exports stay. Whatever interrupts it, it may be repeated.

    Exit codes: 0 removed, or nothing is there; 1 failed; 2 usage.
    """
    from rich.console import Console

    from console.aws.account import sign_in
    from console.aws.destroy import destroy
    from console.session import new_session, told_refusals

    def run() -> ExitCode:
        with told_refusals():
            account = sign_in(new_session())
            return destroy(stack, account, Console(), yes=yes, keep_data=keep_data)

    sys.exit(guarded(run))


@click.command(short_help="Write the dispatcher's bundle to a file.")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--architecture", type=click.Choice(ARCHITECTURES), default="x86_64", show_default=True
)
def bundle(file: Path, architecture: str) -> None:
    """Write the dispatcher's bundle to FILE, for `aws cloudformation package`.

    Exit codes: 0 written; 1 failed; 2 usage.
    """
    from console.aws.bundle import build_bundle

    def write() -> ExitCode:
        if not file.absolute().parent.is_dir():
            reason = f"FILE: there is no folder {file.absolute().parent}"
            raise ConsoleError(reason, ExitCode.USAGE)
        body = build_bundle(architecture)
        file.write_bytes(body)
        click.echo(f"{file}: {len(body):,} bytes for {architecture}")
        return ExitCode.DONE

    sys.exit(guarded(write))
