"""The viewers' own packages from npm, at the versions that package.json pins.

`npm pack` and not `npm install`: what browsers load is bundled in each package, and their hundreds
of dependencies are for building them.
"""

import json
import subprocess
import tarfile
from pathlib import Path, PurePosixPath

PINNED = Path(__file__).with_name("package.json")


def fetch_viewers(npm: str, folder: Path) -> None:
    """Unpack each viewer that is not there yet at its version, as `<folder>/<name>`."""
    folder.mkdir(parents=True, exist_ok=True)
    pinned: dict[str, str] = json.loads(PINNED.read_bytes())["dependencies"]
    for name, version in pinned.items():
        unpacked = folder / name
        if not (unpacked / "package.json").is_file() or _version(unpacked) != _bare(version):
            _fetch(npm, f"{name}@{version}", unpacked)


def _fetch(npm: str, wanted: str, target: Path) -> None:
    done = subprocess.run(
        [npm, "pack", "--json", "--pack-destination", target.parent, wanted],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"npm pack {wanted}: {done.stderr}"
    archive = target.parent / json.loads(done.stdout)[0]["filename"]
    with tarfile.open(archive) as files:
        for member in files:
            place = PurePosixPath(member.name)
            if member.isfile() and place.parts[0] == "package" and ".." not in place.parts:
                file = target.joinpath(*place.parts[1:])
                file.parent.mkdir(parents=True, exist_ok=True)
                content = files.extractfile(member)
                assert content is not None
                file.write_bytes(content.read())
    archive.unlink()


def _version(unpacked: Path) -> str:
    version: str = json.loads((unpacked / "package.json").read_bytes())["version"]
    return version


def _bare(version: str) -> str:
    """Return the version of `1.2.3` or of `npm:name@1.2.3`."""
    return version.rpartition("@")[2]
