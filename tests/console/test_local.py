"""The task that is uploaded for a local run: the user's, with as little changed as can be."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.errors import ConsoleError, ExitCode
from console.local import DEFAULT_WORKERS, LocalRun, prepare_task, run_locally
from console.options import Where
from tests.builders import task_body, task_content

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=10,
)


def local(task: bytes, workers: int | None = None, base_url: str | None = None) -> LocalRun:
    return LocalRun(task, Path("source"), Path("dest"), workers, base_url)


def prepared(task: bytes, cores: int = 8, **wanted: Any) -> tuple[dict[str, Any], int]:
    body, workers = prepare_task(local(task, **wanted), cores)
    return json.loads(body), workers


FOLDERS = {
    "AWS_SRC_BUCKET": Path("source").resolve().as_uri(),
    "AWS_DEST_BUCKET": Path("dest").resolve().as_uri(),
}


def with_folders(task: dict[str, Any]) -> dict[str, Any]:
    """Return a task whose buckets are the folders of the command line."""
    entries = [
        {**entry, "value": FOLDERS.get(entry["name"], entry["value"])}
        for entry in task["environment"]
    ]
    return {**task, "environment": entries}


def dest_url(task: dict[str, Any]) -> list[str]:
    return [entry["value"] for entry in task["environment"] if entry["name"] == "DEST_URL"]


def test_a_task_that_names_no_workers_gets_the_default() -> None:
    task, workers = prepared(task_body())
    assert task == {**with_folders(task_content()), "workers": DEFAULT_WORKERS}
    assert workers == DEFAULT_WORKERS


def test_the_command_lines_workers_go_before_the_tasks() -> None:
    task, workers = prepared(task_body(workers=5), workers=7, cores=2)
    assert task["workers"] == workers == 7


@pytest.mark.parametrize(
    ("asked", "cores", "given"), [(3, 8, 3), (500, 8, 8), (1, 8, 1), (2, 1, 1)]
)
def test_the_tasks_workers_are_bounded_by_the_cores(asked: int, cores: int, given: int) -> None:
    task, workers = prepared(task_body(workers=asked), cores=cores)
    assert task["workers"] == workers == given


@pytest.mark.parametrize("workers", [0, -1, "4", 2.5, [], {}, True])
def test_workers_that_are_a_mistake_stay_for_the_dispatcher_to_name(workers: object) -> None:
    task, started = prepared(task_body(workers=workers), cores=4)
    assert task["workers"] == workers
    assert type(task["workers"]) is type(workers)
    assert started >= 1


def test_a_base_url_replaces_dest_url_alone() -> None:
    task, _ = prepared(task_body(), base_url="http://127.0.0.1:9")
    assert dest_url(task) == ["http://127.0.0.1:9"]
    others = [entry for entry in task["environment"] if entry["name"] != "DEST_URL"]
    whole = with_folders(task_content())["environment"]
    before = [entry for entry in whole if entry["name"] != "DEST_URL"]
    assert others == before


def test_without_a_base_url_dest_url_stays() -> None:
    task, _ = prepared(task_body())
    assert dest_url(task) == dest_url(task_content())


@pytest.mark.parametrize("environment", [None, "text", 1, {"name": "DEST_URL"}])
def test_a_base_url_leaves_a_mistaken_environment_as_it_is(environment: object) -> None:
    body = json.dumps({"environment": environment}).encode()
    task, _ = prepared(body, base_url="http://127.0.0.1:9")
    assert task["environment"] == environment


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b"text", b"\xfe\xff\x00{", b"[]", b"null", b"1"]
)
def test_what_is_no_task_is_uploaded_as_it_is(body: bytes) -> None:
    assert prepare_task(local(body, base_url="http://127.0.0.1:9"), 4) == (body, DEFAULT_WORKERS)


def test_a_nest_that_json_cannot_read_is_uploaded_as_it_is() -> None:
    body = b"[" * 200_000
    assert prepare_task(local(body), 4) == (body, DEFAULT_WORKERS)


def test_a_byte_order_mark_is_forgiven() -> None:
    task, _ = prepared(b"\xef\xbb\xbf" + task_body())
    assert task["jobName"] == "job1"


@pytest.mark.parametrize("value", ["Scans", "s3://scans", "", None, 1, []])
def test_what_is_no_buckets_name_stays_for_the_dispatcher_to_name(value: object) -> None:
    body = json.dumps({"environment": [{"name": "AWS_SRC_BUCKET", "value": value}]}).encode()
    task, _ = prepared(body)
    assert task["environment"] == [{"name": "AWS_SRC_BUCKET", "value": value}]


def test_the_folders_of_the_command_line_go_before_those_of_the_task() -> None:
    task, _ = prepared(task_body({"AWS_SRC_BUCKET": "file:///elsewhere"}))
    assert task["environment"] == with_folders(task_content())["environment"]


@given(st.dictionaries(st.text(), JSON), st.integers(1, 64))
def test_everything_else_in_a_task_is_unchanged(content: dict[str, Any], workers: int) -> None:
    task, _ = prepared(json.dumps(content).encode(), workers=workers)
    assert task == {**content, "workers": workers}


def test_a_dest_that_cannot_be_made_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    wanted = LocalRun(task_body(), tmp_path, tmp_path / "file" / "dest")
    with pytest.raises(ConsoleError, match="--dest") as caught:
        run_locally(wanted, Where(tmp_path / "cloud"), lambda _look: None)
    assert caught.value.exit_code is ExitCode.USAGE


@pytest.mark.parametrize("entries", [[], [None, 1, {}, []], [{"name": "CSV_NAME", "value": "x"}]])
def test_a_base_url_takes_the_place_of_a_dest_url_that_is_not_there(entries: list[Any]) -> None:
    body = json.dumps({"environment": entries}).encode()
    task, _ = prepared(body, base_url="http://127.0.0.1:9")
    added = {"name": "DEST_URL", "value": "http://127.0.0.1:9"}
    assert task["environment"] == [*entries, added]
