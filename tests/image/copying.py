"""What COPY takes, and how: a folder's content, never the folder itself."""

import shutil
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from shlex import quote


def copy_context(root: Path, context: Path) -> None:
    """Copy what .dockerignore lets Docker see."""
    from docker.utils import exclude_paths  # noqa: PLC0415  # only `tox -e image` has it

    patterns = (root / ".dockerignore").read_text("utf-8").splitlines()
    for name in sorted(exclude_paths(str(root), patterns)):
        source, target = root / name, context / name
        if source.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


def copying_script(sources: Sequence[str], target: str, directory: str) -> str:
    """Return a script that copies paths to a target, as root's."""
    place = str(PurePosixPath(directory, target))
    if target.endswith("/") or len(sources) > 1:
        place += "/"
    folder = place if place.endswith("/") else str(PurePosixPath(place).parent)
    copy = "cp -R --no-dereference --preserve=mode,timestamps,links"
    lines = ["set -eu"]
    for source in sources:
        lines += [
            f"if [ -d {quote(source)} ]",
            f"then mkdir -p {quote(place)} && {copy} {quote(f'{source}/.')} {quote(place)}",
            f"else mkdir -p {quote(folder)} && {copy} {quote(source)} {quote(place)}",
            "fi",
        ]
    return "\n".join(lines)
