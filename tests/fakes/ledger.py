"""The ledger in dictionaries."""

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from pipeline.ledger import go_on
from pipeline.run import SHARDS, Counts, Page, PageState, Run, RunState, Summary, Watch, WorkerJob

UNDER_WAY = (RunState.DISPATCHING, RunState.TILING, RunState.BUILDING)
BUILT = (RunState.DONE, RunState.DONE_WITH_FAILURES)


class MemoryLedger:
    """The ledger in dictionaries."""

    def __init__(self) -> None:
        self._runs: dict[str, Run] = {}
        self._pages: dict[str, dict[tuple[str, int, int], Page]] = defaultdict(dict)
        self._counts: dict[tuple[str, int], Counts] = {}
        self._jobs: dict[str, dict[int, WorkerJob]] = defaultdict(dict)
        self._last_failed: dict[tuple[str, int], Page] = {}
        self._closed: set[str] = set()
        self._owners: dict[tuple[str, str], str] = {}
        self._lock = threading.RLock()

    def open_run(self, run: Run) -> bool:
        if run.run_id in self._runs and not self._unsealed(run.run_id):
            return False
        before = self._runs.get(run.run_id)
        if before is not None and before.opening != run.opening:
            self._pages[run.run_id].clear()
        self._runs[run.run_id] = run
        return True

    def load_run(self, run_id: str) -> Run | None:
        return self._runs.get(run_id)

    def runs(self) -> Iterator[str]:
        newest = sorted(self._runs.values(), key=lambda run: (run.upload.time, run.run_id))
        return (run.run_id for run in reversed(newest))

    def run_of_upload(self, bucket: str, key: str, since: str) -> str | None:
        for run_id in self.runs():
            upload = self._runs[run_id].upload
            if (upload.bucket, upload.key) == (bucket, key) and upload.time >= since:
                return run_id
        return None

    def open_runs(self) -> Iterator[str]:
        return iter([run.run_id for run in self._runs.values() if not run.state.ended])

    def take_items(self, run_id: str, export: str, items: Sequence[str]) -> frozenset[str]:
        with self._lock:
            others = frozenset(self.owners(export, items).values()) - {run_id}
            blocking = frozenset(other for other in others if self._holds_items(other))
            for item in items:
                if not blocking:
                    self._owners[export, item] = run_id
                elif self._owners.get((export, item)) == run_id:
                    del self._owners[export, item]
            return blocking

    def owners(self, export: str, items: Sequence[str]) -> dict[str, str]:
        found = {item: self._owners.get((export, item)) for item in items}
        return {item: owner for item, owner in found.items() if owner is not None}

    def note_waiting(self, run_id: str, other: str) -> bool:
        return self._change(run_id, is_so=self._unsealed(run_id), waits_for=other)

    def note_dispatch(self, run_id: str, since: int) -> bool:
        is_so = self._runs[run_id].state is RunState.DISPATCHING
        return self._change(run_id, is_so=is_so, dispatched_at=since)

    def note_sent(self, run_id: str, shards: int) -> bool:
        run = self._runs[run_id]
        is_so = run.state is RunState.DISPATCHING and run.sent < shards
        return self._change(run_id, is_so=is_so, sent=shards)

    def record_pages(
        self,
        run_id: str,
        pages: Iterable[Page],
        opening: str = "",
        checkpoint: Callable[[], None] = go_on,
    ) -> bool:
        for page in pages:
            with self._lock:
                if not self._is_recording(run_id, opening):
                    return False
                is_new = _key(page) not in self._pages[run_id]
                self._pages[run_id][_key(page)] = page
            if is_new:
                checkpoint()
        return self._is_recording(run_id, opening)

    def seal(self, run_id: str, pages: Iterable[Page], opening: str = "") -> bool:
        with self._lock:
            expected = {_key(page): page for page in pages}
            if not self._unsealed(run_id, opening) or self._pages[run_id] != expected:
                return False
            shards = Counter(page.shard for page in expected.values())
            for shard in range(SHARDS):
                self._counts[run_id, shard] = Counts(total=shards[shard])
            return self._change(run_id, is_so=True, recorded=True)

    def add_worker_job(self, run_id: str, index: int, job_id: str) -> bool:
        with self._lock:
            noted = self._jobs[run_id]
            if index in noted:
                return False
            noted[index] = WorkerJob(index, job_id)
            return True

    def worker_jobs(self, run_id: str) -> tuple[WorkerJob, ...]:
        return tuple(job for _, job in sorted(self._jobs[run_id].items()))

    def retire_worker(self, run_id: str, index: int) -> bool:
        with self._lock:
            job = self._jobs[run_id].get(index)
            if job is None or job.retired:
                return False
            self._jobs[run_id][index] = replace(job, retired=True)
            return True

    def is_retired(self, run_id: str, index: int) -> bool:
        job = self._jobs[run_id].get(index)
        return job is not None and job.retired

    def want_workers(self, run_id: str, number: int) -> bool:
        run = self._runs.get(run_id)
        is_so = run is not None and run.state in UNDER_WAY
        return self._change(run_id, is_so=is_so, wanted_workers=number)

    def advance(self, run_id: str, before: RunState, after: RunState) -> bool:
        if self._runs[run_id].state is not before:
            return False
        self._runs[run_id] = replace(self._runs[run_id], state=after)
        return True

    def pages(
        self, run_id: str, state: PageState | None = None, first_shard: int = 0
    ) -> Iterator[Page]:
        found = sorted(self._pages[run_id].values(), key=lambda page: page.shard)
        return (
            page
            for page in found
            if page.shard >= first_shard and (state is None or page.state is state)
        )

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
            settled = replace(page, message=row.message)
            self._pages[page.message.run_id][_key(page)] = settled
            self._count(page, page.state.value, 1)
            if page.state is PageState.FAILED:
                self._last_failed[page.message.run_id, page.shard] = page
            return True

    def requeue(self, page: Page) -> bool:
        with self._lock:
            return page.message.run_id not in self._closed and self._requeue(page)

    def reopen(
        self,
        run_id: str,
        states: Collection[RunState],
        *,
        trickles: bool,
        requeued: Page | None = None,
    ) -> bool:
        with self._lock:
            run = self._runs[run_id]
            may_be = run.recorded and run.state in (RunState.TILING, *states)
            if requeued is not None:
                may_be = may_be and self._requeue(requeued)
            if may_be:
                self._closed.discard(run_id)
            return self._change(
                run_id, is_so=may_be, state=RunState.TILING, watch=None, trickles=trickles
            )

    def restart(self, run_id: str) -> bool:
        run = self._runs[run_id]
        may_be = run.state is RunState.CANCELLED and not run.recorded
        return self._change(run_id, is_so=may_be, state=RunState.DISPATCHING, dispatched_at=0)

    def cancel(self, run_id: str, now: float) -> bool:
        may_be = self._runs[run_id].state in UNDER_WAY
        return self._change(run_id, is_so=may_be, state=RunState.CANCELLED, cancelled_at=int(now))

    def note_watch(self, run_id: str, watch: Watch) -> bool:
        is_so = self._runs[run_id].state is RunState.TILING
        return self._change(run_id, is_so=is_so, watch=watch)

    def counts(self, run_id: str) -> Counts:
        return sum(self.shard_counts(run_id), Counts())

    def shard_counts(
        self, run_id: str, shards: Collection[int] = range(SHARDS)
    ) -> tuple[Counts, ...]:
        if (run_id, 0) not in self._counts:
            return ()
        return tuple(self._counts[run_id, shard] for shard in sorted(shards))

    def last_failures(self, run_id: str) -> tuple[Page, ...]:
        named = [page for (run, _), page in self._last_failed.items() if run == run_id]
        rows = [row for row in map(self.load_page, named) if row is not None]
        failed = [row for row in rows if row.state is PageState.FAILED]
        return tuple(sorted(failed, key=lambda page: page.ended_at, reverse=True))

    def claim_final_job(
        self, run_id: str, shards: Sequence[Counts], now: float, *, is_quiet: bool = False
    ) -> bool:
        with self._lock:
            run = self._runs[run_id]
            is_so = self.shard_counts(run_id) == tuple(shards)
            if not is_so or run.state is not RunState.TILING or (run.trickles and not is_quiet):
                return False
            self._closed.add(run_id)
            return self._claim(run_id, now, final_jobs=1)

    def reclaim_final_job(
        self, run_id: str, dead: str | None, now: float, stale_before: float
    ) -> bool:
        with self._lock:
            run = self._runs[run_id]
            if run.state is not RunState.BUILDING or run.final_job != dead:
                return False
            if run.claimed_at is None or run.claimed_at >= int(stale_before):
                return False
            return self._claim(run_id, now, final_jobs=run.final_jobs + (dead is not None))

    def claim_rebuild(self, run_id: str, now: float, *, with_gaps: bool) -> bool:
        with self._lock:
            if self._runs[run_id].state not in BUILT:
                return False
            return self._claim(run_id, now, final_jobs=1, with_gaps=with_gaps)

    def note_final_job(self, run_id: str, job_id: str) -> None:
        is_so = self._runs[run_id].state is RunState.BUILDING
        self._change(run_id, is_so=is_so, final_job=job_id)

    def note_fault(self, run: Run, fault: str) -> bool:
        return self._change(run.run_id, is_so=self._has_claim(run), fault=fault)

    def finish(self, run: Run, state: RunState, summary: Summary) -> bool:
        ended = {"state": state, "summary": summary, "fault": None}
        return self._change(run.run_id, is_so=self._has_claim(run), **ended)

    def _requeue(self, page: Page) -> bool:
        row = self.load_page(page)
        if row is None or row.state is not PageState.FAILED:
            return False
        if row.message.replays >= page.message.replays:
            return False
        message = replace(row.message, replays=page.message.replays)
        self._pages[page.message.run_id][_key(page)] = Page(message, parts=row.parts)
        self._count(page, PageState.FAILED.value, -1)
        return True

    def _has_claim(self, run: Run) -> bool:
        now = self._runs[run.run_id]
        return now.state is RunState.BUILDING and now.claimed_at == run.claimed_at

    def _claim(self, run_id: str, now: float, **changes: Any) -> bool:
        changes |= {"state": RunState.BUILDING, "claimed_at": int(now)}
        return self._change(run_id, is_so=True, final_job=None, trickles=False, **changes)

    def _change(self, run_id: str, *, is_so: bool, **changes: Any) -> bool:
        if is_so:
            self._runs[run_id] = replace(self._runs[run_id], **changes)
        return is_so

    def _holds_items(self, run_id: str) -> bool:
        run = self._runs.get(run_id)
        return run is not None and run.holds_items(time.time())

    def _unsealed(self, run_id: str, opening: str | None = None) -> bool:
        run = self._runs.get(run_id)
        if run is None or run.state is not RunState.DISPATCHING or run.recorded:
            return False
        return opening is None or run.opening == opening

    def _is_recording(self, run_id: str, opening: str) -> bool:
        """Tell whether rows may be written; of a cancelled run too, where they do no harm."""
        run = self._runs.get(run_id)
        return run is not None and not run.recorded and run.opening == opening

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
