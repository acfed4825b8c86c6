"""Every few minutes: bring forward each run that is stuck because a process died at a bad moment.

May run at any time, several times at once, and be cut off anywhere. Each action is one log event.
"""

import itertools
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol

import structlog

from dispatcher.burials import Burials
from pipeline.batch import Jobs
from pipeline.completion import CLAIM_SECONDS, Completion, complete_run, submit_again
from pipeline.dead_letters import DeadLetters
from pipeline.ledger import Ledger
from pipeline.outbox import Depth, Outbox
from pipeline.pool import Pool, look_at_pool, start_workers
from pipeline.run import Counts, PageState, Run, RunState, Upload, Watch

DISPATCH_SECONDS = 960
"""A run that is dispatched for so long has been cut off: a Lambda has 900 s at most. One that has
been handed over, as it takes more, is dispatched for ever."""
CONFIRM_SECONDS = 300
"""A run that has not moved for so long may lack messages; the queue's numbers lag by a minute."""
PASS_SECONDS = 240
MAX_RESTARTS = 3
"""Workers that are started so often without any progress would not help the next time either."""
MAX_RESENDS = 3
"""Without any progress; each may be followed by as many restarts."""
MAX_FINAL_JOBS = 3
MAX_SENT_AGAIN = 1_000
MAX_LOOKED_AT = 50
MAX_TRIED_RUNS = 3
"""For workers that nobody expects: where those of so many runs have failed, others would too."""
MAX_FAILED_WORKERS = 10
"""So many failures in a row, and there is half a day between two more."""

log = structlog.get_logger()


class Dispatching(Protocol):
    """What the reconciler asks of the dispatcher."""

    def dispatch(self, upload: Upload) -> str:
        """Take up the run of an upload."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How patient the reconciler is."""

    dispatch_seconds: int = DISPATCH_SECONDS
    confirm_seconds: int = CONFIRM_SECONDS
    pass_seconds: int = PASS_SECONDS
    claim_seconds: int = CLAIM_SECONDS
    tries_anew: bool = False
    """Whether what was given up before is tried anew, as somebody asks for it who may have
    removed the cause."""


