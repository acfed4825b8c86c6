"""The scripts that a user would write instead. Pure: they name programs, and run none."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.task import Options

TILE_SIZE, QUALITY = Options().tile_size, Options().quality


def dzsave(source: str, target: str) -> str:
    """Return a shell's command, with as many threads as there are cores: the default."""
    options = f"--layout iiif3 --tile-size {TILE_SIZE} --suffix '.jpg[Q={QUALITY}]'"
    return f'vips dzsave "{source}" "{target}" {options}'


S5CMD = f"""\
work=$(mktemp -d)
s5cmd cp "s3://scans/$1" "$work/$1"
{dzsave("$work/$1", "$work/tiles")}
s5cmd cp "$work/tiles/" "s3://exports/$EXPORT/$1/"
rm -r "$work"
"""
AWS = f"""\
work=$(mktemp -d)
aws s3 cp --only-show-errors "s3://scans/$1" "$work/$1"
{dzsave("$work/$1", "$work/tiles")}
aws s3 sync --only-show-errors "$work/tiles" "s3://exports/$EXPORT/$1"
rm -r "$work"
"""
BARE_WHEEL = f"""\
import sys, pyvips
out, *files = sys.argv[1:]
for file in files:
    image = pyvips.Image.new_from_file(file, access="sequential")
    name = file.rpartition("/")[2]
    image.dzsave(
        f"{{out}}/{{name}}", layout="iiif3", tile_size={TILE_SIZE}, suffix=".jpg[Q={QUALITY}]"
    )
"""


def one_after_another(script: str, names: Sequence[str], folder: Path) -> list[str]:
    """Return the command that runs a script for each image in turn."""
    file = _write(script, folder)
    loop = 'script=$1; shift; for name; do sh -eu "$script" "$name"; done'
    return ["sh", "-euc", loop, "sh", str(file), *names]


def two_at_a_time(script: str, names: Sequence[str], folder: Path) -> list[str]:
    """Return the command that runs a script for two images at a time."""
    file, listed = _write(script, folder), folder / "names"
    listed.write_text("".join(f"{name}\n" for name in names), "utf-8")
    return ["xargs", "-d", "\\n", "-a", str(listed), "-P", "2", "-n", "1", "sh", "-eu", str(file)]


def _write(script: str, folder: Path) -> Path:
    file = folder / "script.sh"
    file.write_text(script, "utf-8")
    return file
