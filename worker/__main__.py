"""The worker's entry point: `python -m worker`. Exit code 0, also after SIGTERM."""

import os
import signal
import threading
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

import boto3
import structlog
from botocore.config import Config

from pipeline.batch import BatchJobs
from pipeline.dead_letters import SqsDeadLetters
from pipeline.dynamo_ledger import DynamoLedger
from pipeline.environment import DEAD_LETTER_QUEUE_URL, QUEUE_URL, TABLE, Environment
from pipeline.logs import configure_logging
from pipeline.outbox import SqsOutbox
from worker.desk import MAX_HIDDEN_SECONDS, Desk
from worker.inbox import SqsInbox
from worker.loop import Patience, Slot
from worker.processes import TilerProcesses

PROCESSES = "TILEPOOL_PROCESSES"
IDLE_SECONDS = "TILEPOOL_IDLE_SECONDS"
LEASE_SECONDS = "TILEPOOL_LEASE_SECONDS"
GRACE_SECONDS = "TILEPOOL_GRACE_SECONDS"
PAGE_SECONDS = "TILEPOOL_PAGE_SECONDS"

log = structlog.get_logger()


def main() -> None:
    """Drain the queue until it has stayed empty, or until SIGTERM."""
    configure_logging()
    # One image per core beats one image on all cores; the tiling processes inherit this.
    os.environ["VIPS_CONCURRENCY"] = "1"
    environment = Environment(os.environ)
    processes = environment.whole(PROCESSES, os.cpu_count() or 1, least=1)
    grace_seconds = environment.whole(GRACE_SECONDS, 15)
    stop = threading.Event()
    with TilerProcesses(processes, environment.whole(PAGE_SECONDS, 3600, least=1)) as tiler:

        def stop_gracefully(_signal: int, _frame: object) -> None:
            if not stop.is_set():
                stop.set()
                grace = threading.Timer(grace_seconds, tiler.stop)
                grace.daemon = True
                grace.start()

        signal.signal(signal.SIGTERM, stop_gracefully)
        signal.signal(signal.SIGINT, stop_gracefully)
        log.info("worker_started", processes=processes)
        _serve(_slot(environment, processes, tiler, stop), processes, stop)
    log.info("worker_stopped", by_signal=stop.is_set())


def _slot(
    environment: Environment, processes: int, tiler: TilerProcesses, stop: threading.Event
) -> Slot:
    config = Config(
        retries={"mode": "standard", "max_attempts": 5}, max_pool_connections=2 * processes + 2
    )
    lease_seconds = environment.whole(LEASE_SECONDS, 120, least=3)
    sqs, queue_url = boto3.client("sqs", config=config), environment.text(QUEUE_URL)
    inbox = SqsInbox(sqs, queue_url, lease_seconds)
    dead_letters = SqsDeadLetters(sqs, environment.text(DEAD_LETTER_QUEUE_URL))
    ledger = DynamoLedger(boto3.client("dynamodb", config=config), environment.text(TABLE))
    jobs = BatchJobs(boto3.client("batch", config=config))
    desk = Desk(ledger, SqsOutbox(sqs, queue_url), dead_letters, jobs, tiler)
    patience = Patience(
        idle_seconds=environment.whole(IDLE_SECONDS, 60),
        lease_seconds=lease_seconds,
        hidden_seconds=max(lease_seconds, MAX_HIDDEN_SECONDS),
    )
    return Slot(inbox, desk, patience, stop)


def _serve(slot: Slot, count: int, stop: threading.Event) -> None:
    """Run the slot in so many threads; a fault of one ends all, and is raised."""
    with ThreadPoolExecutor(count, "slot") as threads:
        slots = [threads.submit(slot.run) for _ in range(count)]
        wait(slots, return_when=FIRST_EXCEPTION)
        faults = [done for done in slots if done.done() and done.exception()]
        if faults:
            stop.set()
    for fault in faults:
        fault.result()


if __name__ == "__main__":
    main()
