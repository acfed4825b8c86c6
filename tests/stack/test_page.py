"""docs/deploy.md, as it stands: its commands, in its order, each on the emulated AWS."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stack.aws import MiniStack

ROOT = Path(__file__).parents[2]
COMMAND = re.compile(r"^\$ (?P<command>.+)$", re.MULTILINE)
COMMANDS = COMMAND.findall((ROOT / "docs/deploy.md").read_text("utf-8"))
DEPLOYS = re.compile(r"tilepool deploy --stack (?P<stack>\S+)(?!.*--plan)")


@pytest.fixture
def reader(aws: MiniStack, tmp_path: Path) -> Path:
    """A clone's folder, and `tilepool` and `aws` as commands."""
    shutil.copytree(ROOT / "cfn", tmp_path / "clone/cfn")
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, command in (
        ("tilepool", [sys.executable, "-m", "console"]),
        ("aws", [str(Path(sys.executable).with_name("aws"))]),
    ):
        tool = tools / name
        tool.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
        tool.chmod(0o755)
    return tmp_path


def run(aws: MiniStack, reader: Path, command: str) -> str:
    path = f"{reader / 'bin'}{os.pathsep}{aws.environment['PATH']}"
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=reader / "clone",
        env={**aws.environment, "PATH": path, "TILEPOOL_DIR": str(reader / "state")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_every_command_of_the_page_does_what_it_says(aws: MiniStack, reader: Path) -> None:
    outputs: dict[str, str] = {}
    for command in COMMANDS:
        outputs[command] = run(aws, reader, command)
        if found := DEPLOYS.match(command):
            aws.deployed(found["stack"])
    (submitted,) = [outputs[command] for command in COMMANDS if "tilepool submit" in command]
    assert "7 of 7" in submitted
    (verified,) = [outputs[command] for command in COMMANDS if "tilepool verify" in command]
    assert "All is there and right" in verified
    stacks = aws.client("cloudformation").describe_stacks()["Stacks"]
    left = {stack["StackName"] for stack in stacks}
    assert "orchard-delivery" in left
    assert not left & {"orchard", "orchard-2"}
