"""What the Dockerfile makes runs as Batch runs it, and tiles as every other machine does."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from tests.image.conftest import BASE, GIVEN, ROOT
from tests.image.container import Container
from tests.image.image import Image

MOST_BYTES = 400_000_000
BASE_BYTES = 130_000_000
"""python:3.13-slim-trixie, unpacked, and some more: it cannot be had here to be measured."""
USER = 10001
COMPILERS = ("as", "c++", "cc", "g++", "gcc", "ld", "make")
IMPORTS = "import boto3, manifest_builder.build, worker.loop, worker.page"
DECODERS = """
from tifffile import COMPRESSION, TIFF
for compression in COMPRESSION:
    if compression in TIFF.DECOMPRESSORS:
        print(compression.name, TIFF.DECOMPRESSORS[compression].__name__)
"""
WITHOUT_A_DECODER = {"JETRAW"}
"""Its library is not free: imagecodecs has no more than a stub anywhere."""


def files_of(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Yield what lies in a folder, by its path there."""
    for file in folder.rglob("*"):
        yield str(file.relative_to(folder)), file.lstat()


def test_it_is_what_a_job_definition_expects(image: Image) -> None:
    assert image.user == (USER, USER)
    assert image.volumes == ("/scratch",)
    assert image.directory == image.environment["TMPDIR"] == "/scratch"
    assert (*image.entrypoint, *image.command) == ("python", "-m", "worker")


def test_its_labels_say_what_it_is_made_from(image: Image) -> None:
    labels = {
        name.removeprefix("org.opencontainers.image."): text for name, text in image.labels.items()
    }
    assert (
        labels.items()
        >= {
            "title": "tilepool",
            "licenses": "MIT",
            "version": GIVEN["VERSION"],
            "revision": GIVEN["REVISION"],
            "source": GIVEN["SOURCE"],
            "base.name": "python:3.13-slim-trixie",
        }.items()
    )
    assert all(labels.values())


def test_it_is_below_400_mb(image: Image) -> None:
    own = sum(facts.st_size for _, facts in files_of(image.own) if stat.S_ISREG(facts.st_mode))
    print(f"{own / 1e6:.0f} MB above the base image")  # noqa: T201  # it is asked for
    assert own + BASE_BYTES < MOST_BYTES


def test_it_holds_nothing_that_is_not_run(image: Image) -> None:
    paths = [path for path, _ in files_of(image.own)]
    places = {path.split("/")[0] for path in paths}
    assert places <= {"etc", "opt", "scratch", "usr", "var"}
    assert [path for path in paths if path.endswith((".whl", ".a", ".pyi"))] == []
    assert [path for path in paths if "/site-packages/pip/" in path or "/.cache" in path] == []
    assert [path for path in paths if "/tests/" in path] == []
    assert [path for path in paths if path.startswith("opt/tilepool/bin/pip")] == []


def test_nobody_becomes_another_user_in_it(container: Container) -> None:
    found = container.run(["find", "/", "-xdev", "-type", "f", "-perm", "/6000"])
    assert [line for line in found.stdout.splitlines() if "Permission denied" not in line] == []


def test_there_is_no_compiler(container: Container) -> None:
    for name in COMPILERS:
        assert container.run(["sh", "-c", f"command -v {name}"]).stdout == ""


def test_it_has_the_python_that_it_names(container: Container) -> None:
    named = BASE.search((ROOT / "Dockerfile").read_text("utf-8"))
    assert named is not None
    assert container.run(["python", "--version"]).stdout.startswith(f"Python {named['python']}.")


def test_nothing_can_be_written_but_scratch(container: Container) -> None:
    written = container.run(
        ["sh", "-c", "for at in / /tmp /opt/tilepool /etc; do touch $at/x; done"]
    )
    assert written.stdout.count("Read-only file system") == 4
    assert container.run(["touch", "/scratch/x"]).returncode == 0
    assert container.run(["sh", "-c", "mktemp; id -u"]).stdout.startswith("/scratch/")


def test_what_the_jobs_import_is_compiled(container: Container) -> None:
    told = container.run(["python", "-v", "-c", IMPORTS])
    assert told.returncode == 0, told.stdout
    loaded = [line for line in told.stdout.splitlines() if line.startswith("# code object from ")]
    assert [line for line in loaded if not line.rstrip("'").endswith(".pyc")] == []
    assert len(loaded) > 500


def test_every_compression_of_tiff_is_still_read(container: Container) -> None:
    told = container.run(["python", "-c", DECODERS])
    decoders = dict(line.split() for line in told.stdout.splitlines())
    stubs = {compression for compression, name in decoders.items() if name.startswith("stub")}
    assert {"LZW", "ZSTD", "WEBP", "JPEGXL"} <= decoders.keys() - stubs
    assert stubs <= WITHOUT_A_DECODER
