"""The direction of imports, and who may do what, read from the source."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STAGES = {"dispatcher", "worker", "manifest_builder"}
PACKAGES = {"pipeline", "console", *STAGES}
MODULES = sorted(
    file.relative_to(ROOT).as_posix()
    for package in PACKAGES
    for file in (ROOT / package).rglob("*.py")
)
ENTRY_POINTS = ("handler.py", "__main__.py", "worker/nursery.py")

ONLY_IMPORTERS = {
    "pyvips": {
        "worker/colour.py",
        "worker/opening.py",
        "worker/pixels.py",
        "worker/tiling.py",
        "console/sample.py",
    },
    "PIL": {
        "worker/decoding.py",
        "worker/pdf.py",
        "worker/tiling.py",
        "console/verify/decode.py",
        "console/verify/place.py",
        "console/verify/sample.py",
    },
    "pi_heif": {"worker/decoding.py"},
    "pypdfium2": {"worker/pdf.py"},
    "imagecodecs": {"worker/decoding.py", "worker/encoding.py"},
    "tifffile": {"worker/tiff.py", "worker/tiff_decoding.py"},
    "iiif_prezi3": {
        "manifest_builder/build.py",
        "manifest_builder/canvas.py",
        "manifest_builder/collection.py",
        "manifest_builder/collection_files.py",
        "manifest_builder/document.py",
        "manifest_builder/earlier.py",
        "manifest_builder/manifest.py",
    },
    "nh3": {"manifest_builder/markup.py"},
    "pandas": {"manifest_builder/table.py"},
    "obstore": {"pipeline/storage.py"},
    "pebble": {"worker/processes.py"},
}
PIPELINE_MAY_IMPORT = {"pipeline", "botocore", "structlog", *sys.stdlib_module_names}
IMPURE = {
    "asyncio",
    "boto3",
    "botocore",
    "datetime",
    "logging",
    "multiprocessing",
    "obstore",
    "os",
    "pathlib",
    "random",
    "socket",
    "structlog",
    "subprocess",
    "tempfile",
    "threading",
    "time",
    "uuid",
}
VALUES_OF_DYNAMODB = "boto3.dynamodb.types"
"""Conversions of values, without a client."""

each_module = pytest.mark.parametrize("module", MODULES)


def parsed(module: str) -> ast.Module:
    return ast.parse((ROOT / module).read_text(encoding="utf-8"), module)


def running(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes that run, leaving out what only type checkers see."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        yield child
        yield from running(child)


def imports(module: str) -> set[str]:
    """Return the dotted names of the modules that a module imports."""
    names: set[str] = set()
    for node in running(parsed(module)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            names.add(str(node.module))
    return names


def top_level(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


def test_all_packages_are_looked_at() -> None:
    assert {module.partition("/")[0] for module in MODULES} == PACKAGES


@each_module
def test_a_stage_imports_the_pipeline_and_no_other_stage(module: str) -> None:
    package = module.partition("/")[0]
    if package in STAGES:
        assert top_level(imports(module)) & PACKAGES <= {package, "pipeline"}


@each_module
def test_the_pipeline_imports_little(module: str) -> None:
    if module.startswith("pipeline/"):
        names = imports(module) - {VALUES_OF_DYNAMODB}
        allowed = PIPELINE_MAY_IMPORT | ({"obstore"} if module == "pipeline/storage.py" else set())
        assert top_level(names) <= allowed


@each_module
def test_a_large_library_has_few_importers(module: str) -> None:
    for library in top_level(imports(module)) & ONLY_IMPORTERS.keys():
        assert module in ONLY_IMPORTERS[library]


@each_module
def test_only_entry_points_read_the_environment(module: str) -> None:
    if module.startswith("console/") or module.endswith(ENTRY_POINTS):
        return
    for node in running(parsed(module)):
        if isinstance(node, ast.Attribute):
            assert node.attr not in {"environ", "environb", "getenv"}
        if isinstance(node, ast.ImportFrom) and node.module == "os":
            assert not {alias.name for alias in node.names} & {"environ", "environb", "getenv"}


@each_module
def test_only_entry_points_build_clients(module: str) -> None:
    if not (module.startswith("console/") or module.endswith(ENTRY_POINTS)):
        assert "boto3" not in imports(module)


@each_module
def test_a_module_that_calls_itself_pure_is(module: str) -> None:
    docstring = ast.get_docstring(parsed(module)) or ""
    if ("Pure." in docstring or "Pure " in docstring) and not module.startswith("console/"):
        assert not top_level(imports(module) - {VALUES_OF_DYNAMODB}) & IMPURE


@each_module
def test_every_module_opens_with_what_it_is_for(module: str) -> None:
    assert ast.get_docstring(parsed(module))


@each_module
def test_only_the_console_prints(module: str) -> None:
    if not module.startswith("console/"):
        for node in running(parsed(module)):
            assert not (isinstance(node, ast.Name) and node.id == "print")
