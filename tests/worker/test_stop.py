"""The worker as a process: however it is stopped, in time, and no image is lost."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import pyvips

from console.cloud.child_environment import child_environment
from console.embedded import EmbeddedCloud
from pipeline.run import Counts, Page, RunState
from tests.builders import a_message, a_plan, a_run, new_run_id
from tests.images import write_image
from tests.queues import SqsQueue, new_sqs_queue

STOP_SECONDS = 25
"""What is promised."""
PATIENCE_SECONDS = 60
LONG_LEASE_SECONDS = 600
SIGTERM_CAUGHT = 1 << (signal.SIGTERM - 1)


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker at work on a run of its own, in a session of its own."""

    process: "subprocess.Popen[bytes]"
    log: Path
    queue: SqsQueue
    cloud: EmbeddedCloud
    run_id: str
    dest: Path

    def events(self) -> list[str]:
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return [json.loads(line)["event"] for line in lines if line.startswith("{")]

    def await_true(self, what: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not what():
            assert time.monotonic() < deadline, self.log.read_text()
            assert self.process.poll() is None, self.log.read_text()
            threading.Event().wait(0.02)

    def await_tiling(self) -> None:
        """Wait until a tiling process has the page's source."""
        self.await_true(lambda: any(Path(self.dest.parent / "tmp").rglob("source")))

    @contextmanager
    def tiling_halted(self) -> Iterator[None]:
        """Halt all processes of the worker's but its own, so that the page in hand stays there."""
        others = [int(pid) for pid in living_in_session(self.process.pid)]
        others.remove(self.process.pid)
        for pid in others:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in others:
                os.kill(pid, signal.SIGCONT)

    def await_stop(self) -> None:
        """Expect that the worker leaves in time, as one that was told to, and nothing of it."""
        started = time.monotonic()
        assert self.process.wait(PATIENCE_SECONDS) == 0, self.log.read_text()
        assert time.monotonic() - started < STOP_SECONDS
        self.await_nobody()

    def await_nobody(self) -> None:
        """Expect that no process of the worker's session lives on."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while living_in_session(self.process.pid):
            assert time.monotonic() < deadline
            threading.Event().wait(0.02)

    def counts(self) -> Counts:
        return self.cloud.ledger.counts(self.run_id)


def living_in_session(session: int) -> list[str]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            state, _parent, _group, its_session = stat.read_text().rpartition(")")[2].split()[:4]
            if int(its_session) == session and state != "Z":
                found.append(stat.parent.name)
    return found


@contextmanager
def started(
    cloud: EmbeddedCloud, folder: Path, lease_seconds: int, **more: str
) -> Iterator[Worker]:
    """Start a worker on a run of one page, whose source a test may have written."""
    source, dest, tmp = folder / "source", folder / "dest", folder / "tmp"
    tmp.mkdir()
    queue = new_sqs_queue(cloud, lease_seconds)
    run_id = new_run_id()
    message = a_message(run_id, key="p1.tif")
    if (source / "p1.tif").exists():
        open_run(cloud, run_id, Page(message), source, dest)
        queue.send([message])
    environment = child_environment(os.environ, cloud.url, cloud.access_key) | {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "TMPDIR": str(tmp),
        "TILEPOOL_TABLE": cloud.table,
        "TILEPOOL_QUEUE_URL": queue.url,
        "TILEPOOL_DEAD_LETTER_QUEUE_URL": queue.dead_letter_url,
        "TILEPOOL_RUN_ID": run_id,
        "TILEPOOL_PROCESSES": "1",
        "TILEPOOL_GRACE_SECONDS": "1",
        "TILEPOOL_LEASE_SECONDS": str(lease_seconds),
        **more,
    }
    log = folder / "log"
    with (
        log.open("wb") as stderr,
        subprocess.Popen(
            [sys.executable, "-m", "worker"],
            env=environment,
            stderr=stderr,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield Worker(process, log, queue, cloud, run_id, dest)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def open_run(cloud: EmbeddedCloud, run_id: str, page: Page, source: Path, dest: Path) -> None:
    ledger = cloud.ledger
    ledger.open_run(a_run(run_id, a_plan(source, dest)))
    ledger.record_pages(run_id, [page])
    ledger.seal(run_id, [page])
    ledger.advance(run_id, RunState.DISPATCHING, RunState.TILING)


def write_slow(source: Path, side: int = 30_000) -> None:
    """Write an image that takes many seconds to tile."""
    pyvips.Image.black(side, side).write_to_file(str(source / "p1.tif"), compression="deflate")


@pytest.fixture
def folder(tmp_path: Path, source: Path, dest: Path) -> Path:
    """A folder with a source and a destination."""
    assert source.parent == dest.parent == tmp_path
    return tmp_path


def test_a_stop_while_the_worker_starts(cloud: EmbeddedCloud, folder: Path) -> None:
    with started(cloud, folder, LONG_LEASE_SECONDS) as worker:
        status = Path(f"/proc/{worker.process.pid}/status")

        def takes_signals() -> bool:
            fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
            return bool(int(fields["SigCgt"], 16) & SIGTERM_CAUGHT)

        worker.await_true(takes_signals)
        assert worker.events() == []
        worker.process.terminate()
        worker.await_stop()
        assert worker.events()[-1] == "worker_stopped"


def test_a_message_that_arrives_after_the_stop_is_there_for_others_at_once(
    cloud: EmbeddedCloud, folder: Path
) -> None:
    with started(cloud, folder, LONG_LEASE_SECONDS) as worker:
        worker.await_true(lambda: "worker_started" in worker.events())
        worker.process.terminate()
        worker.queue.put("late")
        worker.await_stop()
        delivery = worker.queue.receive(0)
        assert delivery is not None
        assert delivery.body == "late"


@pytest.mark.parametrize("whole_session", [False, True])
def test_a_page_that_takes_longer_than_the_grace_goes_back_at_once(
    cloud: EmbeddedCloud, folder: Path, source: Path, whole_session: bool
) -> None:
    write_slow(source)
    with started(cloud, folder, LONG_LEASE_SECONDS) as worker:
        worker.await_tiling()
        send = os.killpg if whole_session else os.kill
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
            send(worker.process.pid, signum)
        worker.await_stop()
        assert worker.counts() == Counts(1, 0, 0)
        assert worker.queue.depth() == (1, 0)
        assert list((folder / "tmp").iterdir()) == []


def test_a_page_that_is_through_within_the_grace_is_recorded(
    cloud: EmbeddedCloud, folder: Path, source: Path
) -> None:
    write_slow(source, side=8_000)
    grace = {"TILEPOOL_GRACE_SECONDS": str(PATIENCE_SECONDS)}
    with started(cloud, folder, LONG_LEASE_SECONDS, **grace) as worker:
        worker.await_tiling()
        os.killpg(worker.process.pid, signal.SIGTERM)
        assert worker.process.wait(PATIENCE_SECONDS) == 0
        assert worker.counts() == Counts(1, 1, 0)
        worker.await_nobody()


def test_a_worker_that_hangs_in_the_network_leaves_in_time(
    cloud: EmbeddedCloud, folder: Path, source: Path
) -> None:
    write_slow(source)
    with started(cloud, folder, LONG_LEASE_SECONDS) as worker:
        worker.await_tiling()
        os.kill(cloud.process, signal.SIGSTOP)
        try:
            worker.process.terminate()
            worker.await_stop()
        finally:
            os.kill(cloud.process, signal.SIGCONT)
        assert worker.events()[-1] == "stop_forced"


def test_a_killed_worker_takes_its_tiling_processes_along_and_its_message_comes_back(
    cloud: EmbeddedCloud, folder: Path, source: Path
) -> None:
    write_slow(source)
    with started(cloud, folder, lease_seconds=3) as worker:
        worker.await_tiling()
        worker.process.kill()
        worker.process.wait()
        worker.await_nobody()
        assert worker.queue.receive(15) is not None


def test_a_lost_lease_ends_its_page_and_nothing_is_reported(
    cloud: EmbeddedCloud, folder: Path, source: Path
) -> None:
    write_slow(source)
    idle = {"TILEPOOL_IDLE_SECONDS": "1"}
    with started(cloud, folder, lease_seconds=3, **idle) as worker:
        worker.await_tiling()
        worker.queue.client.purge_queue(QueueUrl=worker.queue.url)  # another has completed it
        assert worker.process.wait(PATIENCE_SECONDS) == 0
        assert worker.events()[1:4] == ["lease_lost", "outcome_dropped", "worker_stopped"]
        assert worker.counts() == Counts(1, 0, 0)
        assert list(worker.dest.rglob("info.json")) == []


def test_a_worker_on_a_machine_that_cannot_tile_ends_with_a_fault_and_charges_no_page(
    cloud: EmbeddedCloud, folder: Path, source: Path
) -> None:
    write_image(source / "p1.tif")
    memory = {"TILEPOOL_MEMORY_BYTES": "1000"}
    with started(cloud, folder, LONG_LEASE_SECONDS, **memory) as worker:
        assert worker.process.wait(PATIENCE_SECONDS) == 1
        delivery = worker.queue.receive(0)
        assert delivery is not None
        assert delivery.attempt == 1


def test_a_retired_worker_finishes_the_page_in_hand_and_takes_no_other(
    cloud: EmbeddedCloud, folder: Path, source: Path
) -> None:
    write_slow(source, side=8_000)
    with started(cloud, folder, LONG_LEASE_SECONDS, TILEPOOL_WORKER="3") as worker:
        worker.await_tiling()
        with worker.tiling_halted():
            assert cloud.ledger.add_worker_job(worker.run_id, 3, "its job")
            assert cloud.ledger.retire_worker(worker.run_id, 3)
            worker.await_true(lambda: "worker_retired" in worker.events())
            worker.queue.put("late")
            assert worker.counts() == Counts(1, 0, 0)
        assert worker.process.wait(PATIENCE_SECONDS) == 0, worker.log.read_text()
        worker.await_nobody()
        assert worker.counts() == Counts(1, 1, 0)
        assert worker.events()[1:3] == ["worker_retired", "page_done"]
        assert '"retired": true' in worker.log.read_text().splitlines()[-1]
        delivery = worker.queue.receive(0)
        assert delivery is not None
        assert (delivery.body, delivery.attempt) == ("late", 1)


def test_a_worker_that_was_retired_before_it_began_takes_nothing(
    cloud: EmbeddedCloud, folder: Path, source: Path
) -> None:
    write_image(source / "p1.tif")
    run_id = new_run_id()
    cloud.ledger.add_worker_job(run_id, 0, "its job")
    cloud.ledger.retire_worker(run_id, 0)
    itself = {"TILEPOOL_RUN_ID": run_id, "TILEPOOL_WORKER": "0"}
    with started(cloud, folder, LONG_LEASE_SECONDS, **itself) as worker:
        assert worker.process.wait(PATIENCE_SECONDS) == 0, worker.log.read_text()
        assert worker.events() == ["worker_started", "worker_retired", "worker_stopped"]
        delivery = worker.queue.receive(0)
        assert delivery is not None
        assert delivery.attempt == 1
