"""Where a run stands, and what to do next."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from console.job_view import JobView
from console.plain import counted, say, spoken
from pipeline.run import Counts, Run, RunState, Summary

if TYPE_CHECKING:
    from rich.console import Console

MAX_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Status:
    """A run with its counts and its jobs."""

    run: Run
    counts: Counts
    workers: tuple[JobView, ...] = ()
    final_job: JobView | None = None

    @property
    def worker_states(self) -> Counter[str]:
        """Return how many workers Batch has in each state."""
        return Counter(worker.status.lower() for worker in self.workers)


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


def status_as_json(status: Status, options: str = "") -> str:
    """Return an object, in ASCII."""
    run = status.run
    told: dict[str, Any] = {
        "run": run.run_id,
        "state": run.state.value,
        "task": f"{run.upload.bucket}/{run.upload.key}",
        "uploaded": run.upload.time,
        "collection": run.plan.collection if run.plan else None,
        "counts": asdict(status.counts) | {"pending": status.counts.pending},
        "workers": dict(status.worker_states),
        "final_job": asdict(status.final_job) if status.final_job else None,
        "waits_for": run.waits_for if run.state is RunState.DISPATCHING else None,
        "with_gaps": run.with_gaps,
        "summary": asdict(run.summary) if run.summary else None,
        "fault": run.fault,
        "errors": list(run.errors),
        "next": next_steps(status, options=options),
    }
    return json.dumps(told, indent=2)


def show_status(console: "Console", status: Status, options: str = "") -> None:
    """Print a status in a few lines."""
    say(console, f"{status.run.run_id}: {spoken(status.run.state.value)}")
    lines = [*_lines(status), *(("next", step) for step in next_steps(status, options=options))]
    for name, text in lines:
        say(console, f"  {name:<11}{text}")


def _lines(status: Status) -> Iterator[tuple[str, str]]:
    run = status.run
    yield "task", f"{run.upload.bucket}/{run.upload.key}, uploaded {run.upload.time}"
    if run.plan is not None:
        yield "images", _images(status.counts)
    if status.workers:
        states = sorted(status.worker_states.items())
        yield "workers", ", ".join(f"{number} {state}" for state, number in states)
    if status.final_job is not None:
        yield from _final_job(status.final_job)
    if run.fault is not None:
        yield "fault", run.fault
    if run.summary is not None:
        yield from _published(run.summary)
    for error in run.errors[:MAX_SHOWN]:
        yield "mistake", error


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
