"""One pass of the reconciler, by hand."""

from dataclasses import replace
from itertools import islice

from console.deployment import Deployment
from console.embedded import FOLDER
from console.errors import ConsoleError
from console.redrive import await_workers
from dispatcher.check import ON_BUCKETS, StoreForms
from dispatcher.dispatch import Dispatcher
from dispatcher.reconcile import MAX_LOOKED_AT, Limits, Reconciler
from dispatcher.tasks import S3TaskFiles
from pipeline.completion import complete_run
from pipeline.pool import living_jobs


def build_dispatcher(place: Deployment) -> Dispatcher:
    """Return a dispatcher that works here instead of in Lambda."""
    is_embedded = place.endpoint is not None
    return Dispatcher(
        tasks=S3TaskFiles(place.s3),
        ledger=place.ledger,
        outbox=place.outbox,
        jobs=place.jobs,
        stores=StoreForms(FOLDER, FOLDER) if is_embedded else ON_BUCKETS,
        stack=place.resources,
    )


def await_unexpected(place: Deployment) -> None:
    """Wait for workers that were started for messages of no run under way; they would end with us.

    What they have reopened is built, as the queue is empty then.
    """
    under_way = set(place.ledger.open_runs())
    run_ids = islice((run for run in place.ledger.runs() if run not in under_way), MAX_LOOKED_AT)
    served = [run for run in run_ids if living_jobs(run, place.ledger, place.jobs)]
    await_workers(place, served)
    for run_id in place.ledger.open_runs() if served else ():
        complete_run(run_id, place.ledger, place.jobs, is_quiet=True)


def reconcile(place: Deployment, *, at_once: bool = False) -> None:
    """Do one pass; `at_once` takes for stuck what stands still now, and not for minutes.

    What was given up before is tried anew. Raises ConsoleError where a run could not be brought
    forward.
    """
    limits = Limits(tries_anew=True)
    if at_once:
        limits = replace(limits, dispatch_seconds=0, confirm_seconds=0)
    reconciler = Reconciler(
        dispatcher=build_dispatcher(place),
        ledger=place.ledger,
        outbox=place.outbox,
        dead_letters=place.dead_letters,
        jobs=place.jobs,
        limits=limits,
    )
    try:
        reconciler.reconcile()
    except ExceptionGroup as faults:
        first = " ".join(str(faults.exceptions[0]).split())
        raise ConsoleError(f"not all could be brought forward: {first}") from faults
