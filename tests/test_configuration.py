"""The table of variables in docs/configuration.md says what the stages read, and their defaults."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import dispatcher.settings
import manifest_builder.settings
import worker.settings
from console import options
from console.options import default_folder
from pipeline import environment
from pipeline.environment import BadEnvironment

PAGE = Path(__file__).parents[1] / "docs/configuration.md"
ROW = re.compile(r"^\| `(?P<name>TILEPOOL_\w+)` \|(?P<cells>.*)\|$", re.MULTILINE)
REQUIRED, UNSET, CORES = "required", "not set", "the number of cores"
CONSOLE = "`tilepool`"


class Row(NamedTuple):
    """A variable in the table."""

    stages: set[str]
    default: str


def table() -> dict[str, Row]:
    """Return the rows of the table of our own variables."""
    rows = {}
    for found in ROW.finditer(PAGE.read_text("utf-8")):
        stages, default, meaning, setter = (cell.strip() for cell in found["cells"].split(" | ", 3))
        assert meaning
        assert setter
        assert found["name"] not in rows
        rows[found["name"]] = Row({stage.strip() for stage in stages.split(",")}, default)
    return rows


TABLE = table()
READERS: Mapping[str, Callable[[Mapping[str, str]], Any]] = {
    "dispatcher": dispatcher.settings.read_settings,
    "worker": lambda variables: worker.settings.read_settings(variables, cores=7),
    "manifest builder": manifest_builder.settings.read_settings,
}
REQUIRED_OF = {
    "dispatcher": {"TILEPOOL_TABLE", "TILEPOOL_QUEUE_URL", "TILEPOOL_DEAD_LETTER_QUEUE_URL"},
    "worker": {
        environment.REGION,
        *("TILEPOOL_TABLE", "TILEPOOL_QUEUE_URL", "TILEPOOL_DEAD_LETTER_QUEUE_URL"),
    },
    "manifest builder": {environment.REGION, "TILEPOOL_TABLE", "TILEPOOL_RUN_ID"},
}
each_stage = pytest.mark.parametrize("stage", READERS)


class Asked(dict[str, str]):
    """Variables that remember which of them were asked for."""

    def __init__(self, values: Mapping[str, str]) -> None:
        super().__init__(values)
        self.names: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        self.names.add(key)
        return super().get(key, default)


def constants(module: Any) -> set[str]:
    values = (value for value in vars(module).values() if isinstance(value, str))
    return {value for value in values if re.fullmatch(r"TILEPOOL_\w+", value)}


def required(stage: str) -> dict[str, str]:
    return dict.fromkeys(REQUIRED_OF[stage], "x")


def test_the_table_has_all_variables_and_no_others() -> None:
    assert set(TABLE) == constants(environment) | constants(options)


@each_stage
def test_a_stage_reads_what_the_table_says(stage: str) -> None:
    given = Asked({**required(stage), "TILEPOOL_WORKER": "0"})
    READERS[stage](given)
    assert given.names - {environment.REGION} == {
        name for name, row in TABLE.items() if stage in row.stages
    }


@each_stage
def test_what_is_missing_is_told_together_a_line_for_each(stage: str) -> None:
    with pytest.raises(BadEnvironment) as caught:
        READERS[stage]({})
    lines = str(caught.value).splitlines()
    assert set(lines) == {f"{name}: missing" for name in REQUIRED_OF[stage]}
    assert len(lines) == len(REQUIRED_OF[stage])


@each_stage
def test_the_table_tells_what_is_required(stage: str) -> None:
    told = {
        name
        for name, row in TABLE.items()
        if stage in row.stages and (row.default == REQUIRED or f"{stage}'s is req" in row.default)
    }
    assert told == REQUIRED_OF[stage] - {environment.REGION}


@each_stage
def test_a_default_in_the_table_is_the_one_in_the_code(stage: str) -> None:
    defaults = READERS[stage](required(stage))
    for name, row in TABLE.items():
        default = row.default.strip("`")
        if stage not in row.stages or default.startswith((REQUIRED, UNSET)):
            continue
        value = "7" if default == CORES else default
        assert READERS[stage]({**required(stage), name: value}) == defaults, name
        other = str(int(value) + 1) if value.isdigit() else "other"
        assert READERS[stage]({**required(stage), name: other}) != defaults, name


@each_stage
def test_an_empty_variable_is_as_good_as_none(stage: str) -> None:
    optional = [name for name in TABLE if name not in REQUIRED_OF[stage]]
    empty = {**required(stage), **dict.fromkeys(optional, "")}
    assert READERS[stage](empty) == READERS[stage](required(stage))


@pytest.mark.parametrize("value", ["none", "-1", "1.5", "²", "0"])
def test_every_number_that_is_none_is_told(value: str) -> None:
    wrong = {
        name: value
        for name, row in TABLE.items()
        if "worker" in row.stages and (row.default.isdigit() or row.default == CORES)
    }
    with pytest.raises(BadEnvironment) as caught:
        READERS["worker"](wrong)
    told = {line.partition(":")[0] for line in caught.value.mistakes}
    # Some may be 0, and none has a value that is no number.
    least_one = {"TILEPOOL_PROCESSES", "TILEPOOL_IN_HAND", "TILEPOOL_MEMORY_BYTES"}
    least_one |= {"TILEPOOL_LEASE_SECONDS", "TILEPOOL_PAGE_SECONDS"}
    assert told == REQUIRED_OF["worker"] | (least_one if value == "0" else set(wrong))


def test_the_folder_of_the_embedded_cloud_is_the_one_in_the_table(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    told = TABLE[options.FOLDER].default.strip("`").replace("~", "/home/me")
    assert str(default_folder({})) == told
    assert TABLE[options.FOLDER].stages == TABLE[options.STACK].stages == {CONSOLE}
