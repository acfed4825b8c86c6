"""The dispatcher's dependencies, as Lambda's Python wants them, by pip and a lock with hashes."""

import os
import subprocess
import sys
from importlib.resources import as_file, files
from importlib.util import find_spec
from pathlib import Path

from console.errors import ConsoleError

PYTHON = "3.13"
MACHINES = {"x86_64": "x86_64", "arm64": "aarch64"}
"""Lambda's names of architectures, and those of wheels."""
GLIBC_MINORS = range(17, 35)
"""Lambda runs on Amazon Linux 2023, with glibc 2.34; pip wants each older tag named as well."""
ABIS = ("cp313", "abi3", "none")


def install_dependencies(folder: Path, architecture: str) -> None:
    """Install what the lock names into a folder; raises ConsoleError with pip's own reason."""
    if find_spec("pip") is None:
        raise ConsoleError(
            "the dispatcher's bundle is built by pip, which this Python does not have:"
            f" `{sys.executable} -m ensurepip` brings it"
        )
    with as_file(files("cfn") / "dispatcher.lock") as lock:
        command = [sys.executable, "-m", "pip", *arguments(folder, lock, architecture)]
        # What users set for their own installations must not move this one.
        environment = os.environ | {"PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        done = subprocess.run(  # noqa: S603  # its arguments are our own
            command, env=environment, capture_output=True, text=True, check=False
        )
    if done.returncode != 0:
        raise ConsoleError(
            f"the dispatcher's dependencies cannot be installed: {_reason(done.stderr)};"
            " pip must reach an index (PIP_INDEX_URL) that has what cfn/dispatcher.lock names"
        )


def arguments(folder: Path, lock: Path, architecture: str) -> list[str]:
    """Return pip's arguments: wheels of the lock alone, for Lambda's machine, not for this one."""
    machine = MACHINES[architecture]
    tags = [f"manylinux_2_{minor}_{machine}" for minor in reversed(GLIBC_MINORS)]
    platforms = [f"--platform={tag}" for tag in (*tags, f"manylinux2014_{machine}")]
    return [
        *("install", "--quiet", "--no-input", "--no-compile", "--no-deps", "--require-hashes"),
        *("--only-binary=:all:", "--implementation=cp", f"--python-version={PYTHON}"),
        *(f"--abi={abi}" for abi in ABIS),
        *platforms,
        *(f"--target={folder}", f"--requirement={lock}"),
    ]


def _reason(output: str) -> str:
    """Return the last line of pip's errors, or of all it said."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return (errors or lines or ["pip said nothing"])[-1]
