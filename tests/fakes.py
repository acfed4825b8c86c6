"""Small in-memory twins of the adapters; they pass the same contract tests as the real ones."""

import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pipeline.errors import LostLease
from pipeline.message import Message
from pipeline.run import (
    SHARDS,
    Counts,
    Page,
    PageState,
    Plan,
    Run,
    RunState,
    Summary,
    TiledPage,
    Upload,
)
from worker.inbox import Depth
from worker.page import PageWork

POLL_SECONDS = 0.01
SMALL = TiledPage(width=10, height=20, sizes=(), tiles=3, seconds=0.1)


class MemoryLedger:
    """The ledger in dictionaries."""

    def __init__(self) -> None:
        self._runs: dict[str, Run] = {}
        self._pages: dict[str, dict[tuple[str, int, int], Page]] = defaultdict(dict)
        self._counts: dict[tuple[str, int], Counts] = {}
        self._lock = threading.Lock()

    def open_run(self, run: Run) -> bool:
        if run.run_id in self._runs and not self._unsealed(run.run_id):
            return False
        self._runs[run.run_id] = run
        return True

    def load_run(self, run_id: str) -> Run | None:
        return self._runs.get(run_id)

    def runs(self) -> Iterator[str]:
        newest = sorted(self._runs.values(), key=lambda run: (run.upload.time, run.run_id))
        return (run.run_id for run in reversed(newest))

    def record_pages(self, run_id: str, pages: Sequence[Page]) -> bool:
        if pages and not self._unsealed(run_id):
            return False
        self._pages[run_id] |= {_key(page): page for page in pages}
        return True

    def discard_pages(self, run_id: str, pages: Sequence[Page]) -> bool:
        if pages and not self._unsealed(run_id):
            return False
        for page in pages:
            self._pages[run_id].pop(_key(page), None)
        return True

    def seal(self, run_id: str, pages: Iterable[Page]) -> bool:
        if not self._unsealed(run_id):
            return False
        shards = [page.shard for page in pages]
        for shard in range(SHARDS):
            self._counts[run_id, shard] = Counts(total=shards.count(shard))
        self._runs[run_id] = replace(self._runs[run_id], recorded=True)
        return True

    def add_worker_job(self, run_id: str, index: int, job_id: str) -> bool:
        run = self._runs[run_id]
        if len(run.worker_jobs) != index:
            return False
        self._runs[run_id] = replace(run, worker_jobs=(*run.worker_jobs, job_id))
        return True

    def advance(self, run_id: str, before: RunState, after: RunState) -> bool:
        if self._runs[run_id].state is not before:
            return False
        self._runs[run_id] = replace(self._runs[run_id], state=after)
        return True

    def pages(self, run_id: str, state: PageState | None = None) -> Iterator[Page]:
        found = list(self._pages[run_id].values())
        return (page for page in found if state is None or page.state is state)

    def load_page(self, page: Page) -> Page | None:
        return self._pages[page.message.run_id].get(_key(page))

    def expand(self, page: Page, parts: int) -> bool:
        with self._lock:
            row = self._queued_here(replace(page, parts=1))
            if row is None:
                return False
            self._pages[page.message.run_id][_key(page)] = replace(row, parts=parts)
            self._count(page, "total", parts - 1)
            return True

    def add_parts(self, pages: Sequence[Page]) -> None:
        with self._lock:
            for page in pages:
                self._pages[page.message.run_id].setdefault(_key(page), page)

    def settle(self, page: Page) -> bool:
        with self._lock:
            row = self._queued_here(page)
            if row is None:
                return False
            self._pages[page.message.run_id][_key(page)] = replace(page, message=row.message)
            self._count(page, page.state.value, 1)
            return True

    def requeue(self, page: Page) -> bool:
        with self._lock:
            row = self.load_page(page)
            if row is None or row.state is not PageState.FAILED:
                return False
            if row.message.replays >= page.message.replays:
                return False
            run = self._runs[page.message.run_id]
            if run.state not in (RunState.TILING, RunState.DONE_WITH_FAILURES):
                return False
            self._runs[run.run_id] = replace(run, state=RunState.TILING)
            message = replace(row.message, replays=page.message.replays)
            self._pages[page.message.run_id][_key(page)] = Page(message, parts=row.parts)
            self._count(page, PageState.FAILED.value, -1)
            return True

    def counts(self, run_id: str, shard: int | None = None) -> Counts:
        shards = range(SHARDS) if shard is None else [shard]
        return sum((self._counts.get((run_id, s), Counts()) for s in shards), Counts())

    def claim_final_job(self, run_id: str, now: float, stale_before: float) -> bool:
        with self._lock:
            run = self._runs[run_id]
            claim = run.claimed_at
            stale = run.state is RunState.BUILDING and run.final_job is None
            if run.state is not RunState.TILING and not (stale and claim and claim < stale_before):
                return False
            self._runs[run_id] = replace(
                run, state=RunState.BUILDING, claimed_at=int(now), final_job=None
            )
            return True

    def note_final_job(self, run_id: str, job_id: str) -> None:
        if self._runs[run_id].state is RunState.BUILDING:
            self._runs[run_id] = replace(self._runs[run_id], final_job=job_id)

    def finish(self, run_id: str, state: RunState, summary: Summary) -> bool:
        if self._runs[run_id].state is not RunState.BUILDING:
            return False
        self._runs[run_id] = replace(self._runs[run_id], state=state, summary=summary)
        return True

    def _unsealed(self, run_id: str) -> bool:
        run = self._runs.get(run_id)
        return run is not None and run.state is RunState.DISPATCHING and not run.recorded

    def _queued_here(self, page: Page) -> Page | None:
        row = self._pages[page.message.run_id].get(_key(page))
        wanted = (PageState.QUEUED, page.message.replays, page.parts)
        if row is None or (row.state, row.message.replays, row.parts) != wanted:
            return None
        return row

    def _count(self, page: Page, field_name: str, change: int) -> None:
        key = page.message.run_id, page.shard
        counts = self._counts[key]
        self._counts[key] = replace(counts, **{field_name: getattr(counts, field_name) + change})


