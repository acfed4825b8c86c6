"""What is written per outcome, by the real code; and that a thousand workers stay within limits."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.counters import Pool, run_pool
from benchmarks.units import (
    ITEM_READ_UNITS,
    ITEM_WRITE_UNITS,
    item_size,
    read_units,
    write_units,
)
from console.embedded import EmbeddedCloud
from pipeline import rows
from pipeline.errors import BadImage
from pipeline.geometry import Size
from pipeline.message import Message
from pipeline.run import SHARDS, Page, RunState, TiledPage
from pipeline.task import MAX_WORKERS
from tests.builders import a_message, a_plan, a_run, failed, new_run_id
from tests.fakes import MemoryJobs, MemoryQueue, ScriptedTiler
from worker.closing import AtOnce, Closer
from worker.desk import MAX_REASON_CHARACTERS, RUN_SECONDS, Desk
from worker.work import PageWork

SEED = 20_260_301
SECONDS = 20
USUAL = TiledPage(
    width=6_000,
    height=9_000,
    sizes=tuple(Size(6_000 >> level, 9_000 >> level) for level in range(7, -1, -1)),
    tiles=320,
    seconds=4.123,
)
"""What a scan of 54 million pixels leaves in its row."""


class Scene:
    """A run of some pages on the embedded ledger, and a desk that works on it."""

    def __init__(self, cloud: EmbeddedCloud, pages: int) -> None:
        self.ledger = cloud.ledger
        self.client: Any = self.ledger._table._client
        self.queue, self.jobs, self.tiler = MemoryQueue(), MemoryJobs(), ScriptedTiler()
        ends = AtOnce(Closer(self.ledger, self.jobs, self.queue))
        self.desk = Desk(self.ledger, self.queue, self.queue.dead_letters, ends)
        self.run_id = new_run_id()
        messages = [a_message(self.run_id, page=number) for number in range(1, pages + 1)]
        found = [Page(message) for message in messages]
        plan = a_plan(dest=Path("/exports") / self.run_id)
        self.ledger.open_run(a_run(self.run_id, plan))
        self.ledger.take_items(self.run_id, plan.export, ["book"])
        self.ledger.record_pages(self.run_id, found)
        self.ledger.seal(self.run_id, found)
        self.ledger.advance(self.run_id, RunState.DISPATCHING, RunState.TILING)
        self.queue.send(messages)
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def serve(self, script: Callable[[PageWork], TiledPage]) -> Message:
        """Take one message from the queue to its fate."""
        self.tiler.script = script
        delivery = self.queue.receive(0)
        assert delivery is not None
        message = self.desk.read(delivery)
        assert message is not None
        fate = self.desk.attempt(message, delivery.attempt, self.tiler)
        self.desk.settle(delivery, message, fate)
        return message

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Note all calls to the table."""

        def note(params: dict[str, Any], model: Any, **_: Any) -> None:
            self.calls.append((model.name, params))

        self.calls.clear()
        events = self.client.meta.events
        events.register("provide-client-params.dynamodb.*", note, unique_id="recorded")
        try:
            yield
        finally:
            events.unregister("provide-client-params.dynamodb.*", note, unique_id="recorded")

    def written(self) -> dict[str, int]:
        """Return the write units that the calls cost, by the kind of item."""
        units: Counter[str] = Counter()
        for operation, params in self.calls:
            if operation == "TransactWriteItems":
                for entry in params["TransactItems"]:
                    ((_, write),) = entry.items()
                    key = write.get("Key") or {name: write["Item"][name] for name in ("pk", "sk")}
                    units[kind_of(key)] += write_units(self._size(key))
            else:
                assert operation in {"GetItem", "BatchGetItem", "Query"}
        return dict(units)

    def read(self) -> dict[str, int]:
        """Return the read units that looks at some items cost, by the kind of item."""
        units: Counter[str] = Counter()
        for operation, params in self.calls:
            keys = [params["Key"]] if operation == "GetItem" else []
            if operation == "BatchGetItem":
                (asked,) = params["RequestItems"].values()
                # All counters are read where a run may be complete.
                keys = asked["Keys"] if len(asked["Keys"]) < SHARDS else []
            for key in keys:
                units[kind_of(key)] += read_units(self._size(key))
        return dict(units)

    def _size(self, key: dict[str, Any]) -> int:
        answer = self.client.get_item(TableName=self.ledger._table._name, Key=key)
        return item_size(answer.get("Item", key))


def kind_of(key: dict[str, Any]) -> str:
    """Return RUN, COUNT, PAGE, OPEN or OWNER."""
    name: str = rows.decode(key)["sk"]
    return "OPEN" if rows.decode(key)["pk"] == rows.OPEN else name.partition("#")[0]


def tiled(_work: PageWork) -> TiledPage:
    return USUAL


