"""The saved state: what is written is read, what is not ours is told, old runs are forgotten."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.cloud.state import (
    BadState,
    SavedMessage,
    SavedObject,
    State,
    forget_old_runs,
    free_items,
    read_state,
    write_state,
)
from pipeline import rows
from pipeline.run import Run, RunState, Upload
from tests.builders import a_plan

TEXT = st.text(max_size=20)
MESSAGES = st.builds(
    SavedMessage,
    message_id=TEXT,
    body=TEXT,
    attributes=st.dictionaries(TEXT, st.dictionaries(TEXT, TEXT)),
    group=st.none() | TEXT,
    source=st.none() | TEXT,
    receives=st.integers(0, 10),
    sent_at=st.integers(0),
    first_received_at=st.none() | st.integers(0),
    delayed_until=st.floats(0, 1e12),
)
STATES = st.builds(
    State,
    rows=st.dictionaries(TEXT, st.dictionaries(TEXT, TEXT)),
    queues=st.dictionaries(TEXT, st.lists(MESSAGES).map(tuple)),
    objects=st.lists(st.builds(SavedObject, TEXT, TEXT, st.binary())).map(tuple),
)


@given(STATES)
def test_what_is_written_is_read(state: State) -> None:
    assert read_state(write_state(state)) == state


@given(st.binary() | st.recursive(st.none() | st.integers() | TEXT, st.lists).map(json.dumps))
def test_what_no_cloud_has_written_is_told(content: bytes | str) -> None:
    with pytest.raises(BadState):
        read_state(content if isinstance(content, bytes) else content.encode())


@pytest.mark.parametrize(
    "change",
    [
        {"rows": {"RUNS": {"a": {}}}},
        {"rows": None},
        {"queues": {"pages": [["too", "few"]]}},
        {"queues": []},
        {"objects": [["key", "version", "no base64!"]]},
        {"objects": [["key"]]},
    ],
    ids=str,
)
def test_a_part_of_another_kind_is_told(change: dict[str, object]) -> None:
    content = json.loads(write_state(State()))
    with pytest.raises(BadState, match="another kind"):
        read_state(json.dumps({**content, **change}).encode())


def a_state(count: int, state: RunState) -> State:
    """Return a state of so many runs, the later the higher their number."""
    texts: dict[str, dict[str, str]] = {}

    def put(item: rows.Item) -> None:
        texts.setdefault(item["pk"]["S"], {})[item["sk"]["S"]] = json.dumps(item)

    uploads = [
        Upload("b", f"{n}.json", "5", f"2026-01-01T00:00:{n:02}Z", f"v{n}") for n in range(count)
    ]
    for number, upload in enumerate(uploads):
        run = Run(f"run-{number}", upload, state, a_plan())
        put(rows.run_item(run))
        put(rows.listed_item(run))
        put(rows.count_key(run.run_id, 3) | rows.encode({"total": 0, "done": 0, "failed": 0}))
        put(rows.owner_item("export", f"item-{number}", run.run_id))
    return State(
        texts, {}, tuple(SavedObject(upload.key, f"v{n}", b"x") for n, upload in enumerate(uploads))
    )


def test_the_oldest_runs_that_have_ended_are_forgotten_with_all_of_theirs() -> None:
    left = forget_old_runs(a_state(7, RunState.DONE), most=3)
    assert {entry.key for entry in left.objects} == {"4.json", "5.json", "6.json"}
    assert len(left.rows[rows.RUNS]) == 3
    assert set(left.rows) == {rows.RUNS} | {
        name
        for number in (4, 5, 6)
        for name in (f"RUN#run-{number}", f"RUN#run-{number}#03", f"ITEM#export#item-{number}")
    }


@pytest.mark.parametrize("state", [RunState.DISPATCHING, RunState.TILING, RunState.BUILDING])
def test_a_run_that_has_not_ended_is_never_forgotten(state: RunState) -> None:
    before = a_state(5, state)
    assert forget_old_runs(before, most=0) == before


def test_few_runs_are_all_kept() -> None:
    before = a_state(3, RunState.DONE_WITH_FAILURES)
    assert forget_old_runs(before, most=3) == before


def test_a_cancelled_run_holds_no_items_when_none_of_its_workers_can_live() -> None:
    before = a_state(2, RunState.CANCELLED)
    runs = [rows.parse_run(json.loads(texts[rows.RUN])) for texts in run_rows(before)]
    assert all(replace(run, cancelled_at=1000).holds_items(1001) for run in runs)
    after = free_items(before)
    for run, texts in zip(runs, run_rows(after), strict=True):
        freed = rows.parse_run(json.loads(texts[rows.RUN]))
        assert freed == replace(run, cancelled_at=0)
    assert free_items(a_state(2, RunState.TILING)) == a_state(2, RunState.TILING)


def run_rows(state: State) -> list[dict[str, str]]:
    return [texts for texts in state.rows.values() if rows.RUN in texts]
