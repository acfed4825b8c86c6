"""How a command ends: an expected fault is one line and an exit code."""

import os
import sys
from collections.abc import Callable
from typing import TypeVar

import click

from console.errors import ConsoleError, ExitCode, shown
from pipeline.errors import TilepoolError

Answer = TypeVar("Answer")


def guarded(command: Callable[[], Answer]) -> Answer:
    """Run a command; a fault that is expected ends it with one line and its exit code."""
    try:
        return command()
    except ConsoleError as error:
        click.echo(f"Error: {shown(str(error))}", err=True)
        sys.exit(error.exit_code)
    except TilepoolError as error:
        # A service that does not answer, or refuses: what was begun may be begun again.
        click.echo(f"Error: {shown(str(error))}", err=True)
        sys.exit(ExitCode.FAILED)
    except BrokenPipeError:
        # Whoever reads the output has seen enough. Python would complain at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(ExitCode.FAILED)
    except OSError as error:
        # A full disk, or a file that was taken away meanwhile.
        click.echo(f"Error: {shown(str(error))}", err=True)
        sys.exit(ExitCode.FAILED)
    except KeyboardInterrupt as interrupt:
        click.echo("\n".join(["Stopped.", *map(str, interrupt.args)]), err=True)
        sys.exit(ExitCode.FAILED)
