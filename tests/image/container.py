"""Containers made of folders: an overlay of layers, a command in it. Needs root.

What Docker would do, as far as the image asks for it: no isolation is promised.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ENTER = Path(__file__).with_name("enter.py")
ROOT_USER = (0, 0)
UNSHARE = ("unshare", "--mount", "--propagation=private", "--")
"""Before a command: what it mounts is seen by it alone, and goes with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    """A file or folder of this machine that a container sees."""

    source: Path
    writable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A root made of layers, the first on top, and how commands run in it.

    Without an `upper` that takes what is written, the root is read-only. `images` are the layers
    of others, mounted for reading.
    """

    layers: Sequence[Path] = ()
    upper: Path | None = None
    images: Mapping[str, Sequence[Path]] = field(default_factory=dict)
    binds: Mapping[str, Bind] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    user: tuple[int, int] = ROOT_USER
    directory: str = "/"

    def run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, whatever that is."""
        with tempfile.TemporaryDirectory(prefix="tilepool-container-") as folder:
            return subprocess.run(
                self.prepare(command, Path(folder)),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )

    def prepare(self, command: Sequence[str], folder: Path) -> list[str]:
        """Return what runs a command; the folder must be there until it has ended."""
        points, root, work = folder / "points", folder / "root", self._work()
        root.mkdir(parents=True)
        points.mkdir()
        self._make_points(points)
        described = {
            "root": str(root),
            "layers": [str(layer) for layer in (points, *self.layers)],
            "upper": None if self.upper is None else str(self.upper),
            "work": None if work is None else str(work),
            "images": {target: [*map(str, layers)] for target, layers in self.images.items()},
            "binds": {
                target: [str(bind.source), bind.writable] for target, bind in self.binds.items()
            },
            "environment": dict(self.environment),
            "user": self.user,
            "directory": self.directory,
            "command": list(command),
        }
        (folder / "container.json").write_text(json.dumps(described))
        entering = [sys.executable, "-I", str(ENTER), str(folder / "container.json")]
        return [*UNSHARE, *entering]

    def _work(self) -> Path | None:
        """Return the folder that an overlay wants beside its upper."""
        if self.upper is None:
            return None
        work = self.upper.with_name(f"{self.upper.name}.work")
        work.mkdir(exist_ok=True)
        return work

    def _make_points(self, points: Path) -> None:
        """Make a layer of what is mounted on, for a root need not have it."""
        for target in self.images:
            (points / target.lstrip("/")).mkdir(parents=True, exist_ok=True)
        for target, bind in self.binds.items():
            point = points / target.lstrip("/")
            point.parent.mkdir(parents=True, exist_ok=True)
            if bind.source.is_dir():
                point.mkdir(exist_ok=True)
            else:
                point.touch()


def why_not(folder: Path) -> str | None:
    """Return why containers cannot be made with layers in a folder; None where they can."""
    if os.geteuid() != 0:
        return "only root can make containers"
    if shutil.which("unshare") is None:
        return "unshare is not installed (Debian: apt-get install util-linux)"
    with tempfile.TemporaryDirectory(dir=folder) as place:
        below, upper, work, root = (
            Path(place, name) for name in ("below", "upper", "work", "root")
        )
        for made in (below, upper, work, root):
            made.mkdir()
        options = f"lowerdir={below},upperdir={upper},workdir={work}"
        done = subprocess.run(
            [*UNSHARE, "mount", "-t", "overlay", "-o", options, "overlay", str(root)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    return f"containers cannot be made here: {done.stdout}" if done.returncode else None