def _key(page: Page) -> tuple[str, int, int]:
    return page.message.place


@dataclass
class _Entry:
    body: str
    visible_at: float = 0.0
    receives: int = 0
    handle: str = ""


@dataclass
class MemoryQueue:
    """A queue with its dead letters: inbox for the worker, outbox for it and the dispatcher."""

    lease_seconds: float = 30.0
    entries: list[_Entry] = field(default_factory=list)
    dead_letters: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    now: Callable[[], float] = time.monotonic
    lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, messages: Iterable[Message]) -> int:
        bodies = [message.to_json() for message in messages]
        for body in bodies:
            self.put(body)
        return len(bodies)

    def put(self, body: str) -> None:
        self.entries.append(_Entry(body))

    def receive(self, wait_seconds: int) -> "MemoryDelivery | None":
        deadline = self.now() + wait_seconds
        while True:
            with self.lock:
                for entry in self.entries:
                    if entry.visible_at <= self.now():
                        entry.visible_at = self.now() + self.lease_seconds
                        entry.receives += 1
                        entry.handle = uuid.uuid4().hex
                        return MemoryDelivery(self, entry.body, entry.receives, entry.handle)
            if self.now() >= deadline:
                return None
            threading.Event().wait(POLL_SECONDS)

    def depth(self) -> Depth:
        in_flight = sum(entry.visible_at > self.now() for entry in self.entries)
        return Depth(len(self.entries) - in_flight, in_flight)

    def held(self, handle: str) -> _Entry:
        for entry in self.entries:
            if entry.handle == handle and entry.visible_at > self.now():
                return entry
        raise LostLease(handle)


@dataclass(frozen=True, slots=True)
class MemoryDelivery:
    """A message in hand, from a MemoryQueue."""

    queue: MemoryQueue
    body: str
    attempt: int
    handle: str

    def complete(self) -> None:
        self.queue.entries[:] = [e for e in self.queue.entries if e.handle != self.handle]

    def release(self, seconds: int) -> None:
        try:
            self.extend(seconds)
        except LostLease:
            return

    def extend(self, seconds: int) -> None:
        self.queue.held(self.handle).visible_at = self.queue.now() + seconds

    def bury(self, body: str, attributes: Mapping[str, str]) -> None:
        self.queue.dead_letters.append((body, attributes))


@dataclass
class MemoryJobs:
    """Batch that starts nothing, and remembers what it was asked."""

    workers: list[str] = field(default_factory=list)
    finals: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def submit_worker(self, run_id: str, plan: Plan, index: int) -> str:
        self.workers.append(run_id)
        return f"worker-{len(self.workers)}"

    def submit_final(self, run_id: str, plan: Plan) -> str:
        self.finals.append(run_id)
        return f"final-{len(self.finals)}"

    def missing(self, queue: str, definition: str) -> list[str]:
        return self.unknown


@dataclass
class MemoryTaskFiles:
    """Task files by key."""

    bodies: dict[str, bytes] = field(default_factory=dict)

    def read(self, upload: Upload) -> bytes:
        return self.bodies[upload.key]


@dataclass
class ScriptedTiler:
    """A tiler that does what a test says for a page, or returns a small finished one."""

    script: Callable[[PageWork], TiledPage] = lambda _work: SMALL
    pages: list[tuple[str, int]] = field(default_factory=list)

    def tile(self, work: PageWork) -> TiledPage:
        self.pages.append((work.message.item, work.message.page))
        return self.script(work)
