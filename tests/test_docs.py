"""What README and docs say holds: commands are run, links lead somewhere, examples are good."""

import os
import re
import shlex
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import pytest

from console.__main__ import VERBS
from manifest_builder.columns import COLUMN_NAMES
from manifest_builder.row_reader import describe
from manifest_builder.table import read_catalogue
from pipeline.csv_file import IDENTIFIER
from pipeline.defaults import DEFAULTS
from pipeline.task import _ENVIRONMENT, _KNOWN, _OPTIONS, _THUMBNAIL_WIDTHS, parse_task
from tests.kinds.table import SUPPORTED

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMAND = re.compile(r"^\$ (?P<command>.+?)(?:  # exit code (?P<code>\d))?$", re.MULTILINE)
LINK = re.compile(r"\]\((?P<target>[^)#]+)\)")
TOOL = [sys.executable, "-m", "console"]


def commands() -> Iterator[tuple[str, int]]:
    """Yield the commands of all pages and their exit codes, in the order a reader meets them.

    Those of docs/deploy.md want an AWS: tests/stack runs them.
    """
    for page in PAGES:
        if page.name == "deploy.md":
            continue
        for found in COMMAND.finditer(page.read_text("utf-8")):
            yield found["command"], int(found["code"] or 0)


@dataclass(frozen=True)
class Workplace:
    """A reader's folder, and the environment in which `tilepool` is a command."""

    folder: Path
    environment: Mapping[str, str]

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    """A folder in which the demo has been run; no cloud is left running in it."""
    folder, state = tmp_path_factory.mktemp("reader"), tmp_path_factory.mktemp("state")
    tool = tmp_path_factory.mktemp("bin") / "tilepool"
    tool.write_text(f'#!/bin/sh\nexec {shlex.join(TOOL)} "$@"\n')
    tool.chmod(0o755)
    path = f"{tool.parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "TILEPOOL_DIR": str(state)}
    environment.pop("TILEPOOL_STACK", None)
    place = Workplace(folder, environment)
    demo = place.run("tilepool demo")
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "7 of 7" in demo.stdout
    yield place
    place.run("tilepool cloud down")


def test_the_two_commands_of_the_readme_are_those_that_ci_runs() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    found = re.findall(r"^python3 -m venv .*$", readme, re.MULTILINE)
    assert found == [
        "python3 -m venv .venv && .venv/bin/pip install '.[local]' && .venv/bin/tilepool demo",
        "python3 -m venv .venv && .venv/bin/pip install tox && .venv/bin/tox",
    ]
    assert "grep '^python3 -m venv' README.md" in (ROOT / ".ci/run").read_text("utf-8")


def test_every_command_does_what_it_should(workplace: Workplace) -> None:
    outputs: dict[str, list[str]] = defaultdict(list)
    for command, code in commands():
        name, *arguments = shlex.split(command)
        assert name in {"tilepool", "cp", "head"}, command
        if arguments[0] == "serve":
            serve(workplace, command)
            continue
        done = workplace.run(command)
        assert done.returncode == code, f"{command}\n{done.stdout}{done.stderr}"
        outputs[command].append(done.stdout)
    # The walkthrough: what has failed is named, then repaired and replayed, and nothing is left.
    failures = outputs["tilepool failed last"]
    assert "Field_Notebook_1911, page 3" in failures[0]
    assert failures[-1] == ""
    assert "7 of 7" in outputs["tilepool replay last"][-1]
    assert "0 dead letters" in outputs["tilepool dlq"][-1]
    assert ": done\n" in outputs["tilepool status last"][-1]
    assert (
        "with gaps  Field_Notebook_1911" in outputs["tilepool finalize last --with-gaps --wait"][0]
    )


def serve(workplace: Workplace, command: str) -> None:
    """Start the server, ask for what it says it has, and stop it."""
    arguments = shlex.split(command)[1:]
    with subprocess.Popen(
        [*TOOL, *arguments], cwd=workplace.folder, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        assert "Serving export at http://127.0.0.1:8123" in server.stdout.readline()
        url = server.stdout.readline().strip()
        with urlopen(url) as answer:  # noqa: S310  # it is our own server's
            assert answer.status == 200
        server.terminate()


def test_every_verb_and_its_options_are_documented() -> None:
    pages = (ROOT / "docs/operations.md", ROOT / "docs/deploy.md")
    page = "".join(page.read_text("utf-8") for page in pages)
    for verb in VERBS:
        assert f"tilepool {verb.name}" in page, verb.name
        for parameter in verb.params:
            for option in parameter.opts:
                if option.startswith("--"):
                    assert f"`{option}" in page, option


def test_the_table_of_what_is_read_is_that_of_the_tests() -> None:
    section = (ROOT / "README.md").read_text("utf-8").partition("## What is read\n")[2]
    rows = dict(re.findall(r"^\| (.+?) \| (.+) \|$", section.partition("\n## ")[0], re.MULTILINE))
    assert rows.pop("kind") == "forms"
    assert rows == {kind: ", ".join(forms) for kind, forms in SUPPORTED.items()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for found in LINK.finditer(page.read_text("utf-8")):
        target = found["target"]
        assert target.startswith("https://") or (page.parent / target).exists(), target


def test_the_example_is_a_good_task_with_a_good_csv() -> None:
    task = parse_task((ROOT / "examples/task.json").read_bytes())
    assert task.workers == 8
    catalogue = read_catalogue((ROOT / "examples" / task.csv_name).read_bytes())
    assert list(catalogue.rows) == ["Letter_001", "Letter_002"]
    assert catalogue.problems == ()
    for count, row in ((2, "Letter_001"), (1, "Letter_002")):
        assert describe(catalogue.rows[row], count)[1] == ()


def test_every_column_of_the_csv_is_documented() -> None:
    page = (ROOT / "docs/task-file.md").read_text("utf-8")
    for name in (IDENTIFIER, *COLUMN_NAMES):
        assert f"`{name}`" in page, name


def test_every_field_and_option_of_a_task_is_documented() -> None:
    page = (ROOT / "docs/task-file.md").read_text("utf-8")
    for name in (*_ENVIRONMENT, *_OPTIONS, _THUMBNAIL_WIDTHS, *_KNOWN, *DEFAULTS):
        assert f"`{name}`" in page, name