def damaged(_work: PageWork) -> TiledPage:
    raise BadImage("é" * MAX_REASON_CHARACTERS)


def album(work: PageWork) -> TiledPage:
    return replace(USUAL, parts=5 if work.message.part == 1 else 1)


@pytest.fixture
def scene(cloud: EmbeddedCloud) -> Scene:
    """A run of many pages, so that none is the last of its shard."""
    scene = Scene(cloud, 4 * SHARDS)
    scene.serve(tiled)
    return scene


def test_an_item_is_as_large_as_its_names_and_values() -> None:
    # The example of DynamoDB's documentation, and one of each kind.
    assert item_size({"pk": {"S": "é"}, "n": {"N": "123"}}) == 2 + 2 + 1 + 3
    assert item_size({"yes": {"BOOL": True}, "none": {"NULL": True}}) == 4 + 5
    assert item_size({"l": {"L": [{"S": "ab"}]}, "m": {"M": {"a": {"S": "b"}}}}) == 1 + 6 + 1 + 6


def test_units_are_rounded_up() -> None:
    assert [write_units(size) for size in (1, 1024, 1025)] == [2, 2, 4]
    assert [read_units(size) for size in (1, 4096, 4097)] == [1, 1, 2]


def test_an_outcome_writes_its_row_and_its_counter(scene: Scene) -> None:
    with scene.recorded():
        scene.serve(tiled)
    assert scene.written() == {"PAGE": 2, "COUNT": 2}
    assert scene.read() == {"PAGE": 1, "COUNT": 1}


def test_a_failure_with_the_longest_reason_costs_its_counter_no_more(scene: Scene) -> None:
    with scene.recorded():
        scene.serve(damaged)
    assert scene.written() == {"PAGE": 6, "COUNT": 2}
    assert scene.read() == {"PAGE": 1, "COUNT": 1}


def test_a_second_delivery_writes_nothing(scene: Scene) -> None:
    message = scene.serve(tiled)
    scene.queue.send([message])
    scene.queue.entries.insert(0, scene.queue.entries.pop())
    with scene.recorded():
        scene.serve(tiled)
    assert scene.written() == {}


def test_a_source_of_several_images_costs_its_counter_once_more(scene: Scene) -> None:
    with scene.recorded():
        scene.serve(album)
    assert scene.written() == {"PAGE": 2 + 4 * 2 + 2, "COUNT": 2 + 2}


def test_a_replayed_page_writes_its_row_and_its_counter_once_more(scene: Scene) -> None:
    message = scene.serve(damaged)
    scene.queue.send([replace(message, replays=1)])
    scene.queue.entries.insert(0, scene.queue.entries.pop())
    with scene.recorded():
        scene.serve(tiled)
    assert scene.written()["COUNT"] == 2 + 2
    assert scene.written().keys() == {"PAGE", "COUNT"}


def test_the_end_writes_all_counters_once_and_the_run(cloud: EmbeddedCloud) -> None:
    scene = Scene(cloud, 1)
    with scene.recorded():
        scene.serve(tiled)
    written = scene.written()
    assert written["COUNT"] == 2 + 2 * SHARDS
    # The claim, and the note of its job.
    assert written["RUN"] == 2 + 2


COUNTER_UNITS = 2
"""What an outcome costs its counter, as the tests above see."""


@pytest.mark.parametrize("latency", [0.005, 0.01])
def test_a_thousand_workers_stay_below_the_limit_of_every_item(latency: float) -> None:
    load = run_pool(Pool(latency=latency, shards=SHARDS), SECONDS, SEED)
    assert load.rate > 480
    assert load.peak_units < ITEM_WRITE_UNITS / 4
    assert load.given_up == 0


def test_one_counter_would_not_do() -> None:
    load = run_pool(Pool(shards=1), SECONDS, SEED)
    assert load.peak_units > ITEM_WRITE_UNITS
    assert load.rate < 110
    assert load.given_up > 0


def test_the_runs_row_bears_the_looks_of_a_thousand_workers(cloud: EmbeddedCloud) -> None:
    scene = Scene(cloud, 1)
    for index in range(20):
        scene.ledger.add_worker_job(scene.run_id, index, f"job-{index}")
    run = scene.ledger.load_run(scene.run_id)
    assert run is not None
    units = read_units(item_size(rows.run_item(run)))
    looks_per_second = 2 * MAX_WORKERS / RUN_SECONDS
    assert units * looks_per_second < ITEM_READ_UNITS / 10


def test_a_failed_row_is_larger_than_a_done_one() -> None:
    # A guard of the measure itself: reasons of 1,000 characters take two units.
    message = a_message()
    short = item_size(rows.page_item(failed(message)))
    assert item_size(rows.page_item(failed(message, "x" * 1000))) == short + 1000 - len("damaged")
