"""The dispatcher's bundle: the same bytes each time, whole, and as Lambda wants it."""

import io
import platform
import re
import subprocess
import sys
import tomllib
import zipfile
from email import message_from_bytes
from functools import cache
from importlib.resources import files
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from console.aws import dependencies
from console.aws.bundle import build_bundle, pack
from console.aws.dependencies import install_dependencies
from console.errors import ConsoleError

ROOT = Path(__file__).parents[3]
PINNED = re.compile(r"^([a-z0-9-]+)==(\S+) \\$", re.MULTILINE)
LAMBDA = {
    "python_version": "3.13",
    "python_full_version": "3.13.0",
    "platform_system": "Linux",
    "sys_platform": "linux",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
    "extra": "",
}
HANDLER = """
import sys
sys.path.insert(0, sys.argv[1])
import dispatcher.handler
assert callable(dispatcher.handler.lambda_handler)
for name, module in sys.modules.items():
    print(name, getattr(module, "__file__", None))
"""


@cache
def built(architecture: str) -> bytes:
    """Return a bundle that is built once: it takes seconds."""
    return build_bundle(architecture)


@pytest.fixture(scope="module")
def bundle() -> bytes:
    return built("x86_64")


@pytest.fixture(scope="module")
def entries(bundle: bytes) -> list[zipfile.ZipInfo]:
    return zipfile.ZipFile(io.BytesIO(bundle)).infolist()


def pinned() -> dict[str, str]:
    return dict(PINNED.findall((files("cfn") / "dispatcher.lock").read_text("utf-8")))


def test_two_builds_are_the_same_bytes(bundle: bytes) -> None:
    assert build_bundle("x86_64") == bundle


def test_entries_are_sorted_and_tell_nothing_of_their_making(
    entries: list[zipfile.ZipInfo],
) -> None:
    names = [entry.filename for entry in entries]
    assert names == sorted(set(names))
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {entry.external_attr >> 16 for entry in entries} == {0o100644}
    assert {entry.compress_type for entry in entries} == {zipfile.ZIP_STORED}
    assert not [
        name
        for name in names
        if re.search(r"\.pyc$|(^|/)(__pycache__|bin|RECORD|INSTALLER|REQUESTED)(/|$)", name)
    ]


def test_a_bundle_does_not_depend_on_the_order_of_its_entries() -> None:
    assert pack({"b": b"2", "a": b"1"}) == pack({"a": b"1", "b": b"2"})


def test_the_code_is_there_and_nothing_else_of_ours(entries: list[zipfile.ZipInfo]) -> None:
    names = {entry.filename for entry in entries}
    for package in ("dispatcher", "pipeline"):
        modules = {f"{package}/{file.name}" for file in (ROOT / package).glob("*.py")}
        assert modules == {name for name in names if name.startswith(f"{package}/")}
    assert not [name for name in names if name.startswith(("worker/", "console/", "cfn/"))]


@pytest.mark.parametrize(("architecture", "machine"), [("x86_64", 62), ("arm64", 183)])
def test_compiled_code_is_for_the_architecture(architecture: str, machine: int) -> None:
    archive = zipfile.ZipFile(io.BytesIO(built(architecture)))
    compiled = [name for name in archive.namelist() if name.endswith(".so")]
    assert compiled
    for name in compiled:
        header = archive.read(name)[:20]
        assert header[:4] == b"\x7fELF"
        assert int.from_bytes(header[18:20], "little") == machine, name


def test_the_lock_has_what_pyproject_demands() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for text in project["dependencies"]:
        demanded = Requirement(text)
        assert demanded.specifier.contains(pinned()[canonicalize_name(demanded.name)]), text


def test_the_lock_has_what_its_packages_demand(bundle: bytes) -> None:
    locked, found = pinned(), set()
    archive = zipfile.ZipFile(io.BytesIO(bundle))
    for name in archive.namelist():
        if not name.endswith(".dist-info/METADATA"):
            continue
        metadata = message_from_bytes(archive.read(name))
        found.add(canonicalize_name(str(metadata["Name"])))
        for text in metadata.get_all("Requires-Dist", []):
            demanded = Requirement(text)
            if demanded.marker is None or demanded.marker.evaluate(LAMBDA):
                version = locked[canonicalize_name(demanded.name)]
                assert demanded.specifier.contains(version), f"{name}: {text}"
    assert found == set(locked)


@pytest.mark.skipif(sys.platform != "linux", reason="Lambda's wheels are for Linux")
def test_the_handler_runs_from_the_bundle_alone(tmp_path: Path) -> None:
    architecture = {"x86_64": "x86_64", "aarch64": "arm64"}[platform.machine()]
    zipfile.ZipFile(io.BytesIO(built(architecture))).extractall(tmp_path)
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", HANDLER, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    modules = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    for name in ("boto3", "botocore", "structlog", "obstore", "natsort", "pipeline"):
        if name in modules:
            assert modules[name].startswith(str(tmp_path)), name
    assert {"boto3", "structlog", "pipeline.dynamo_ledger"} <= modules.keys()


def test_a_python_without_pip_is_told_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dependencies, "find_spec", lambda _name: None)
    with pytest.raises(ConsoleError, match=r"does not have: `\S+ -m ensurepip` brings it$"):
        install_dependencies(tmp_path, "x86_64")


def test_pips_failure_is_one_line_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = {
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(tmp_path),
    }
    for name, value in nowhere.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConsoleError) as error:
        install_dependencies(tmp_path / "target", "x86_64")
    told = str(error.value)
    assert "No matching distribution found for boto3==" in told
    assert "pip must reach an index" in told
    assert "\n" not in told
