"""An embedded cloud behind the proxy, with the run that chaos is let loose on.

The suite itself asks the cloud directly; every process that it or the cloud starts asks the proxy.
"""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from console.cloud.child_environment import child_environment
from console.cloud.folder import Contact, open_folder
from console.embedded import NEVER_SECONDS, EmbeddedCloud, embedded_cloud
from pipeline.environment import DEAD_LETTER_QUEUE_URL, QUEUE_URL, TABLE
from pipeline.layout import Layout
from pipeline.run import PageState, Run, RunState, Upload, derive_run_id
from pipeline.task import Options
from tests.builders import ENVIRONMENT, task_body
from tests.chaos.archive import CSV_KEY, Archive
from tests.chaos.chaos import Chaos
from tests.chaos.hands import Hands
from tests.chaos.processes import ROLE, Census, Role
from tests.chaos.proxy import Proxy
from tests.chaos.strikes import Scale
from tests.chaos.witness import Witness

SOURCE, DEST = ENVIRONMENT["AWS_SRC_BUCKET"], ENVIRONMENT["AWS_DEST_BUCKET"]
TASK_KEY = "chaos/task"
"""Without `.json`: its upload triggers nothing, the suite delivers the event itself."""
OPTIONS = Options(tile_size=256)
LAYOUT = Layout(
    f"{ENVIRONMENT['DEST_PREFIX']}/{ENVIRONMENT['COLLECTION_IDENTIFIER']}", ENVIRONMENT["DEST_URL"]
)
QUICK = {
    "TILEPOOL_PROCESSES": "2",
    "TILEPOOL_IDLE_SECONDS": "1",
    "TILEPOOL_LEASE_SECONDS": "8",
    "TILEPOOL_GRACE_SECONDS": "2",
    "TILEPOOL_PAGE_SECONDS": "12",
    "TILEPOOL_MEMORY_BYTES": "300000000",
    "TILEPOOL_CLAIM_SECONDS": "3",
    "TILEPOOL_CONFIRM_SECONDS": "20",
    "TILEPOOL_DISPATCH_SECONDS": "30",
}
RECONCILE = {"tilepool": "reconcile"}
HOPELESS_SECONDS = 900
"""Nothing takes so long; it only ends a suite that would never end."""
LOOK_SECONDS = 0.2
PULSE_SECONDS = 4
MAX_INVOCATIONS = 60


