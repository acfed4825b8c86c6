"""The worker's entry point: `python -m worker`. Exit code 0, also after SIGTERM.

Signals are taken before the libraries are loaded, for that takes a second, and Batch may stop a
job at any time.
"""

import os
import signal
import threading
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipeline.environment import Environment
    from worker.loop import Slot
    from worker.processes import TilingProcess

PROCESSES = "TILEPOOL_PROCESSES"
MEMORY_BYTES = "TILEPOOL_MEMORY_BYTES"
IDLE_SECONDS = "TILEPOOL_IDLE_SECONDS"
LEASE_SECONDS = "TILEPOOL_LEASE_SECONDS"
GRACE_SECONDS = "TILEPOOL_GRACE_SECONDS"
PAGE_SECONDS = "TILEPOOL_PAGE_SECONDS"
BACKOFF_SECONDS = "TILEPOOL_BACKOFF_SECONDS"

LAST_SECONDS = 8
"""After the grace, to give back what is in hand; then the worker ends, even if the network hangs
and messages come back by their leases alone."""


class Stop(threading.Event):
    """Set by the first SIGTERM or SIGINT, to which further ones add nothing; or by a fault."""

    def __init__(self) -> None:
        super().__init__()
        self.by_signal = False
        # Python calls handlers in the main thread alone, when that next does something; another
        # thread may have taken the signal that would have woken it. The byte always arrives.
        self._taken, told = os.pipe()
        os.set_blocking(told, False)
        signal.set_wakeup_fd(told, warn_on_full_buffer=False)
        threading.Thread(target=self._watch, name="signals", daemon=True).start()
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, lambda _signum, _frame: None)

    def _watch(self) -> None:
        os.read(self._taken, 1)
        self.by_signal = True
        self.set()


def main() -> None:
    """Drain the queue until it has stayed empty, or until SIGTERM."""
    stop = Stop()
    # One image per core beats one image on all cores; the tiling processes inherit this.
    os.environ["VIPS_CONCURRENCY"] = "1"

    import structlog

    from pipeline.environment import Environment
    from pipeline.logs import configure_logging

    configure_logging()
    log = structlog.get_logger()
    environment = Environment(os.environ)
    processes = _processes(environment)

    def end() -> None:
        log.warning("stop_forced")
        os._exit(0 if stop.by_signal else 1)

    grace_seconds = environment.whole(GRACE_SECONDS, 15)
    hurry = threading.Thread(target=_hurry, args=[stop, grace_seconds, processes, end], daemon=True)
    hurry.start()
    log.info("worker_started", processes=len(processes))
    _serve(environment, processes, stop)
    log.info("worker_stopped", by_signal=stop.by_signal)


def _processes(environment: "Environment") -> "list[TilingProcess]":
    from worker import processes

    page_seconds = environment.whole(PAGE_SECONDS, 3600, least=1)
    memory_bytes = environment.whole(MEMORY_BYTES, processes.MEMORY_BYTES, least=1)
    count = environment.whole(PROCESSES, os.cpu_count() or 1, least=1)
    return [processes.TilingProcess(page_seconds, memory_bytes) for _ in range(count)]


def _hurry(
    stop: Stop,
    grace_seconds: int,
    processes: "Sequence[TilingProcess]",
    end: "Callable[[], None]",
) -> None:
    """After a stop, end pages that take longer than the grace, then the worker."""
    stop.wait()
    for_ever = threading.Event()
    for_ever.wait(grace_seconds)
    for process in processes:
        process.stop()
    for_ever.wait(LAST_SECONDS)
    end()


def _serve(environment: "Environment", processes: "Sequence[TilingProcess]", stop: Stop) -> None:
    """Serve the queue with a slot for each process."""
    import boto3
    from botocore.config import Config

    from pipeline.batch import BatchJobs
    from pipeline.completion import CLAIM_SECONDS
    from pipeline.dead_letters import SqsDeadLetters
    from pipeline.dynamo_ledger import DynamoLedger
    from pipeline.environment import CLAIM_SECONDS as CLAIM_VARIABLE
    from pipeline.environment import DEAD_LETTER_QUEUE_URL, QUEUE_URL, TABLE
    from pipeline.outbox import SqsOutbox
    from worker.desk import FIRST_BACKOFF_SECONDS, Delays, Desk
    from worker.heartbeat import CALL_LEAST_SECONDS, CALLS_PER_LEASE, Heartbeat
    from worker.inbox import SqsInbox
    from worker.loop import Patience, Slot
    from worker.recall import Recall

    lease_seconds = environment.whole(LEASE_SECONDS, 120, least=3)
    config = Config(
        retries={"mode": "standard", "max_attempts": 5},
        max_pool_connections=2 * len(processes) + 2,
    )
    # The next beat is its retry.
    call_seconds = max(CALL_LEAST_SECONDS, lease_seconds / CALLS_PER_LEASE)
    brief = Config(
        retries={"mode": "standard", "total_max_attempts": 1},
        connect_timeout=call_seconds,
        read_timeout=call_seconds,
    )
    sqs, queue_url = boto3.client("sqs", config=config), environment.text(QUEUE_URL)
    inbox = SqsInbox(sqs, queue_url, lease_seconds)
    beats = SqsInbox(boto3.client("sqs", config=brief), queue_url, lease_seconds)
    dead_letters = SqsDeadLetters(sqs, environment.text(DEAD_LETTER_QUEUE_URL))
    ledger = DynamoLedger(boto3.client("dynamodb", config=config), environment.text(TABLE))
    jobs = BatchJobs(boto3.client("batch", config=config))
    delays = Delays(
        environment.whole(BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS),
        environment.whole(CLAIM_VARIABLE, CLAIM_SECONDS),
    )
    patience = Patience(
        idle_seconds=environment.whole(IDLE_SECONDS, 60),
        lease_seconds=lease_seconds,
        hidden_seconds=max(lease_seconds, delays.longest),
    )
    with Heartbeat(beats, lease_seconds) as heartbeat, Recall(ledger.load_run) as recall:
        slots = []
        for process in processes:
            outbox = SqsOutbox(sqs, queue_url)
            desk = Desk(ledger, outbox, dead_letters, jobs, process, delays=delays)
            slots.append(Slot(inbox, desk, process, heartbeat, recall, patience, stop))
        _run(slots, stop)


def _run(slots: "Sequence[Slot]", stop: Stop) -> None:
    """Run each slot in a thread of its own; a fault of one ends all, and is raised."""
    with ThreadPoolExecutor(len(slots), "slot") as threads:
        runs = [threads.submit(slot.run) for slot in slots]
        wait(runs, return_when=FIRST_EXCEPTION)
        faults = [run for run in runs if run.done() and run.exception()]
        if faults:
            stop.set()
    for fault in faults:
        fault.result()


if __name__ == "__main__":
    main()
