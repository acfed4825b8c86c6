"""Batch, the task files and the tiling, as simple as can be."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from pipeline.run import Plan, Run, TiledPage, Upload
from worker.work import PageWork

SMALL = TiledPage(width=10, height=20, sizes=(), tiles=3, seconds=0.1)


@dataclass
class MemoryJobs:
    """Batch that starts nothing, and remembers what it was asked."""

    workers: list[str] = field(default_factory=list)
    finals: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    named: dict[str, str] = field(default_factory=dict)
    """The last job's id by what it was submitted for."""
    ids: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    """Those of the ended that have ended in a fault."""
    held: set[str] = field(default_factory=set)
    """Those that Batch has yet to start."""
    created: dict[str, float] = field(default_factory=dict)
    claims: dict[str, Run] = field(default_factory=dict)
    """The runs of final jobs, as they were when these were submitted, by job."""

    looked_for: tuple[str, tuple[str, ...]] | None = None
    """The queue and the definitions that were looked up last."""

    def submit_worker(self, run_id: str, plan: Plan, index: int) -> str:
        self.workers.append(run_id)
        self.named[f"{run_id} {index}"] = job_id = f"worker-{len(self.workers)}"
        self.ids.add(job_id)
        self.created[job_id] = time.time()
        return job_id

    def submit_final(self, run: Run) -> str:
        self.finals.append(run.run_id)
        self.named[f"{run.run_id} {run.claimed_at}"] = job_id = f"final-{len(self.finals)}"
        self.ids.add(job_id)
        self.created[job_id] = time.time()
        self.claims[job_id] = run
        return job_id

    def find_worker(self, run_id: str, plan: Plan, index: int) -> str | None:
        return self.named.get(f"{run_id} {index}")

    def find_final(self, run: Run) -> str | None:
        return self.named.get(f"{run.run_id} {run.claimed_at}")

    def living(self, job_ids: Sequence[str]) -> set[str]:
        return (set(job_ids) & self.ids) - self.ended

    def unstarted(self, job_ids: Sequence[str]) -> set[str]:
        return self.living(job_ids) & self.held

    def failed(self, job_ids: Sequence[str]) -> dict[str, float]:
        return {job_id: self.created[job_id] for job_id in job_ids if job_id in self.broken}

    def terminate(self, job_ids: Iterable[str], reason: str) -> None:
        lived = self.living(list(job_ids))
        self.ended |= lived
        self.broken |= lived

    def missing(self, queue: str, definitions: Iterable[str]) -> list[str]:
        self.looked_for = (queue, tuple(definitions))
        return list(self.unknown)


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
    revoked: int = 0

    def tile(self, work: PageWork) -> TiledPage:
        self.pages.append((work.message.item, work.message.page))
        return self.script(work)

    def prepare(self) -> None:
        """Be ready: there is no process."""

    def revoke(self) -> None:
        self.revoked += 1

    def close(self) -> None:
        """There is nothing to end."""
