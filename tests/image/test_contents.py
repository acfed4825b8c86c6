"""What goes into the image fits the project: its locks, and what is trimmed."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PINNED = re.compile(
    r"^(?P<name>[\w.-]+)==(?P<version>\S+)(?: ; .+)?(?: \\\n    --hash=sha256:[0-9a-f]{64})+$",
    re.MULTILINE,
)
ENTRY = re.compile(r"^[^\s#]", re.MULTILINE)
CLIENT = re.compile(r'\.client\(\s*"(?P<service>[a-z0-9-]+)"')
JOBS = ("worker", "manifest_builder", "pipeline")


def locked(lock: str) -> dict[str, str]:
    """Return the versions of a lock, all of which have hashes."""
    text = (ROOT / "image" / lock).read_text("utf-8")
    versions: dict[str, str] = {
        canonicalize_name(found["name"]): found["version"] for found in PINNED.finditer(text)
    }
    assert len(versions) == len(ENTRY.findall(text))
    return versions


def requirements(lock: str) -> Iterator[str]:
    """Yield what a lock must hold."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    if lock == "build.lock":
        yield from project["build-system"]["requires"]
        yield from (ROOT / "image/build.in").read_text("utf-8").splitlines()
    else:
        yield from project["project"]["dependencies"]
        for extra in ("worker", "manifests"):
            yield from project["project"]["optional-dependencies"][extra]


@pytest.mark.parametrize("lock", ["build.lock", "runtime.lock"])
def test_a_lock_holds_what_the_project_asks_for(lock: str) -> None:
    versions = locked(lock)
    for line in requirements(lock):
        if not line.startswith("#"):
            requirement = Requirement(line)
            version = versions.get(canonicalize_name(requirement.name))
            assert version is not None, f"{line}: not in {lock}; tox -e lock"
            assert requirement.specifier.contains(version), f"{line}: {version}; tox -e lock"


def test_libvips_comes_with_its_wheel_alone() -> None:
    assert "pyvips-binary" in locked("runtime.lock")
    assert "apt-get" not in (ROOT / "Dockerfile").read_text("utf-8")


def test_no_address_of_an_index_is_in_a_lock() -> None:
    for lock in ROOT.glob("image/*.lock"):
        assert "://" not in lock.read_text("utf-8")


def test_the_services_that_jobs_call_are_still_described() -> None:
    kept = set(re.findall(r"! -name ([a-z0-9-]+)", (ROOT / "image/trim.sh").read_text("utf-8")))
    called = {
        found["service"]
        for package in JOBS
        for module in (ROOT / package).rglob("*.py")
        for found in CLIENT.finditer(module.read_text("utf-8"))
    }
    assert {"batch", "dynamodb", "sqs"} <= called <= kept


def test_every_package_of_the_wheel_reaches_the_build() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    patterns = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert {f"!{package}" for package in packages} <= set(patterns)
