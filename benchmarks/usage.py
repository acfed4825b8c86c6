"""What a command costs, with all its descendants; and what servers beside it cost."""

import json
import os
import subprocess
import sys
import tempfile
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import launcher

LAUNCHER = Path(launcher.__file__)
TAIL_BYTES = 4_000


@dataclass(frozen=True, slots=True)
class Usage:
    """What a command and its descendants took.

    `peak_bytes` is the resident set of the largest process, `disk_bytes` what was written to file
    systems that lie on a disk: a RAM disk's bytes are not in it. `looks` are times, in seconds
    since the epoch, with the CPU seconds had by then. `output` is what it wrote to standard error.
    """

    started: float
    ended: float
    cpu_seconds: float
    peak_bytes: int
    disk_bytes: int
    looks: tuple[tuple[float, float], ...] = ()
    output: str = ""

    @property
    def wall_seconds(self) -> float:
        return self.ended - self.started

    def cpu_between(self, start: float, end: float) -> float:
        """Return the CPU seconds that were had between two times."""
        return interpolated(self.looks, end) - interpolated(self.looks, start)


def interpolated(looks: Sequence[tuple[float, float]], at: float) -> float:
    """Return a value between those that were seen at times before and after."""
    after = bisect_left(looks, (at,))
    if after == 0:
        return looks[0][1]
    if after == len(looks):
        return looks[-1][1]
    (t0, value0), (t1, value1) = looks[after - 1 : after + 1]
    return value0 + (value1 - value0) * (at - t0) / (t1 - t0)


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Usage:
    """Run a command to its end; raises RuntimeError where that is not 0."""
    with tempfile.TemporaryDirectory() as folder:
        report, errors = Path(folder, "report"), Path(folder, "errors")
        with errors.open("wb") as stream:
            subprocess.run(
                [sys.executable, "-I", "-S", str(LAUNCHER), str(report), *command],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stream,
                check=True,
            )
        content = json.loads(report.read_bytes())
        output = errors.read_text("utf-8", "replace")
    status = content.pop("status")
    if status:
        raise RuntimeError(f"{' '.join(command)}: exit code {status}\n{output[-TAIL_BYTES:]}")
    looks = tuple((at, cpu) for at, cpu in content.pop("looks"))
    return Usage(**content, looks=looks, output=output)


def cpu_of(pid: int) -> float:
    """Return the CPU seconds that a running process has had."""
    stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    user, system = stat.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
