"""Where a deployment is: an option goes before a variable, and there is always a folder."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from console.options import FOLDER, STACK, Where, default_folder, deployment_options


@click.command
@click.argument("run")
@deployment_options
def show(run: str, where: Where) -> None:
    click.echo(f"{run} {where.stack} {where.folder}")


def invoke(*arguments: str, **variables: str) -> Result:
    return CliRunner().invoke(
        show, ["r1", *arguments], env={STACK: "", FOLDER: "/kept", **variables}
    )


@pytest.mark.parametrize(
    ("arguments", "variables", "shown"),
    [
        ([], {}, "r1 None /kept"),
        (["--dir", "/d"], {}, "r1 None /d"),
        (["--stack", "s"], {}, "r1 s /kept"),
        ([], {STACK: "s"}, "r1 s /kept"),
        (["--dir", "/d"], {STACK: "s"}, "r1 None /d"),
        (["--stack", "t"], {STACK: "s"}, "r1 t /kept"),
    ],
)
def test_an_option_goes_before_a_variable(
    arguments: list[str], variables: dict[str, str], shown: str
) -> None:
    assert invoke(*arguments, **variables).output == f"{shown}\n"


def test_both_options_are_a_usage_error() -> None:
    result = invoke("--stack", "s", "--dir", "/d")
    assert result.exit_code == 2
    assert "either --stack or --dir" in result.output


def test_the_default_is_the_users_state_folder() -> None:
    home = Path.home() / ".local/state/tilepool"
    assert default_folder({"XDG_STATE_HOME": "/state"}) == Path("/state/tilepool")
    assert default_folder({}) == default_folder({"XDG_STATE_HOME": ""}) == home
    assert default_folder({"XDG_STATE_HOME": "relative"}) == home


@pytest.mark.parametrize(
    ("arguments", "typed"),
    [
        ([], ""),
        (["--dir", "/a b"], " --dir '/a b'"),
        (["--stack", "s"], " --stack s"),
    ],
)
def test_what_was_typed_is_kept_for_commands_that_are_shown(
    arguments: list[str], typed: str
) -> None:
    result = CliRunner().invoke(show_typed, arguments, env={STACK: "", FOLDER: "/kept"})
    assert result.output == f"{typed}\n"


@click.command
@deployment_options
def show_typed(where: Where) -> None:
    click.echo(where.typed)
