"""The dispatcher's bundle: a zip of its code and dependencies, the same bytes from the same inputs.

Entries are stored, not compressed: how a compressor packs differs between versions of zlib.
"""

import io
import tempfile
import zipfile
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from console.aws.dependencies import install_dependencies

PACKAGES = ("dispatcher", "pipeline")
EPOCH = (1980, 1, 1, 0, 0, 0)
READABLE_FILE = 0o100644 << 16
UNIX = 3
LEFT_OUT = frozenset({"__pycache__", "bin", "INSTALLER", "RECORD", "REQUESTED", "direct_url.json"})
"""What tells of the machine that installed, or is of no use in Lambda."""


def build_bundle(architecture: str) -> bytes:
    """Return the bundle for `x86_64` or `arm64`; takes some seconds."""
    with tempfile.TemporaryDirectory(prefix="tilepool-bundle-") as folder:
        install_dependencies(Path(folder), architecture)
        entries = dict(_entries(Path(folder)))
        for package in PACKAGES:
            entries.update(_entries(files(package), f"{package}/"))
        return pack(entries)


def pack(entries: dict[str, bytes]) -> bytes:
    """Return a zip of files by name."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(entries):
            info = zipfile.ZipInfo(name, EPOCH)
            info.external_attr = READABLE_FILE
            info.create_system = UNIX
            archive.writestr(info, entries[name])
    return packed.getvalue()


def _entries(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, bytes]]:
    for child in folder.iterdir():
        if child.name in LEFT_OUT or child.name.endswith(".pyc"):
            continue
        if child.is_dir():
            yield from _entries(child, f"{prefix}{child.name}/")
        else:
            yield f"{prefix}{child.name}", child.read_bytes()
