"""The image, built by its Dockerfile without Docker; skipped where that cannot be.

`tox -e image` names the folder, TILEPOOL_IMAGE: it keeps the stand-in for the base image between
runs, and the last image with a log of how it was built.
"""

import os
import re
import shutil
import stat
from pathlib import Path
from typing import TextIO

import pytest

from tests.image.build import Builder
from tests.image.container import Bind, Container, why_not
from tests.image.copying import copy_context
from tests.image.image import Image
from tests.image.instructions import read_instructions
from tests.image.machine import debian_mirror, outside
from tests.image.stand_in import make_stand_in

ROOT = Path(__file__).parents[2]
BASE = re.compile(
    r"^ARG PYTHON_IMAGE=python:(?P<python>\d+\.\d+)-slim-(?P<suite>\w+)$", re.MULTILINE
)
GIVEN = {"VERSION": "1.2.3", "REVISION": "0123abc", "SOURCE": "https://example.org/tilepool"}


@pytest.fixture(scope="session")
def workshop() -> Path:
    """The folder in which images are built."""
    folder = os.environ.get("TILEPOOL_IMAGE")
    if folder is None:
        pytest.skip("the image is tested by `tox -e image`")
    if shutil.which("debootstrap") is None:
        pytest.skip("debootstrap is not installed (Debian: apt-get install debootstrap)")
    workshop = Path(folder).resolve()
    workshop.mkdir(parents=True, exist_ok=True)
    reason = why_not(workshop)
    if reason is not None:
        pytest.skip(reason)
    return workshop


@pytest.fixture(scope="session")
def base(workshop: Path) -> Path:
    """What stands in for the image that the Dockerfile starts from."""
    named = BASE.search((ROOT / "Dockerfile").read_text("utf-8"))
    assert named is not None
    mirror = debian_mirror()
    if mirror is None:
        pytest.skip("apt knows no mirror of Debian here (apt-get update)")
    with (workshop / "debootstrap.log").open("a") as log:
        return make_stand_in(workshop, named["suite"], mirror, lambda text: _log(log, text))


@pytest.fixture(scope="session")
def image(workshop: Path, base: Path) -> Image:
    """The image, as the Dockerfile says."""
    folder = workshop / "build"
    if folder.exists():
        shutil.rmtree(folder)
    context = folder / "context"
    context.mkdir(parents=True)
    copy_context(ROOT, context)
    with (folder / "build.log").open("w") as log:
        builder = Builder(base, context, folder, outside(), GIVEN, lambda text: _log(log, text))
        return builder.build(read_instructions(ROOT / "Dockerfile"))


def _log(log: TextIO, text: str) -> None:
    print(text, file=log, flush=True)


@pytest.fixture
def scratch(tmp_path: Path, image: Image) -> Path:
    """A volume as Docker makes it: owned as the image's folder is."""
    (volume,) = image.volumes
    folder = tmp_path / "volume"
    folder.mkdir()
    theirs = (image.own / volume.lstrip("/")).stat()
    os.chown(folder, theirs.st_uid, theirs.st_gid)
    folder.chmod(stat.S_IMODE(theirs.st_mode))
    return folder


@pytest.fixture
def container(image: Image, scratch: Path) -> Container:
    """The image as Batch runs it: read-only, but for its volume."""
    return Container(
        layers=image.layers,
        binds={volume: Bind(source=scratch, writable=True) for volume in image.volumes},
        environment=image.environment,
        user=image.user,
        directory=image.directory,
    )
