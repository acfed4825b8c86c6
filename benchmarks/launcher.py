"""Run a command and note what it took, with its descendants: `launcher.py REPORT COMMAND …`.

A process of its own, small, that does nothing else: so what the kernel adds up for it, of the
children that were waited for, is theirs alone. Linux: getrusage(2), proc(5).
"""

import ctypes
import json
import os
import resource
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
LOOK_SECONDS = 0.1


def main() -> None:
    """Run the command, wait for it and for what it leaves behind, and write the report."""
    report, *command = sys.argv[1:]
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    over = threading.Event()
    looks: list[tuple[float, float]] = []
    watch = threading.Thread(target=_watch, args=[looks, over])
    started = time.time()
    process = subprocess.Popen(command)
    watch.start()
    status = process.wait()
    ended = time.time()
    with suppress(ChildProcessError):
        while True:
            os.wait()
    over.set()
    watch.join()
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    written = dict(
        line.split(": ") for line in Path("/proc/self/io").read_text("ascii").splitlines()
    )
    content = {
        "status": status,
        "started": started,
        "ended": ended,
        "cpu_seconds": children.ru_utime + children.ru_stime,
        "peak_bytes": 1024 * children.ru_maxrss,
        "disk_bytes": int(written["write_bytes"]),
        "looks": looks,
    }
    Path(report).write_text(json.dumps(content), "ascii")


def _watch(looks: list[tuple[float, float]], over: threading.Event) -> None:
    """Note again and again how many CPU seconds the descendants have had."""
    me = os.getpid()
    while not over.wait(LOOK_SECONDS):
        ticks = sum(_ticks(me)[2:]) + sum(sum(_ticks(pid)) for pid in _descendants(me))
        looks.append((time.time(), ticks / TICKS_PER_SECOND))


def _ticks(pid: int) -> list[int]:
    """Return a process's CPU ticks: user, system, and those of children that it waited for."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return [0]
    return [int(field) for field in stat.rpartition(")")[2].split()[11:15]]


def _descendants(pid: int) -> list[int]:
    found = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                for child in (task / "children").read_text("ascii").split():
                    found += [int(child), *_descendants(int(child))]
    return found


if __name__ == "__main__":
    main()
