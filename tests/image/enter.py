"""Become a command in a container's root: unshare --mount … python enter.py CONTAINER.

Mounts belong to this process's namespace and go with it: nothing is left behind that a removal
could follow. It imports nothing of ours, for it is run as a script.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def mount(*arguments: str) -> None:
    """Mount something, or end with what mount says."""
    subprocess.run(["/bin/mount", *arguments], check=True)


def mount_layers(layers: Sequence[str], target: str, upper: str | None, work: str | None) -> None:
    """Lay folders over each other, the first on top; nothing can be written without an upper."""
    options = f"lowerdir={':'.join(layers)}"
    if upper is not None:
        options += f",upperdir={upper},workdir={work}"
    mount("-t", "overlay", "-o", options, "overlay", target)


def prepare(container: Mapping[str, Any]) -> None:
    """Mount the root and what else the container sees."""
    root = container["root"]
    mount_layers(container["layers"], root, container["upper"], container["work"])
    mount("-t", "proc", "proc", f"{root}/proc")
    mount("--rbind", "/dev", f"{root}/dev")
    for target, layers in container["images"].items():
        mount_layers(layers, root + target, None, None)
    for target, (source, writable) in container["binds"].items():
        mount("--bind", source, root + target)
        if not writable:
            mount("-o", "remount,bind,ro", root + target)


def become(container: Mapping[str, Any]) -> None:
    """Leave this machine's files and rights behind, and run the container's command."""
    os.chroot(container["root"])
    os.chdir(container["directory"])
    user, group = container["user"]
    os.setgroups([])
    os.setgid(group)
    os.setuid(user)
    os.umask(0o022)
    os.execvpe(container["command"][0], container["command"], container["environment"])  # noqa: S606


if __name__ == "__main__":
    described = json.loads(Path(sys.argv[1]).read_bytes()) if len(sys.argv) > 1 else {}
    prepare(described)
    become(described)
