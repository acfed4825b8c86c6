"""The worker's entry point: `python -m worker`. Exit code 0, also after SIGTERM, or retired.

Exit code 2 where a variable is missing or wrong.
Signals are taken before the libraries are loaded, for that takes a second, and Batch may stop a
job at any time.
"""

import os
import signal
import sys
import threading
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipeline.ledger import Ledger
    from worker.loop import Slot
    from worker.processes import TilingProcess
    from worker.retirement import Retirement
    from worker.settings import Settings

LAST_SECONDS = 8
"""After the grace, to give back what is in hand; then the worker ends, even if the network hangs
and messages come back by their leases alone."""

TILING_VARIABLES = {
    # One image per core beats one image on all cores.
    "VIPS_CONCURRENCY": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # Memory that is used again and again should not be asked of the system each time: mallopt(3).
    # But bands of giants are given back, or they leave gaps that nothing else fills.
    "MALLOC_MMAP_THRESHOLD_": "4194304",
    "MALLOC_TRIM_THRESHOLD_": "134217728",
}
"""What the tiling processes inherit."""


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
    os.environ.update(TILING_VARIABLES)

    from worker.forking import load_libraries

    unwritable: OSError | None = None
    try:
        load_libraries()
    except OSError as error:
        # To be told with a log.
        unwritable = error

    import structlog

    from pipeline.environment import EXIT_CODE, BadEnvironment
    from pipeline.logs import configure_logging
    from worker.settings import read_settings

    configure_logging()
    log = structlog.get_logger()
    try:
        settings = read_settings(os.environ, os.cpu_count() or 1)
    except BadEnvironment as error:
        log.error("bad_environment", mistakes=error.mistakes)  # noqa: TRY400  # it tells all
        sys.exit(EXIT_CODE)

    if unwritable is not None:
        # What processes are forked from listens on a socket there, or in /tmp for a long path.
        mistake = f"TMPDIR: expected a folder that can be written to ({unwritable})"
        log.error("bad_environment", mistakes=[mistake])
        sys.exit(EXIT_CODE)

    def end() -> None:
        log.warning("stop_forced")
        os._exit(0 if stop.by_signal else 1)

    processes = _processes(settings)
    hurried = [stop, settings.grace_seconds, processes, end]
    hurry = threading.Thread(target=_hurry, args=hurried, daemon=True)
    hurry.start()
    log.info("worker_started", processes=settings.processes, in_hand=len(processes))
    retired = _serve(settings, processes, stop)
    log.info("worker_stopped", by_signal=stop.by_signal, retired=retired)


def _processes(settings: "Settings") -> "list[TilingProcess]":
    """Return the tiling processes: those that begin, then those that take turns with them."""
    from worker.processes import TilingProcess

    cores = [threading.Lock() for _ in range(settings.processes)]
    return [
        TilingProcess(settings.page_seconds, settings.memory_bytes, turn=core)
        for core in cores * settings.in_hand
    ]


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


def _serve(settings: "Settings", processes: "Sequence[TilingProcess]", stop: Stop) -> bool:
    """Serve the queue with a slot for each process; tell whether the worker was retired."""
    import boto3
    from botocore.config import Config

    from pipeline.batch import BatchJobs
    from pipeline.dead_letters import SqsDeadLetters
    from pipeline.dynamo_ledger import DynamoLedger
    from pipeline.outbox import SqsOutbox
    from pipeline.threads import MAX_THREADS
    from worker.closing import Closer, Closing
    from worker.desk import Delays, Desk
    from worker.heartbeat import CALL_LEAST_SECONDS, CALLS_PER_LEASE, Heartbeat
    from worker.inbox import SqsInbox
    from worker.loop import Patience, Relay, Slot
    from worker.recall import Recall

    lease_seconds = settings.lease_seconds
    config = Config(
        retries={"mode": "standard", "max_attempts": 5},
        max_pool_connections=max(MAX_THREADS, 2 * len(processes) + 2),
    )
    # The next beat is its retry.
    call_seconds = max(CALL_LEAST_SECONDS, lease_seconds / CALLS_PER_LEASE)
    brief = Config(
        retries={"mode": "standard", "total_max_attempts": 1},
        connect_timeout=call_seconds,
        read_timeout=call_seconds,
    )
    sqs, queue_url = boto3.client("sqs", config=config), settings.queue_url
    inbox = SqsInbox(sqs, queue_url, lease_seconds)
    beats = SqsInbox(boto3.client("sqs", config=brief), queue_url, lease_seconds)
    dead_letters = SqsDeadLetters(sqs, settings.dead_letter_queue_url)
    ledger = DynamoLedger(boto3.client("dynamodb", config=config), settings.table)
    jobs = BatchJobs(boto3.client("batch", config=config))
    delays = Delays(settings.backoff_seconds, settings.claim_seconds)
    patience = Patience(
        idle_seconds=settings.idle_seconds,
        lease_seconds=lease_seconds,
        hidden_seconds=max(lease_seconds, delays.longest),
    )
    with (
        Heartbeat(beats, lease_seconds) as heartbeat,
        Closing(Closer(ledger, jobs, inbox, delays.claim).close, heartbeat) as closing,
        Recall(ledger.load_run) as recall,
        _retirement(settings, ledger) as retirement,
    ):
        outbox = SqsOutbox(sqs, queue_url)
        desk = Desk(ledger, outbox, dead_letters, closing, delays=delays)
        slots: list[Slot] = []
        for number, process in enumerate(processes):
            begins = number < settings.processes
            before = None if begins else slots[number - settings.processes].relay.after
            slots.append(
                Slot(
                    inbox,
                    desk,
                    process,
                    heartbeat,
                    recall,
                    closing,
                    patience,
                    stop,
                    retirement.told,
                    Relay(before),
                )
            )
        _run(slots, stop)
        return retirement.told.is_set()


def _retirement(settings: "Settings", ledger: "Ledger") -> "Retirement":
    """Return the look at this worker's job; one that was started by hand is none of a run."""
    from worker.retirement import Retirement

    run_id, index = settings.run_id, settings.index
    if not run_id or index is None:
        return Retirement(None)
    return Retirement(lambda: ledger.is_retired(run_id, index))


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
