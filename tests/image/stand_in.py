"""What stands in for python:3.13-slim: Debian of the same release, with its own Python.

The official image has the same Debian below, and a Python of its own in /usr/local. As in that
image, the standard library is not compiled beforehand.
"""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from zlib import crc32

from tests.image.container import UNSHARE

PACKAGES = (
    "python3",
    "python3-venv",
    # `python`, as the official image calls it.
    "python-is-python3",
    # These the official image has as well.
    "ca-certificates",
    "netbase",
    "tzdata",
)


def make_stand_in(folder: Path, suite: str, mirror: str, say: Callable[[str], None]) -> Path:
    """Return the root folder of a suite, made in `folder` unless it is there from before."""
    root = folder / f"debian-{suite}-{crc32(' '.join(PACKAGES).encode()):08x}"
    if root.exists():
        return root
    unfinished = root.with_suffix(".unfinished")
    if unfinished.exists():
        shutil.rmtree(unfinished)
    # It mounts within its root; those mounts, too, go with their namespace.
    bootstrap = ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}"]
    done = subprocess.run(
        [*UNSHARE, *bootstrap, suite, str(unfinished), mirror],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    say(done.stdout)
    if done.returncode != 0:
        raise RuntimeError(f"debootstrap: {done.returncode}\n{done.stdout[-2000:]}")
    for compiled in list((unfinished / "usr/lib").glob("python3*/**/__pycache__")):
        shutil.rmtree(compiled)
    return unfinished.rename(root)
