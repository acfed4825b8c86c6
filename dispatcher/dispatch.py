"""From one upload to a run under way, in steps that may each be cut off and run again.

    open ─► take items ─► record rows ─► seal totals ─► send messages ─► submit workers ─► tiling

Rows and totals are written before the first message, so a count is complete before anything can
be subtracted from it. A repeated send makes duplicates, which the ledger absorbs. A run whose
items another run is at stays where it is; the reconciler dispatches it again. So it does where
the time of an invocation is over: the ledger tells how far it has come.
"""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from dispatcher.check import ON_BUCKETS, StoreForms, check_task, resolve_stores
from dispatcher.deadline import NEVER, Deadline, OutOfTime
from dispatcher.expand import Expansion
from dispatcher.resources import UNKNOWN, StackResources, resolve_resources
from dispatcher.sending import send_pages
from dispatcher.tasks import TaskFiles
from pipeline.announcements import SILENT, Announcements, announce_end
from pipeline.batch import Jobs
from pipeline.completion import CLAIM_SECONDS, complete_run
from pipeline.errors import BadTask, TransientError
from pipeline.ledger import Ledger
from pipeline.outbox import Outbox
from pipeline.pool import start_workers
from pipeline.run import Plan, Run, RunState, Upload, derive_run_id
from pipeline.task import Task, parse_task

