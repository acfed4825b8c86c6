"""Where a run stands, and what to do next."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from console import pace
from console.errors import shown
from console.failures import Failure, failure_of, line
from console.job_view import JobView
from console.plain import counted, say, spoken
from pipeline.run import Counts, Page, Run, RunState, Summary

if TYPE_CHECKING:
    from rich.console import Console

MAX_SHOWN = 20
MAX_LAST_ERRORS = 5
MAX_REASON_CHARACTERS = 300
RETIRING = "retiring"


@dataclass(frozen=True, slots=True)
class Status:
    """A run with its counts and its jobs.

    Of the workers that live the `retired` leave when they have finished what they have in hand.
    `rate` is in images per second, None where it is not known. Of the pages that failed `failures`
    has some of the last, newest first.
    """

    run: Run
    counts: Counts
    workers: tuple[JobView, ...] = ()
    final_job: JobView | None = None
    retired: frozenset[str] = frozenset()
    rate: float | None = None
    failures: tuple[Page, ...] = ()

    @property
    def worker_states(self) -> Counter[str]:
        """Return how many workers Batch has in each state, and how many retire."""
        return Counter(
            RETIRING if worker.lives and worker.job_id in self.retired else worker.status.lower()
            for worker in self.workers
        )

    @property
    def eta_seconds(self) -> float | None:
        """Return in how many seconds the last image ends, if all goes on like this."""
        return pace.eta_seconds(self.counts, self.rate)

    @property
    def wanted_workers(self) -> int | None:
        """Return how many workers the run is to have as long as it has pages to do."""
        return self.run.workers if self.run.plan is not None else None

    @property
    def last_errors(self) -> list[Failure]:
        """Return what there is to say of the last failed pages; long reasons are cut."""
        pages = self.failures[:MAX_LAST_ERRORS]
        return [failure_of(replace(page, reason=_cut(page.reason or ""))) for page in pages]


def next_steps(status: Status, name: str | None = None, options: str = "") -> list[str]:
    """Return what an operator can do.

    `name` (else the run's id) and `options` stand in the commands that are named.
    """
    run, failed = status.run, counted(status.counts.failed, "failed page")

    def command(verb: str, more: str = "") -> str:
        return f"`tilepool {verb} {name or run.run_id}{more}{options}`"

    match run.state:
        case RunState.DISPATCHING if run.waits_for:
            steps = [f"waits for run {run.waits_for}, which has some of its items, to end"]
        case RunState.TILING if not any(worker.lives for worker in status.workers):
            steps = [f"no worker of it lives: `tilepool reconcile{options}` starts some if need be"]
        case RunState.BUILDING if status.final_job is not None and not status.final_job.lives:
            cause = "repair that" if run.fault else "see its log"
            steps = [f"its final job ended in a fault: {cause}, then {command('manifests')}"]
        case RunState.CANCELLED:
            steps = [f"{command('resume')} takes it up again"]
        case RunState.REJECTED:
            steps = ["correct the task file and upload it again"]
        case RunState.DONE_WITH_FAILURES:
            steps = [
                f"{command('failed')} names {failed}",
                f"repair the sources, then {command('replay')}",
            ]
            if not run.with_gaps:
                steps.append(f"or publish with gaps: {command('finalize', ' --with-gaps')}")
        case _:
            steps = []
    return steps


def status_as_json(status: Status, options: str = "", indent: int | None = 2) -> str:
    """Return an object, in ASCII; on one line without an indent."""
    run, eta = status.run, status.eta_seconds
    told: dict[str, Any] = {
        "run": run.run_id,
        "state": run.state.value,
        "task": f"{run.upload.bucket}/{run.upload.key}",
        "uploaded": run.upload.time,
        "collection": run.plan.collection if run.plan else None,
        "counts": asdict(status.counts) | {"pending": status.counts.pending},
        "rate_per_minute": None if status.rate is None else round(60 * status.rate, 2),
        "eta_seconds": None if eta is None else round(eta),
        "wanted_workers": status.wanted_workers,
        "workers": dict(status.worker_states),
        "final_job": asdict(status.final_job) if status.final_job else None,
        "waits_for": run.waits_for if run.state is RunState.DISPATCHING else None,
        "with_gaps": run.with_gaps,
        "summary": asdict(run.summary) if run.summary else None,
        "fault": run.fault,
        "errors": list(run.errors),
        "last_errors": [asdict(failure) for failure in status.last_errors],
        "next": next_steps(status, options=options),
    }
    return json.dumps(told, indent=indent)


def show_status(console: "Console", status: Status, options: str = "") -> None:
    """Print a status in a few lines."""
    for text in status_lines(status, options):
        say(console, text)


def status_lines(status: Status, options: str = "") -> list[str]:
    """Return a status in a few lines, as they may be shown."""
    steps = (("next", step) for step in next_steps(status, options=options))
    named = [f"  {name:<11}{text}" for name, text in (*_lines(status), *steps)]
    first = f"{status.run.run_id}: {spoken(status.run.state.value)}"
    return [shown(text) for text in (first, *named)]


def status_line(status: Status) -> str:
    """Return how far a run has come, in one line."""
    waits = f", waits for run {status.run.waits_for}" if _waits(status.run) else ""
    pace_parts = [f"{name} {text}" for name, text in _pace(status)]
    images = [_images(status.counts)] if status.counts.total else []
    return ", ".join([f"{spoken(status.run.state.value)}{waits}", *images, *pace_parts])


def _lines(status: Status) -> Iterator[tuple[str, str]]:
    run = status.run
    yield "task", f"{run.upload.bucket}/{run.upload.key}, uploaded {run.upload.time}"
    if run.plan is not None:
        yield "images", _images(status.counts)
    yield from _pace(status)
    if status.workers:
        states = sorted(status.worker_states.items())
        yield "workers", ", ".join(f"{number} {state}" for state, number in states)
    if run.wanted_workers is not None and not run.state.ended:
        yield "wanted", counted(run.wanted_workers, "worker")
    if status.final_job is not None:
        yield from _final_job(status.final_job)
    if run.fault is not None:
        yield "fault", run.fault
    if run.summary is not None:
        yield from _published(run.summary)
    for error in run.errors[:MAX_SHOWN]:
        yield "mistake", error
    for failure in status.last_errors:
        yield "last error", line(failure)


def _pace(status: Status) -> Iterator[tuple[str, str]]:
    if status.rate is not None:
        yield "rate", f"{60 * status.rate:,.1f} images/min"
    if status.eta_seconds is not None:
        yield "eta", pace.spoken_seconds(status.eta_seconds)


def _waits(run: Run) -> bool:
    return run.state is RunState.DISPATCHING and run.waits_for is not None


def _cut(text: str) -> str:
    return text if len(text) <= MAX_REASON_CHARACTERS else f"{text[:MAX_REASON_CHARACTERS]}…"


def _final_job(job: JobView) -> Iterator[tuple[str, str]]:
    reason = f" ({job.reason})" if job.reason else ""
    yield "final job", f"{job.status.lower()}{reason}"
    if job.log:
        yield "its log", job.log


def _published(summary: Summary) -> Iterator[tuple[str, str]]:
    yield "manifests", f"{summary.items}" + (", with gaps" if summary.with_gaps else "")
    for item in summary.withheld[:MAX_SHOWN]:
        yield "withheld", f"{item}: no manifest, pages failed"
    yield "collection", summary.collection_url


def _images(counts: Counts) -> str:
    failed = f", {counts.failed:,} failed" if counts.failed else ""
    pending = f", {counts.pending:,} to do" if counts.pending else ""
    return f"{counts.done:,} of {counts.total:,} done{failed}{pending}"
