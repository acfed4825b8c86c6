"""Ending a run's tiling: whoever sees the last outcome starts the final job, once."""

import time
from enum import Enum, auto

import structlog

from pipeline.batch import Jobs
from pipeline.ledger import Ledger
from pipeline.run import RunState

CLAIM_SECONDS = 60
"""A claim of the final job without a job for so long was made by a process that died."""

log = structlog.get_logger()


class Completion(Enum):
    """What a look at a run's counts led to."""

    PENDING = auto()
    """Pages are still waiting, or the dispatcher has yet to look."""
    STARTED = auto()
    """The final job has been submitted, now or before."""
    CLAIMED = auto()
    """Another process is about to submit it; look again after CLAIM_SECONDS."""


def complete_run(run_id: str, ledger: Ledger, jobs: Jobs, shard: int | None = None) -> Completion:
    """Submit the final job if the run has no page left, and nobody else has.

    With `shard`, the whole run is counted only if that shard is complete: of all workers only
    those that end a shard read all counters. May run any number of times.
    """
    if shard is not None and ledger.counts(run_id, shard).pending > 0:
        return Completion.PENDING
    if ledger.counts(run_id).pending > 0:
        return Completion.PENDING
    now = time.time()
    claimed = ledger.claim_final_job(run_id, now, now - CLAIM_SECONDS)
    run = ledger.load_run(run_id)
    if run is None or run.plan is None:
        return Completion.PENDING
    if claimed:
        job_id = jobs.submit_final(run_id, run.plan)
        ledger.note_final_job(run_id, job_id)
        log.info("final_job_submitted", run=run_id, job=job_id)
        return Completion.STARTED
    if run.state is RunState.BUILDING and run.final_job is None:
        return Completion.CLAIMED
    return Completion.PENDING if run.state is RunState.DISPATCHING else Completion.STARTED