DEFAULT_WORKERS = 4
MAX_KEPT_ERRORS = 100

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """Opens runs and brings them under way."""

    tasks: TaskFiles
    ledger: Ledger
    outbox: Outbox
    jobs: Jobs
    stores: StoreForms = ON_BUCKETS
    claim_seconds: int = CLAIM_SECONDS
    stack: StackResources = UNKNOWN
    announcements: Announcements = SILENT
    deadline: Deadline = NEVER

    def dispatch(self, upload: Upload) -> str:
        """Start the run of an upload, or take it up where it was cut off; return its id.

        Of a run that is under way only the end is looked to, and one that is over is left alone.
        A bad task becomes a rejected run. Where the time is over, the run is handed over.
        """
        body = self.tasks.read(upload)
        try:
            task = parse_task(body)
        except BadTask as error:
            return self._reject(upload, derive_run_id("", upload), error)
        run_id = derive_run_id(task.job_name, upload)
        with structlog.contextvars.bound_contextvars(run=run_id):
            run = self.ledger.load_run(run_id)
            if run is not None and run.state is not RunState.DISPATCHING:
                log.info("run_known", state=run.state)
                if run.state is RunState.REJECTED:
                    # This may be Lambda's retry of one that was cut off before it announced it.
                    announce_end(run, self.announcements)
                elif not run.state.ended:
                    complete_run(run_id, self.ledger, self.jobs, claim_seconds=self.claim_seconds)
                return run_id
            try:
                if self._prepare(task, upload, run):
                    self.start(run_id)
            except BadTask as error:
                return self._reject(upload, run_id, error)
            except OutOfTime:
                self.ledger.note_dispatch(run_id, 0)
                log.info("run_handed_over")
        return run_id

    def _prepare(self, task: Task, upload: Upload, run: Run | None) -> bool:
        """Open the run and record its pages, unless that has been done; tell whether it is."""
        run_id = derive_run_id(task.job_name, upload)
        if run is not None and run.recorded:
            self.ledger.note_dispatch(run_id, int(time.time()))
            return True
        stores = resolve_stores(task, self.stores)
        resources = resolve_resources(task, self.stack)
        expansion = check_task(run_id, task, stores, resources, self.jobs)
        plan = Plan(
            collection=task.collection,
            job_queue=resources.queue,
            job_definition=resources.definition,
            manifest_job_definition=resources.manifest_definition,
            source_store=stores.source,
            dest_store=stores.dest,
            csv_key=task.csv_key,
            layout=task.layout,
            options=task.options,
            workers=_workers(task.workers or DEFAULT_WORKERS, expansion),
            defaults=task.defaults,
        )
        opening = _opening(plan, expansion)
        now = int(time.time())
        before = self.ledger.load_run(run_id)
        goes_on = before is not None and before.opening == opening
        opened = Run(
            run_id,
            upload,
            RunState.DISPATCHING,
            plan,
            opened_at=before.opened_at if before is not None and goes_on else now,
            opening=opening,
            dispatched_at=now,
            # A run that waits, or was cut off, may have been asked for more or fewer meanwhile.
            wanted_workers=before.wanted_workers if before is not None else None,
        )
        if not self.ledger.open_run(opened):
            return True
        log.info(
            "run_opened",
            pages=len(expansion),
            other_files=expansion.other_files,
            goes_on=goes_on,
        )
        if self._is_blocked(run_id, plan, expansion.items):
            return False
        # Both refuse once the run is sealed, or has been opened for another listing: the same
        # event, delivered twice, may be served elsewhere at this moment. The rows of whoever
        # opened last are the ones that count.
        if self.ledger.record_pages(run_id, expansion.pages(), opening, self.deadline.check):
            self.ledger.seal(run_id, expansion.pages(), opening)
        return True

    def _is_blocked(self, run_id: str, plan: Plan, items: Sequence[str]) -> bool:
        """Tell whether another run is at one of the items: two would mix their tiles."""
        blocking = sorted(self.ledger.take_items(run_id, plan.export, items))
        if blocking:
            self.ledger.note_waiting(run_id, blocking[0])
            log.info("run_waits", for_runs=blocking)
        return bool(blocking)

    def start(self, run_id: str) -> None:
        """Send the messages of a sealed run's queued pages, and submit its workers.

        One that is not sealed, or not dispatched any more, is left alone: it was cancelled, or is
        served elsewhere at this moment.
        """
        run = self.ledger.load_run(run_id)
        if run is None or run.plan is None:
            raise TransientError(f"{run_id}: its row is gone")
        if run.state is not RunState.DISPATCHING or not run.recorded:
            log.info("run_not_started", state=run.state)
            return
        sent = send_pages(run, self.ledger, self.outbox, self.deadline)
        started = self._start_workers(run_id, run.plan)
        self.ledger.advance(run_id, RunState.DISPATCHING, RunState.TILING)
        # Workers of another run may have taken every message before the line above.
        complete_run(run_id, self.ledger, self.jobs, claim_seconds=self.claim_seconds)
        log.info("run_dispatched", messages=sent, workers=started)

    def _start_workers(self, run_id: str, plan: Plan) -> int:
        """Start the workers that are missing; return how many the run has had by then."""
        # Somebody may have asked for another number while the messages were sent.
        run = self.ledger.load_run(run_id)
        if run is None:
            raise TransientError(f"{run_id}: its row is gone")
        wanted = min(run.workers, max(self.ledger.counts(run_id).total, plan.workers))
        noted = len(self.ledger.worker_jobs(run_id))
        return noted + len(start_workers(run, wanted - noted, self.ledger, self.jobs, noted))

    def _reject(self, upload: Upload, run_id: str, error: BadTask) -> str:
        errors = error.errors
        if len(errors) > MAX_KEPT_ERRORS:
            more = f"… and {len(errors) - MAX_KEPT_ERRORS} more"
            errors = (*errors[:MAX_KEPT_ERRORS], more)
        self.ledger.open_run(Run(run_id, upload, RunState.REJECTED, errors=errors))
        log.warning("run_rejected", run=run_id, errors=errors)
        run = self.ledger.load_run(run_id)
        # One that another invocation has brought under way meanwhile stays as it is.
        if run is not None and run.state is RunState.REJECTED:
            announce_end(run, self.announcements)
        return run_id


def _workers(asked: int, expansion: Expansion) -> int:
    """Return how many workers to start: no more than images, but a PDF may hold any number."""
    return asked if expansion.has_pdf else min(asked, len(expansion))


def _opening(plan: Plan, expansion: Expansion) -> str:
    """Return what tells that another dispatch would write the very same rows, for the same plan."""
    return hashlib.sha256(f"{plan} {expansion.digest()}".encode()).hexdigest()
