"""The command line: help, versions, and mistakes that end with one line and the right code."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from console.__main__ import cli
from console.commands.guard import guarded
from console.commands.sections import SECTIONS
from console.serve import make_server
from pipeline.errors import TransientError
from tests.builders import task_body

COMMANDS = sorted(cli.commands)


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def test_a_service_that_refuses_ends_a_command_with_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refused() -> None:
        raise TransientError("SQS refused 3 messages")

    with pytest.raises(SystemExit) as ended:
        guarded(refused)
    assert ended.value.code == 1
    assert capsys.readouterr().err == "Error: SQS refused 3 messages\n"


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_names_the_commands_and_the_exit_codes(option: str) -> None:
    result = invoke(option)
    assert result.exit_code == 0
    assert all(f"\n  {command} " in result.output for command in COMMANDS)
    assert "3 done, but some images" in " ".join(result.output.split())


def test_help_has_each_command_in_one_section_and_says_it_in_a_line() -> None:
    assert sorted(name for names in SECTIONS.values() for name in names) == COMMANDS
    help_lines = invoke("--help").output.splitlines()
    assert not any(line.endswith("...") for line in help_lines[1:])


LARGE = {
    *("asyncio", "boto3", "botocore", "iiif_prezi3", "moto", "numpy", "obstore", "pandas", "PIL"),
    *("pydantic", "pyvips", "rich", "structlog", "tifffile"),
}


def test_help_is_quick_for_it_loads_no_large_library() -> None:
    code = "import sys, console.__main__; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "click" in loaded
    assert not LARGE & set(loaded)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    result = invoke(command, "--help")
    assert result.exit_code == 0
    assert result.output.startswith("Usage:")


def test_the_version_is_the_packages() -> None:
    result = invoke("--version")
    assert result.exit_code == 0
    assert version("tilepool") in result.output


@pytest.fixture
def task(tmp_path: Path) -> str:
    file = tmp_path / "task.json"
    file.write_bytes(task_body())
    return str(file)


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["--nonsense"],
        ["local"],
        ["serve"],
        ["serve", "."],
        ["serve", "--port", "x", "."],
        ["serve", "--port", "70000", "."],
        ["demo", "extra"],
    ],
    ids=" ".join,
)
def test_wrong_arguments_exit_with_2(arguments: list[str], tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    result = invoke(*(missing if argument == "." else argument for argument in arguments))
    assert result.exit_code == 2
    assert "Usage:" in result.output


@pytest.mark.parametrize("left_out", ["--source", "--dest"])
def test_local_needs_both_folders(task: str, tmp_path: Path, left_out: str) -> None:
    options = {"--source": str(tmp_path), "--dest": str(tmp_path / "out")}
    del options[left_out]
    result = invoke("local", task, *(word for option in options.items() for word in option))
    assert result.exit_code == 2
    assert left_out in result.output


@pytest.mark.parametrize("workers", ["0", "-1", "65", "two"])
def test_workers_out_of_bounds_are_a_usage_error(task: str, tmp_path: Path, workers: str) -> None:
    folders = ["--source", str(tmp_path), "--dest", str(tmp_path / "out")]
    result = invoke("local", task, *folders, "--workers", workers)
    assert result.exit_code == 2
    assert "--workers" in result.output
    assert not (tmp_path / "out").exists()


def test_a_source_that_is_not_there_is_a_usage_error(task: str, tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    result = invoke("local", task, "--source", missing, "--dest", str(tmp_path / "out"))
    assert result.exit_code == 2
    assert "missing" in result.output


def test_a_task_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    result = invoke(
        "local", str(tmp_path / "none.json"), "--source", str(tmp_path), "--dest", str(tmp_path)
    )
    assert result.exit_code == 2
    assert "none.json" in result.output


def test_a_dest_below_a_file_is_a_usage_error_of_one_line(task: str, tmp_path: Path) -> None:
    result = invoke("local", task, "--source", str(tmp_path), "--dest", f"{task}/dest")
    assert result.exit_code == 2
    assert result.output.startswith("Error: --dest:")
    assert result.output.count("\n") == 1


def test_a_demo_that_cannot_write_ends_with_one_line(task: str) -> None:
    result = invoke("demo", "--dest", f"{task}/demo")
    assert result.exit_code == 2
    assert result.output.startswith("Error:")


def test_a_port_that_may_not_be_used_is_a_usage_error_of_one_line(tmp_path: Path) -> None:
    with make_server(tmp_path, 0) as server:
        result = invoke("serve", str(tmp_path), "--port", str(server.server_port))
    assert result.exit_code == 2
    assert result.output.startswith("Error: --port:")
