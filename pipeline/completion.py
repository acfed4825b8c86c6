"""Ending a run's tiling: whoever sees the last outcome starts the final job, once."""

import time
from collections.abc import Collection
from enum import Enum, auto

import structlog

from pipeline.batch import Jobs
from pipeline.ledger import Ledger
from pipeline.run import Run, RunState

CLAIM_SECONDS = 60
"""A claim of the final job without a job for so long was made by a process that died."""

log = structlog.get_logger()


class Completion(Enum):
    """What a look at a run's counts led to."""

    PENDING = auto()
    """Pages are still waiting, or the dispatcher has yet to look."""
    STARTED = auto()
    """The final job has been submitted, now or before, or is not wanted any more."""
    CLAIMED = auto()
    """Another process is about to submit it; look again when its claim is old."""


def complete_run(
    run_id: str,
    ledger: Ledger,
    jobs: Jobs,
    shards: Collection[int] | None = None,
    claim_seconds: int = CLAIM_SECONDS,
    *,
    is_quiet: bool = False,
) -> Completion:
    """Submit the final job if the run has no page left, and nobody else has.

    With `shards`, the whole run is counted only if one of them is complete: of all workers only
    those that end a shard read all counters. A claim is old after `claim_seconds`. May run any
    number of times.
    """
    if shards is not None and all(c.pending > 0 for c in ledger.shard_counts(run_id, shards)):
        return Completion.PENDING
    everything = ledger.shard_counts(run_id)
    if not everything or any(counts.pending > 0 for counts in everything):
        return Completion.PENDING
    if ledger.claim_final_job(run_id, everything, time.time(), is_quiet=is_quiet):
        return _submit(run_id, ledger, jobs)
    run = ledger.load_run(run_id)
    if run is None or run.state in (RunState.DISPATCHING, RunState.TILING):
        return Completion.PENDING
    if run.state is RunState.BUILDING and run.final_job is None:
        return submit_again(run, None, ledger, jobs, claim_seconds)
    return Completion.STARTED


def submit_again(
    run: Run, dead: str | None, ledger: Ledger, jobs: Jobs, claim_seconds: int = CLAIM_SECONDS
) -> Completion:
    """Submit the final job of a run that is building once more, should its claim be old.

    `dead` is its job that has ended without the run's end, None where none was noted: then one
    that was submitted all the same, by a process that died before it could note it, is noted.
    """
    now = time.time()
    stale_before = now - claim_seconds
    if dead is None and run.claimed_at is not None and run.claimed_at < stale_before:
        submitted = jobs.find_final(run)
        if submitted is not None:
            ledger.note_final_job(run.run_id, submitted)
            return Completion.STARTED
    if ledger.reclaim_final_job(run.run_id, dead, now, stale_before):
        return _submit(run.run_id, ledger, jobs)
    return Completion.CLAIMED if dead is None else Completion.STARTED


def rebuild(run_id: str, ledger: Ledger, jobs: Jobs, *, with_gaps: bool) -> bool:
    """Submit the final job of a run that was built; tell whether it was."""
    if not ledger.claim_rebuild(run_id, time.time(), with_gaps=with_gaps):
        return False
    _submit(run_id, ledger, jobs)
    return True


def _submit(run_id: str, ledger: Ledger, jobs: Jobs) -> Completion:
    run = ledger.load_run(run_id)
    if run is None:
        return Completion.PENDING
    if run.state is not RunState.BUILDING:
        return Completion.STARTED  # cancelled a moment ago
    job_id = jobs.submit_final(run)
    ledger.note_final_job(run_id, job_id)
    log.info("final_job_submitted", run=run_id, job=job_id)
    return Completion.STARTED
