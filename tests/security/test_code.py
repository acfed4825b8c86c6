"""What the packages never do with what comes from outside: unpickle, evaluate, hand to a shell."""

import ast
from pathlib import Path

import pytest

from tests.test_architecture import MODULES, ROOT, imports, parsed, top_level

RISKY_MODULES = {"pickle", "marshal", "shelve", "dill", "yaml", "xml", "ctypes", "code", "runpy"}
RISKY_CALLS = {"eval", "exec", "compile", "system", "popen", "__import__"}
RISKY_ARGUMENTS = {"shell", "allow_pickle"}


@pytest.mark.parametrize("module", MODULES)
def test_nothing_is_unpickled_evaluated_or_handed_to_a_shell(module: str) -> None:
    assert not top_level(imports(module)) & RISKY_MODULES
    for node in ast.walk(parsed(module)):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func
            called = name if isinstance(name, str) else getattr(name, "id", "")
            is_pattern = isinstance(node.func, ast.Attribute) and called == "compile"
            assert is_pattern or called not in RISKY_CALLS, ast.unparse(node)
            assert not {keyword.arg for keyword in node.keywords} & RISKY_ARGUMENTS


def test_only_the_tiling_pool_has_processes_of_multiprocessing() -> None:
    """multiprocessing pickles: its pipes lead to own children alone."""
    users = {module for module in MODULES if "multiprocessing" in top_level(imports(module))}
    assert users <= {"worker/forking.py", "worker/confinement.py"}
    assert Path(ROOT / "worker/forking.py").exists()
