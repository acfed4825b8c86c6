"""The run and its pages as values: states, identity, counts. Pure."""

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from zlib import crc32

from pipeline.defaults import NO_DEFAULTS, Defaults
from pipeline.geometry import Size
from pipeline.layout import Layout
from pipeline.message import Message
from pipeline.task import Options

SHARDS = 64
"""Partitions of a run in the ledger, each with a counter (docs/decisions/0015). A transaction, as
the claim of the final job is one over all counters, has 100 entries at most."""


CANCEL_SECONDS = 180
"""So long after a run is cancelled, no worker is at any of its pages."""


class RunState(StrEnum):
    """Where a run stands; the last four are ends."""

    DISPATCHING = "dispatching"
    TILING = "tiling"
    BUILDING = "building"
    DONE = "done"
    DONE_WITH_FAILURES = "done_with_failures"
    REJECTED = "rejected"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Tell whether nothing more happens in this state by itself."""
        return self not in (RunState.DISPATCHING, RunState.TILING, RunState.BUILDING)


class PageState(StrEnum):
    """Where one page stands."""

    QUEUED = "queued"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Upload:
    """One version of a task file in the batch bucket, as S3's event names it.

    `sequencer` orders the versions of a key. It and `time` (ISO 8601) are the same whenever an
    event is delivered again.
    """

    bucket: str
    key: str
    sequencer: str
    time: str
    version: str | None = None


def slug(job_name: str) -> str:
    """Return what of a job's name goes into ids and keys: letters, digits, `-` and `_`."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", job_name).strip("-_")[:60] or "task"


def derive_run_id(job_name: str, upload: Upload) -> str:
    """Return the run's id: the same for the same event, another for another upload.

    It fits Batch job names and SQS message group ids (letters, digits, `-` and `_`).
    """
    identity = f"{upload.bucket}\0{upload.key}\0{upload.sequencer}"
    return f"{slug(job_name)}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run does, fixed when it opens: the task, with its buckets resolved to store URLs."""

    collection: str
    job_queue: str
    job_definition: str
    source_store: str
    dest_store: str
    csv_key: str
    layout: Layout
    options: Options
    workers: int
    defaults: Defaults = NO_DEFAULTS
    manifest_job_definition: str = ""
    """The final job's; empty where it has the workers', as in rows of earlier versions."""

    @property
    def export(self) -> str:
        """Return what tells this collection's export from all others."""
        return f"{self.dest_store.rstrip('/')}/{self.layout.prefix}"


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run came to, written by the final job. Long lists of names are cut."""

    collection_url: str
    images: int
    failed: int
    reused: int
    tiles: int
    items: int
    withheld: tuple[str, ...] = ()
    """Items with failed pages: no manifest."""
    with_gaps: tuple[str, ...] = ()
    """Items with failed pages that are published all the same."""
    superseded: tuple[str, ...] = ()
    """Items that a later run has taken over: left as they are, and not among `items`."""
    without_row: tuple[str, ...] = ()
    """Items that the CSV does not describe."""
    problems: tuple[str, ...] = ()
    """What was wrong with the CSV, and other things to look at."""
    withheld_items: int = 0
    """How many `withheld` would name if it were not cut; 0 in rows of earlier versions."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What the reconciler remembers of a run that is tiling.

    `counts` last changed before `since` (seconds since the epoch, by the reconciler's looks);
    `resends` counts how often it has sent messages again since then, `restarts` how often it has
    started workers since then or since it sent any.
    """

    since: int
    counts: "Counts"
    restarts: int = 0
    resends: int = 0


@dataclass(frozen=True, slots=True)
class Run:
    """A run's row. `plan` is None only for a rejected run, which has `errors` instead.

    Times are seconds since the epoch. `opening` tells what a dispatch of the run has found: those
    that find the same go on with one another's work, and of others the last alone may record its
    pages. `dispatched_at` is when the last of them began, or 0 where one has handed over, and
    `sent` how many shards have all their messages sent. `waits_for` is the run under way that has
    an item of this one, `final_jobs` how many final jobs the present claim has led to, `with_gaps`
    whether items with failed pages are published all the same. `trickles` tells that a message
    has reopened the run, so that nobody knows how many more will come. `fault` tells why its
    final job could not build the manifests. `wanted_workers` is what somebody has asked for since
    the run began; None means the plan's number.
    """

    run_id: str
    upload: Upload
    state: RunState
    plan: Plan | None = None
    errors: tuple[str, ...] = ()
    recorded: bool = False
    final_job: str | None = None
    final_jobs: int = 0
    claimed_at: int | None = None
    summary: Summary | None = None
    opened_at: int = 0
    opening: str = ""
    dispatched_at: int = 0
    sent: int = 0
    cancelled_at: int | None = None
    waits_for: str | None = None
    with_gaps: bool = False
    trickles: bool = False
    fault: str | None = None
    watch: Watch | None = None
    wanted_workers: int | None = None

    @property
    def workers(self) -> int:
        """Return how many workers are wanted; none for a rejected run."""
        if self.wanted_workers is not None:
            return self.wanted_workers
        return self.plan.workers if self.plan is not None else 0

    def holds_items(self, now: float) -> bool:
        """Tell whether its items may still be written to, by a worker of whatever state."""
        if self.cancelled_at is not None and self.state is RunState.CANCELLED:
            return now < self.cancelled_at + CANCEL_SECONDS
        return not self.state.ended


@dataclass(frozen=True, slots=True)
class WorkerJob:
    """One of a run's worker jobs: its number in the run, from 0, and its id in Batch.

    `retired` tells that it was asked to take no more pages.
    """

    index: int
    job_id: str
    retired: bool = False


@dataclass(frozen=True, slots=True)
class Counts:
    """How many pages of a run, or of one of its shards, stand where."""

    total: int = 0
    done: int = 0
    failed: int = 0

    @property
    def pending(self) -> int:
        """Return how many have no outcome yet."""
        return self.total - self.done - self.failed

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.total + other.total, self.done + other.done, self.failed + other.failed)


@dataclass(frozen=True, slots=True)
class TiledPage:
    """A finished page: pixels of the upright image, entries of `sizes`, files written.

    `reused` tells that the tiles of an earlier run were still right. `seconds` is wall time.
    `parts` is how many images the source has, where this is its first.
    """

    width: int
    height: int
    sizes: tuple[Size, ...]
    tiles: int
    seconds: float
    reused: bool = False
    parts: int = 1


@dataclass(frozen=True, slots=True)
class Page:
    """A page's row: its message, and the outcome once there is one.

    `parts` stands in the row of a source's first image: how many of its images the run counts.
    `attempts` is how often its message had been delivered by the outcome, `ended_at` the
    outcome's time in seconds since the epoch.
    """

    message: Message
    state: PageState = PageState.QUEUED
    tiled: TiledPage | None = None
    reason: str | None = None
    parts: int = 1
    attempts: int = 0
    ended_at: int = 0

    @property
    def shard(self) -> int:
        """Return the partition of the run that holds this row and counts it."""
        return shard_of(self.message.item, self.message.page)


def shard_of(item: str, page: int) -> int:
    """Return a source's partition, from 0, the same in every process and for all its images."""
    return crc32(f"{item}/{page}".encode()) % SHARDS
