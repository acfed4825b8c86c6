"""The embedded cloud as commands see it: they use the one in a folder, or start one for themselves.

A cloud that was started by a command ends, and saves its state, when no command uses it any more.
"""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore.config import Config

from console.cloud.child_environment import REGION
from console.cloud.folder import CloudFolder, Contact, open_folder
from console.cloud.resources import BUCKET, STACK_RESOURCES, TABLE, queue_urls
from console.deployment import Deployment
from console.errors import ConsoleError
from pipeline.environment import DEST_STORE, SOURCE_STORE
from pipeline.threads import MAX_THREADS

LOCAL = Config(
    retries={"mode": "standard", "max_attempts": 3},
    proxies={},
    max_pool_connections=MAX_THREADS,
)
STOP_SECONDS = 60
START_SECONDS = 30
LOOK_SECONDS = 0.05
RECONCILE_SECONDS = 30.0
"""More often than the template's rule has it: somebody sits there and waits."""
NEVER_SECONDS = 1e6
READY = b"ready\n"

FOLDER = "{bucket}"
"""A store's URL here: the task names folders."""
JOB_ENVIRONMENT: Mapping[str, str] = MappingProxyType(
    {
        SOURCE_STORE: FOLDER,
        DEST_STORE: FOLDER,
        "TILEPOOL_PROCESSES": "1",
        # A folder has no latency that others could hide.
        "TILEPOOL_IN_HAND": "1",
        "TILEPOOL_IDLE_SECONDS": "2",
        # So long a page waits when its worker was killed.
        "TILEPOOL_LEASE_SECONDS": "30",
    }
)


@dataclass(frozen=True, kw_only=True)
class EmbeddedCloud(Deployment):
    """A running embedded cloud, and the id of its process."""

    url: str
    access_key: str
    failed_uploads_queue: str
    logs: Path
    process: int


@contextmanager
def embedded_cloud(
    folder: Path,
    job_environment: Mapping[str, str] = JOB_ENVIRONMENT,
    reconcile_seconds: float = RECONCILE_SECONDS,
) -> Iterator[EmbeddedCloud]:
    """Use the cloud in a folder; start one on its state if there is none.

    Jobs of a cloud that is started get the variables given.
    """
    place = open_folder(folder)
    user = place.use()
    process = None
    try:
        contact, process = _reach(place, job_environment, reconcile_seconds)
        yield _cloud(place, contact)
    finally:
        os.close(user)
        if process is not None:
            _leave(place, process)


def _reach(
    place: CloudFolder, job_environment: Mapping[str, str], reconcile_seconds: float
) -> tuple[Contact, "subprocess.Popen[bytes] | None"]:
    """Return how to reach the folder's cloud, and its process if it had to be started."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        lock = place.lock()
        if lock is not None:
            try:
                return start_cloud(place, lock, job_environment, reconcile_seconds, kept=False)
            finally:
                os.close(lock)
        contact = place.contact()
        if contact is not None and _answers(contact):
            return contact, None
        # It is about to start or to end.
        if time.monotonic() > deadline:
            raise ConsoleError(f"the embedded cloud in {place.path} neither starts nor ends")
        time.sleep(LOOK_SECONDS)


def start_cloud(
    place: CloudFolder,
    lock: int,
    job_environment: Mapping[str, str],
    reconcile_seconds: float = RECONCILE_SECONDS,
    *,
    kept: bool,
) -> tuple[Contact, "subprocess.Popen[bytes]"]:
    """Start a cloud, in a process of its own, which gets the folder's lock; wait until it is up."""
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{os.getpid()}"
    logs = place.make_logs(name)
    with (logs / "cloud.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "console.cloud"],
            env={**os.environ, "PYTHONSAFEPATH": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            pass_fds=[lock],
            # Ctrl-C in the terminal is for the command; a cloud that is kept outlives it.
            start_new_session=True,
        )
    settings = {
        "folder": str(place.path),
        "logs": name,
        "environment": dict(job_environment),
        "kept": kept,
        "reconcile_seconds": reconcile_seconds,
    }
    assert process.stdin is not None  # noqa: S101  # both are pipes
    assert process.stdout is not None  # noqa: S101
    with process.stdin, process.stdout:
        try:
            process.stdin.write(json.dumps(settings).encode())
            process.stdin.close()
        except BrokenPipeError:
            pass  # it ended at once: what it says comes next
        told = process.stdout.readline()
    contact = place.contact()
    if told == READY and contact is not None:
        return contact, process
    process.wait()
    reason = told.decode().strip() or f"the embedded cloud did not start; see {logs / 'cloud.log'}"
    raise ConsoleError(reason)


def _answers(contact: Contact) -> bool:
    """Tell whether a cloud is there: what one that died has told may lie there for a moment."""
    address = urlsplit(contact.url)
    try:
        socket.create_connection((address.hostname, address.port), LOOK_SECONDS * 20).close()
    except OSError:
        return False
    return True


def let_live(process: "subprocess.Popen[bytes]") -> None:
    """Let a cloud outlive this command; should it end before, its end is taken note of."""
    threading.Thread(target=process.wait, daemon=True).start()


def _leave(place: CloudFolder, process: "subprocess.Popen[bytes]") -> None:
    """Wait for the end of the cloud that this command has started, unless others use it."""
    if place.used_by_others():
        let_live(process)
        return
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _cloud(place: CloudFolder, contact: Contact) -> EmbeddedCloud:
    queues = queue_urls(contact.url)
    return EmbeddedCloud(
        session=_session(contact.access_key),
        table=TABLE,
        queue_url=queues.pages,
        dead_letter_queue_url=queues.dead_letters,
        bucket=BUCKET,
        endpoint=contact.url,
        config=LOCAL,
        private=not contact.kept,
        resources=STACK_RESOURCES,
        url=contact.url,
        access_key=contact.access_key,
        failed_uploads_queue=queues.failed_uploads,
        logs=place.logs(contact.logs),
        process=contact.process,
    )


def _session(access_key: str) -> boto3.Session:
    """Return a session that knows the embedded cloud, and nothing of the user's AWS settings."""
    unset = (None, None, None, None)
    settings = {"profile": unset, "config_file": unset, "credentials_file": unset}
    return boto3.Session(
        access_key,
        access_key,
        region_name=REGION,
        botocore_session=botocore.session.Session(session_vars=settings),
    )
