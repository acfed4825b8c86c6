"""Where a run stands, and what to do next."""

import json
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from console.job_view import JobView
from console.plain import counted, say, spoken
from pipeline.run import Counts, Run, RunState

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
            steps = [f"waits until run {run.waits_for} has ended, which has some of its items"]
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
    run = status.run

    def line(name: str, text: str) -> None:
        say(console, f"  {name:<11}{text}")

    say(console, f"{run.run_id}: {spoken(run.state.value)}")
    line("task", f"{run.upload.bucket}/{run.upload.key}, uploaded {run.upload.time}")
    if run.plan is not None:
        line("images", _images(status.counts))
    if status.workers:
        states = sorted(status.worker_states.items())
        line("workers", ", ".join(f"{number} {state}" for state, number in states))
    if status.final_job is not None:
        reason = f" ({status.final_job.reason})" if status.final_job.reason else ""
        line("final job", f"{status.final_job.status.lower()}{reason}")
        if status.final_job.log:
            line("its log", status.final_job.log)
    if run.fault is not None:
        line("fault", run.fault)
    if run.plan is not None and run.summary is not None:
        line("manifests", f"{run.summary.items}" + (", with gaps" if run.summary.with_gaps else ""))
        line("collection", run.summary.collection_url)
    for error in run.errors[:MAX_SHOWN]:
        line("mistake", error)
    for step in next_steps(status, options=options):
        line("next", step)


def _images(counts: Counts) -> str:
    failed = f", {counts.failed:,} failed" if counts.failed else ""
    pending = f", {counts.pending:,} to do" if counts.pending else ""
    return f"{counts.done:,} of {counts.total:,} done{failed}{pending}"
