"""Questions before something is lost; where nobody can answer, only `--yes` does."""

import sys

import click

from console.errors import ConsoleError, ExitCode


def confirm(loss: str, *, yes: bool) -> None:
    """Ask whether to go on; raises ConsoleError unless the answer, or `--yes`, is yes."""
    if yes:
        return
    _demand_terminal(loss)
    if not click.confirm(f"{loss}. Go on?"):
        raise ConsoleError("stopped: nothing was changed")


def confirm_name(name: str, *, yes: bool) -> None:
    """Have a stack's name typed; raises ConsoleError for another one."""
    if yes:
        return
    _demand_terminal(f"stack {name} would be removed")
    typed = click.prompt(f"To remove all this, type the stack's name, {name}", default="")
    if typed != name:
        raise ConsoleError("stopped: nothing was removed")


def _demand_terminal(loss: str) -> None:
    if not sys.stdin.isatty():
        reason = f"{loss}: there is no terminal to ask at; --yes says that it may be done"
        raise ConsoleError(reason, ExitCode.USAGE)
