"""What an embedded cloud knows, as a value and as a file; and what it may forget. Pure.

Jobs are not part of it: they end with the cloud. A message that was in somebody's hand is one that
waits: it is delivered again, as every message may be.
"""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from pipeline import rows
from pipeline.run import Run, RunState

FORMAT = 1
MAX_ENDED_RUNS = 100
"""Runs that have ended and are kept, the newest."""

Texts = dict[str, dict[str, str]]
"""JSON of rows, by `pk` and `sk`."""


class BadState(Exception):
    """A file that no embedded cloud of this version has written."""


class SavedMessage(NamedTuple):
    """A message of a queue. Times are in milliseconds since the epoch."""

    message_id: str
    body: str
    attributes: Mapping[str, Any]
    group: str | None
    source: str | None
    receives: int
    sent_at: int
    first_received_at: int | None
    delayed_until: float


@dataclass(frozen=True, slots=True)
class SavedObject:
    """One version of a task file in the batch bucket."""

    key: str
    version: str
    content: bytes


@dataclass(frozen=True, slots=True)
class State:
    """Rows of the ledger, messages by queue, objects of the batch bucket, oldest first."""

    rows: Texts = field(default_factory=dict)
    queues: Mapping[str, tuple[SavedMessage, ...]] = field(default_factory=dict)
    objects: tuple[SavedObject, ...] = ()


def write_state(state: State) -> bytes:
    """Return the state as a file's content."""
    return json.dumps(
        {
            "format": FORMAT,
            "rows": state.rows,
            "queues": state.queues,
            "objects": [
                (entry.key, entry.version, base64.b64encode(entry.content).decode())
                for entry in state.objects
            ],
        },
        separators=(",", ":"),
    ).encode()


def read_state(content: bytes) -> State:
    """Return the state that a file holds; raises BadState."""
    try:
        values = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BadState("it is no JSON") from error
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise BadState(f"it is not of format {FORMAT}")
    try:
        return State(
            _checked_rows(values["rows"]),
            {
                name: tuple(SavedMessage(*message) for message in messages)
                for name, messages in values["queues"].items()
            },
            tuple(
                SavedObject(key, version, base64.b64decode(content, validate=True))
                for key, version, content in values["objects"]
            ),
        )
    except (AttributeError, KeyError, TypeError, ValueError, binascii.Error) as error:
        raise BadState(f"something in it is missing or of another kind: {error}") from error


def _checked_rows(given: Any) -> Texts:
    for texts in given.values():
        if not all(isinstance(text, str) for text in texts.values()):
            raise TypeError("a row is no text")
    checked: Texts = given
    return checked


def forget_old_runs(state: State, most: int = MAX_ENDED_RUNS) -> State:
    """Return the state without the oldest runs that have ended, should there be too many."""
    if len(state.rows.get(rows.RUNS, {})) <= most:
        return state
    ended = [run for run in _runs(state.rows) if run.state.ended]
    forgotten = {run.run_id for run in ended[: max(0, len(ended) - most)]}
    uploads = {(run.upload.key, run.upload.version) for run in ended if run.run_id in forgotten}
    return State(
        {
            partition: kept
            for partition, texts in state.rows.items()
            if (kept := _kept(partition, texts, forgotten))
        },
        state.queues,
        tuple(entry for entry in state.objects if (entry.key, entry.version) not in uploads),
    )


def free_items(state: State) -> State:
    """Return the state with every cancelled run's items free: no worker of before lives."""
    changed = {partition: dict(texts) for partition, texts in state.rows.items()}
    for run in _runs(state.rows):
        if run.state is RunState.CANCELLED:
            changed[f"RUN#{run.run_id}"][rows.RUN] = json.dumps(
                rows.run_item(replace(run, cancelled_at=0))
            )
    return replace(state, rows=changed)


def _runs(texts: Texts) -> Iterator[Run]:
    """Yield all runs, oldest first."""
    for _, listed in sorted(texts.get(rows.RUNS, {}).items()):
        run_id = rows.decode(json.loads(listed))["run_id"]
        text = texts.get(f"RUN#{run_id}", {}).get(rows.RUN)
        if text is not None:
            yield rows.parse_run(json.loads(text))


def _kept(partition: str, texts: Mapping[str, str], forgotten: set[str]) -> dict[str, str]:
    kind, _, name = partition.partition("#")
    if kind == "RUN":
        # A run's id has no `#`; that of its shards has their number behind one.
        return {} if name.partition("#")[0] in forgotten else dict(texts)
    if kind in (rows.RUNS, "ITEM"):
        return {
            sort: text
            for sort, text in texts.items()
            if rows.decode(json.loads(text)).get("run_id") not in forgotten
        }
    return dict(texts)
