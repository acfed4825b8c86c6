"""Settled pages are ended together, none later than it must be, and none is lost."""

import threading
import time
from collections.abc import Callable, Sequence

from pipeline.run import Counts, Page, PageState, Run, RunState
from tests.builders import a_message, a_run, new_run_id
from tests.fakes import SMALL, MemoryJobs, MemoryLedger, MemoryQueue
from worker.closing import RETURN_SECONDS, Closer, Closing, Settled
from worker.heartbeat import Heartbeat, now
from worker.inbox import Delivery

PATIENCE_SECONDS = 30


class Counted(MemoryQueue):
    """A queue that counts how many messages each call deletes."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[int] = []

    def delete(self, deliveries: Sequence[Delivery]) -> None:
        self.calls.append(len(deliveries))
        super().delete(deliveries)


class Scene:
    """A run whose pages are in hand and recorded, but not ended."""

    def __init__(self, pages: int) -> None:
        self.ledger, self.jobs, self.queue = MemoryLedger(), MemoryJobs(), Counted()
        self.run_id = new_run_id()
        messages = [a_message(self.run_id, page=number) for number in range(1, pages + 1)]
        rows = [Page(message) for message in messages]
        self.ledger.open_run(a_run(self.run_id))
        self.ledger.record_pages(self.run_id, rows)
        self.ledger.seal(self.run_id, rows)
        self.ledger.advance(self.run_id, RunState.DISPATCHING, RunState.TILING)
        self.queue.send(messages)
        self.heartbeat = Heartbeat(self.queue, 30)
        self.closer = Closer(self.ledger, self.jobs, self.queue)
        self.pages = [self.settle(message) for message in messages]

    def settle(self, message: object) -> Settled:
        page = Page(message, PageState.DONE, SMALL)  # type: ignore[arg-type]
        assert self.ledger.settle(page)
        delivery = self.queue.receive(0)
        assert delivery is not None
        with self.heartbeat.hold(delivery, now(), lambda: None) as lease:
            lease.hand_over()
        return Settled(lease, self.run_id, page.shard)


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


def test_ten_pages_are_ended_by_one_call_of_ledger_and_queue() -> None:
    scene = Scene(pages=25)
    looks = 0
    shard_counts = scene.ledger.shard_counts

    def look(run_id: str, shards: Sequence[int]) -> tuple[Counts, ...]:
        nonlocal looks
        looks += 1
        return shard_counts(run_id, shards)

    scene.ledger.shard_counts = look  # type: ignore[method-assign,assignment]
    for page in scene.pages[:20]:
        # A page that is left keeps each shard from being complete.
        scene.ledger._counts[scene.run_id, page.shard] = Counts(9, 1, 0)
    scene.closer.close(scene.pages[:10])
    scene.closer.close(scene.pages[10:20])
    assert looks == 2
    assert scene.queue.calls == [10, 10]


def test_the_final_job_is_submitted_before_the_messages_go() -> None:
    scene = Scene(pages=3)
    seen: list[int] = []
    submit = scene.jobs.submit_final

    def look_and_submit(run: Run) -> str:
        seen.append(len(scene.queue.entries))
        return submit(run)

    scene.jobs.submit_final = look_and_submit  # type: ignore[method-assign]
    scene.closer.close(scene.pages)
    assert seen == [3]
    assert scene.queue.entries == []
    assert scene.jobs.finals == [scene.run_id]


def test_where_all_in_hand_is_settled_nothing_is_waited_for() -> None:
    scene = Scene(pages=3)
    with Closing(scene.closer.close, scene.heartbeat, wait_seconds=PATIENCE_SECONDS * 9) as closing:
        for page in scene.pages:
            closing.add(page)
        until(lambda: not scene.queue.entries)
    assert scene.jobs.finals == [scene.run_id]
    assert scene.heartbeat.in_hand() == 0


def test_while_others_are_under_way_pages_wait_for_them_and_keep_their_leases() -> None:
    scene = Scene(pages=4)
    with Closing(scene.closer.close, scene.heartbeat, wait_seconds=PATIENCE_SECONDS * 9) as closing:
        for page in scene.pages[:3]:
            closing.add(page)
        threading.Event().wait(0.2)
        assert (scene.queue.calls, scene.heartbeat.in_hand()) == ([], 4)
        closing.hurry()
        until(lambda: scene.queue.calls == [3])
        assert scene.heartbeat.in_hand() == 1


def test_the_longest_wait_is_bounded() -> None:
    scene = Scene(pages=2)
    with Closing(scene.closer.close, scene.heartbeat, wait_seconds=0.1) as closing:
        closing.add(scene.pages[0])
        until(lambda: scene.queue.calls == [1])


def test_what_is_settled_at_the_end_is_ended() -> None:
    scene = Scene(pages=12)
    with Closing(scene.closer.close, scene.heartbeat, wait_seconds=PATIENCE_SECONDS * 9) as closing:
        for page in scene.pages[:11]:
            closing.add(page)
    assert sum(scene.queue.calls) == 11


def test_what_cannot_be_ended_comes_back() -> None:
    scene = Scene(pages=2)

    def close(_pages: Sequence[Settled]) -> None:
        raise ConnectionError("DynamoDB is away")

    with Closing(close, scene.heartbeat) as closing:
        for page in scene.pages:
            closing.add(page)
        until(lambda: scene.heartbeat.in_hand() == 0)
    assert scene.queue.depth().in_flight == 2
    scene.queue.now = lambda: time.monotonic() + RETURN_SECONDS
    assert scene.queue.depth().waiting == 2