@dataclass(frozen=True, slots=True)
class Reconciler:
    """Looks at the open runs and the dead letters, and does what somebody left undone."""

    dispatcher: Dispatching
    ledger: Ledger
    outbox: Outbox
    dead_letters: DeadLetters
    jobs: Jobs
    limits: Limits = field(default_factory=Limits)
    now: Callable[[], float] = time.time

    def reconcile(self) -> None:
        """Do one pass. A fault with one run keeps back no other; all are raised at the end."""
        deadline = self.now() + self.limits.pass_seconds
        faults: list[Exception] = []
        burials = Burials(self.ledger, self.outbox, self.dead_letters, self.jobs)
        half_time = self.now() + self.limits.pass_seconds / 2
        self._guarded(lambda: burials.reconcile(lambda: self.now() > half_time), faults)
        scene = self._look()
        for run in scene.runs:
            if self.now() > deadline:
                log.warning("reconciling_cut_off")
                break
            with structlog.contextvars.bound_contextvars(run=run.run_id):
                self._guarded(lambda run=run: self._bring_forward(run, scene), faults)  # type: ignore[misc]
        if not scene.counts and scene.depth.waiting > 0:
            self._guarded(self._serve_what_nobody_expects, faults)
        if faults:
            raise ExceptionGroup("not all could be reconciled", faults)

    def _guarded(self, action: Callable[[], None], faults: list[Exception]) -> None:
        try:
            action()
        except Exception as fault:
            log.exception("reconciling_failed")
            faults.append(fault)

    def _look(self) -> "Scene":
        runs = list(self._open_runs())
        # Another order each time: one that takes long must not keep back the same ones always.
        random.shuffle(runs)
        counts = {
            run.run_id: self.ledger.counts(run.run_id)
            for run in runs
            if run.state is RunState.TILING
        }
        # Last, for what was settled meanwhile was deleted after it was counted.
        return Scene(tuple(runs), counts, self.outbox.depth())

    def _open_runs(self) -> Iterator[Run]:
        for run_id in self.ledger.open_runs():
            run = self.ledger.load_run(run_id)
            if run is not None:
                yield run

    def _bring_forward(self, run: Run, scene: "Scene") -> None:
        if run.state is RunState.DISPATCHING:
            self._dispatch(run)
        elif run.state is RunState.BUILDING:
            self._build(run)
        elif run.state is RunState.TILING and run.plan is not None:
            watch = self._watched(run, scene.counts[run.run_id])
            if watch.counts.pending > 0:
                self._tile(run, watch, scene)
            else:
                self._complete(run, is_quiet=self._is_still(watch) or sum(scene.depth) == 0)

    def _complete(self, run: Run, *, is_quiet: bool) -> None:
        completion = complete_run(
            run.run_id,
            self.ledger,
            self.jobs,
            claim_seconds=self.limits.claim_seconds,
            is_quiet=is_quiet,
        )
        if completion is Completion.STARTED:
            log.warning("run_completed")

    def _dispatch(self, run: Run) -> None:
        if run.waits_for is not None and self._is_at_work(run.waits_for):
            return  # Looking at the whole source again would only tell the same.
        if run.waits_for or run.dispatched_at < self.now() - self.limits.dispatch_seconds:
            log.warning("run_dispatched_again", waited_for=run.waits_for)
            self.dispatcher.dispatch(run.upload)

    def _is_at_work(self, run_id: str) -> bool:
        other = self.ledger.load_run(run_id)
        return other is not None and other.state in {RunState.TILING, RunState.BUILDING}

    def _build(self, run: Run) -> None:
        if run.final_job is not None and self.jobs.living([run.final_job]):
            return
        is_given_up = run.final_jobs >= MAX_FINAL_JOBS and not self.limits.tries_anew
        if run.final_job is not None and is_given_up:
            log.error("final_job_given_up", job=run.final_job, tried=run.final_jobs)
            return
        patience = self.limits.claim_seconds
        completion = submit_again(run, run.final_job, self.ledger, self.jobs, patience)
        if completion is Completion.STARTED:
            log.warning("final_job_again", dead=run.final_job)

    def _watched(self, run: Run, counts: Counts) -> Watch:
        """Return since when a run has had these counts, and remember it."""
        is_the_same = run.watch is not None and run.watch.counts == counts
        watch = run.watch if run.watch and is_the_same else Watch(int(self.now()), counts)
        if self.limits.tries_anew:
            watch = replace(watch, restarts=0, resends=0)
        if watch != run.watch:
            self.ledger.note_watch(run.run_id, watch)
        return watch

    def _is_still(self, watch: Watch) -> bool:
        return watch.since <= self.now() - self.limits.confirm_seconds

    def _tile(self, run: Run, watch: Watch, scene: "Scene") -> None:
        if sum(scene.depth) > 0:
            watch = self._keep_workers(run.run_id, watch, scene)
        if self._is_still(watch) and sum(scene.depth) < scene.pending:
            self._send_again(run, watch)

    def _keep_workers(self, run_id: str, watch: Watch, scene: "Scene") -> Watch:
        """Start workers that are missing, as many as wanted now, but no more than pages."""
        pool = look_at_pool(run_id, self.ledger, self.jobs)
        run = self.ledger.load_run(run_id)
        if run is None or run.state is not RunState.TILING:
            return watch
        missing = min(run.workers, watch.counts.pending) - len(pool.living)
        if pool.living and missing > 0:
            # The others may be enough for what waits, of whatever run.
            coming = self.jobs.unstarted([job.job_id for job in pool.living])
            missing = min(missing, scene.unserved - len(coming))
        return self._restart(run, missing, watch, pool, scene) if missing > 0 else watch

    def _restart(self, run: Run, count: int, watch: Watch, pool: Pool, scene: "Scene") -> Watch:
        # The last is kept for when nobody lives any more.
        if watch.restarts >= MAX_RESTARTS - bool(pool.living):
            if not pool.living:
                log.error("workers_given_up", restarts=watch.restarts)
            return watch
        # Noted first: a pass that is cut off must not start workers for ever.
        again = replace(watch, restarts=watch.restarts + 1)
        self.ledger.note_watch(run.run_id, again)
        scene.started += len(start_workers(run, count, self.ledger, self.jobs, pool.noted))
        return again

    def _send_again(self, run: Run, watch: Watch) -> None:
        if watch.resends >= MAX_RESENDS:
            log.error("messages_given_up", resends=watch.resends)
            return
        queued = self.ledger.pages(run.run_id, PageState.QUEUED)
        pages = itertools.islice(queued, MAX_SENT_AGAIN)
        sent = self.outbox.send(page.message for page in pages)
        # These may need workers, so those that were started before are forgotten.
        again = Watch(int(self.now()), watch.counts, resends=watch.resends + 1)
        self.ledger.note_watch(run.run_id, again)
        log.warning("messages_sent_again", messages=sent)

    def _serve_what_nobody_expects(self) -> None:
        """Start a worker for messages that wait while no run is tiling: after a redrive by hand.

        Whichever run it is started for, it serves them all, and reopens the runs it meets. One of
        which all workers fail may have a broken job definition: others are tried, and it again
        after some time.
        """
        given_up = []
        for run_id in itertools.islice(self.ledger.runs(), MAX_LOOKED_AT):
            run = self.ledger.load_run(run_id)
            if run is None or run.plan is None or run.state is RunState.DISPATCHING:
                continue  # one that is being dispatched is about to have workers of its own
            if look_at_pool(run_id, self.ledger, self.jobs).living:
                return
            if self.limits.tries_anew or self._may_start_another(run):
                start_workers(run, 1, self.ledger, self.jobs)
                return
            given_up.append(run_id)
            if len(given_up) == MAX_TRIED_RUNS:
                break
        if given_up:
            log.error("messages_without_workers", runs=given_up)

    def _may_start_another(self, run: Run) -> bool:
        """Tell whether a worker may be started after the last; each that fails doubles the wait.

        Those that the run has had by itself do not count: to cancel it ends them all in a fault.
        """
        noted = self.ledger.worker_jobs(run.run_id)
        later = [job.job_id for job in noted if not job.retired][run.workers :]
        last = later[: -MAX_FAILED_WORKERS - 1 : -1]
        submitted = self.jobs.failed(last)
        failed = len(list(itertools.takewhile(submitted.__contains__, last)))
        if failed < MAX_RESTARTS:
            return True
        wait = self.limits.confirm_seconds << (failed - MAX_RESTARTS)
        return submitted[last[0]] + wait < self.now()


@dataclass(slots=True)
class Scene:
    """The open runs, the counts of those that are tiling, and the queue, at about one moment.

    `started` counts the workers that were started since.
    """

    runs: tuple[Run, ...]
    counts: dict[str, Counts]
    depth: Depth
    started: int = 0

    @property
    def unserved(self) -> int:
        """Return how many messages wait that none of the started workers has been started for."""
        return max(0, self.depth.waiting - self.started)

    @property
    def pending(self) -> int:
        """Return how many pages of all runs have a message, or should."""
        return sum(counts.pending for counts in self.counts.values())