@dataclass
class Arena:
    """A cloud, the proxy before it, and a run."""

    cloud: EmbeddedCloud
    operator: Path
    """A folder in which commands find the cloud, but by way of the proxy."""
    proxy: Proxy
    chaos: Chaos
    archive: Archive
    scale: Scale
    environment: dict[str, str]
    random: Random
    disturbed: bool

    @property
    def run_id(self) -> str:
        return derive_run_id("job1", self._upload)

    @property
    def run(self) -> Run | None:
        return self.cloud.ledger.load_run(self.run_id)

    def prepare(self) -> None:
        """Make the buckets, and put scans, CSV and task into them."""
        for bucket in (SOURCE, DEST):
            self.cloud.s3.create_bucket(Bucket=bucket)
        for key in (*self.archive.keys, CSV_KEY):
            self.put_source(key, self.archive.file(key))
        options = {"tileSize": OPTIONS.tile_size}
        body = task_body(workers=self.scale.workers, options=options)
        self.cloud.s3.put_object(Bucket=self.cloud.bucket, Key=TASK_KEY, Body=body)

    def let_verify(self, set_variable: Callable[[str, str], None]) -> None:
        """Have this process's own reading of `s3://` go to the cloud, past the proxy."""
        variables = child_environment({}, self.cloud.url, self.cloud.access_key)
        for name, value in variables.items():
            set_variable(name, value)

    def put_source(self, key: str, file: Path) -> None:
        """Put a file into the source bucket."""
        self.cloud.s3.put_object(Bucket=SOURCE, Key=key, Body=file.read_bytes())

    def remove_missing(self) -> None:
        """Remove what is to be missing when a worker looks for it."""
        for key in self.archive.missing:
            self.cloud.s3.delete_object(Bucket=SOURCE, Key=key)

    def dispatch(self) -> None:
        """Deliver the upload's event until it is served, at times twice at once."""
        event = {"Records": [_record(self._upload)]}
        for _ in range(MAX_INVOCATIONS):
            if self._invoke_some(event, Role.DISPATCHER):
                return
        raise AssertionError("the event was never served")

    def replay(self) -> None:
        """Have an operator replay the run's failed pages, again until the command succeeds."""
        command = ["replay", self.run_id, "--dir", str(self.operator)]
        for _ in range(MAX_INVOCATIONS):
            self.await_so(lambda: self.run is not None and self.run.state is not RunState.BUILDING)
            if self._run(["console", *command], Role.OPERATOR):
                return
        raise AssertionError("the command never succeeded")

    def _invoke_some(self, event: dict[str, Any], role: Role) -> bool:
        """Invoke once, or twice at once; tell whether any ended well."""
        times = self.random.randint(1, 2) if self.disturbed else 1
        with ThreadPoolExecutor(times) as threads:
            return any(list(threads.map(lambda _: self.invoke(event, role), range(times))))

    def invoke(self, event: dict[str, Any], role: Role = Role.DISPATCHER) -> bool:
        """Invoke the dispatcher's handler in a process; tell whether it ended well."""
        return self._run(["console.cloud.function"], role, json.dumps(event).encode())

    def _run(self, command: list[str], role: Role, given: bytes = b"") -> bool:
        with (self.cloud.logs / f"{role.name.lower()}.log").open("ab") as log:
            done = subprocess.run(
                [sys.executable, "-m", *command],
                env=self._environment | {ROLE: role},
                input=given,
                stdout=log,
                stderr=log,
                check=False,
            )
        return done.returncode == 0

    @contextmanager
    def reconciling(self) -> Iterator[None]:
        """Invoke the reconciler again and again, at times twice at once."""
        stop = threading.Event()

        def invoke_often() -> None:
            while not stop.wait(PULSE_SECONDS):
                self._invoke_some(RECONCILE, Role.RECONCILER)

        thread = threading.Thread(target=invoke_often, name="reconciling")
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def release_letters(self) -> None:
        """Give back the dead letters of processes that were killed, as time would in the end."""
        for handle in self.chaos.letters:
            with contextlib.suppress(ClientError):  # most were given back, or deleted
                self.cloud.sqs.change_message_visibility(
                    QueueUrl=self.cloud.dead_letter_queue_url,
                    ReceiptHandle=handle,
                    VisibilityTimeout=0,
                )

    def await_so(self, is_so: Callable[[], bool]) -> None:
        """Look until something is so."""
        pause, started = threading.Event(), time.monotonic()
        while not is_so():
            assert time.monotonic() - started < HOPELESS_SECONDS, self.describe()
            assert Path(f"/proc/{self.cloud.process}").exists(), "the embedded cloud has died"
            pause.wait(LOOK_SECONDS)

    def describe(self) -> str:
        """Return where everything stands, for people who look why it does not move."""
        ledger = self.cloud.ledger
        queued = [row.message.place for row in ledger.pages(self.run_id, PageState.QUEUED)]
        return (
            f"{self.run}\n{ledger.counts(self.run_id)}\nqueued: {queued[:10]}\n"
            f"messages: {self.cloud.outbox.depth()}, dead: {self.cloud.dead_letters.depth()}\n"
            f"jobs: {self.living_jobs()}\nleft: {self.chaos.left}\nlogs: {self.cloud.logs}"
        )

    def living_jobs(self) -> list[str]:
        """Return the names of the jobs that have not ended."""
        alive = []
        for status in ("SUBMITTED", "RUNNING"):
            answer = self.cloud.batch.list_jobs(jobQueue="any", jobStatus=status)
            alive += [job["jobName"] for job in answer["jobSummaryList"]]
        return alive

    @property
    def _upload(self) -> Upload:
        return Upload(self.cloud.bucket, TASK_KEY, "0055AED6DCD90281E5", "2026-03-01T12:00:00.000Z")

    @property
    def _environment(self) -> dict[str, str]:
        environment = child_environment(os.environ, self.proxy.url, self.cloud.access_key)
        return environment | {
            TABLE: self.cloud.table,
            QUEUE_URL: self.cloud.queue_url,
            DEAD_LETTER_QUEUE_URL: self.cloud.dead_letter_queue_url,
            **self.environment,
        }


def _record(upload: Upload) -> dict[str, Any]:
    stored = {"key": upload.key, "sequencer": upload.sequencer}
    return {
        "eventTime": upload.time,
        "s3": {"bucket": {"name": upload.bucket}, "object": stored},
    }


@contextmanager
def _seen_through(proxy: Proxy, cloud: EmbeddedCloud, path: Path) -> Iterator[Path]:
    """Make a folder that says of the cloud that it is where the proxy is."""
    folder = open_folder(path)
    lock = folder.lock()
    assert lock is not None
    folder.tell_contact(Contact(proxy.url, cloud.access_key, cloud.process, kept=True, logs="none"))
    yield path
    os.close(lock)


@contextmanager
def open_arena(archive: Archive, folder: Path, scale: Scale, seed: int | None) -> Iterator[Arena]:
    """Start proxy and cloud, the one knowing the other; put everything in its place."""
    chaos = Chaos(
        SOURCE, DEST, Hands(set(archive.poison)), Witness(LAYOUT, OPTIONS), Random(f"{seed} chaos")
    )
    with Proxy(chaos) as proxy:
        chaos.census = Census(proxy.url, proxy.port)
        environment = QUICK | {
            "AWS_ENDPOINT_URL": proxy.url,
            "TILEPOOL_BACKOFF_SECONDS": str(scale.backoff_seconds),
        }
        with (
            # The suite has it reconcile, more often than the cloud's own schedule would.
            embedded_cloud(folder, environment, NEVER_SECONDS) as cloud,
            _seen_through(proxy, cloud, folder / "operator") as operator,
        ):
            address = urlsplit(cloud.url)
            assert address.hostname is not None
            assert address.port is not None
            proxy.upstream = address.hostname, address.port
            arena = Arena(
                cloud,
                operator,
                proxy,
                chaos,
                archive,
                scale,
                environment,
                Random(f"{seed} arena"),
                seed is not None,
            )
            arena.prepare()
            chaos.before_workers = arena.remove_missing
            yield arena
        assert proxy.faults == []
