"""The embedded cloud's process: `python -m console.cloud`.

Reads its settings, JSON, from standard input; writes a line when it is ready, or one that says why
it cannot be; ends at SIGTERM or, if it is not kept, when nobody uses its folder any more.
"""

import json
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from console.cloud.batch import BatchService, LocalBatch
from console.cloud.child_environment import child_environment
from console.cloud.folder import CloudFolder, Contact
from console.cloud.function import Function
from console.cloud.keeper import Keeper
from console.cloud.resources import STACK_VARIABLES, TABLE, create_resources
from console.cloud.schedule import Schedule
from console.cloud.server import CloudServer
from console.cloud.uploads import UploadTrigger
from console.errors import ConsoleError
from pipeline.environment import DEAD_LETTER_QUEUE_URL, QUEUE_URL
from pipeline.environment import TABLE as TABLE_VARIABLE


@dataclass(frozen=True, slots=True)
class Settings:
    """What the cloud is started with; its folder is locked already."""

    folder: CloudFolder
    logs: str
    environment: Mapping[str, str]
    kept: bool
    reconcile_seconds: float


def main() -> None:
    """Serve until told to stop."""
    given: dict[str, Any] = json.load(sys.stdin)
    settings = Settings(**given | {"folder": CloudFolder(Path(given["folder"]))})
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    try:
        with tempfile.TemporaryDirectory(prefix="tilepool-scratch-") as scratch:
            # A job that is killed cannot tidy up after itself.
            serve(settings, {**settings.environment, "TMPDIR": scratch}, stop)
    except ConsoleError as error:
        _tell(str(error))
        sys.exit(error.exit_code)


def serve(settings: Settings, job_environment: Mapping[str, str], stop: threading.Event) -> None:
    """Start everything, say where, and wait for the stop."""
    folder, logs = settings.folder, settings.folder.logs(settings.logs)
    with CloudServer() as server:
        environment = child_environment(os.environ, server.url, server.access_key)
        # boto3 reads this process's own: nothing of the user's AWS settings may stay.
        os.environ.clear()
        os.environ.update(environment)
        keeper = Keeper(folder, server.one_at_a_time)
        state = keeper.load()
        queues = create_resources()
        keeper.restore(state)
        server.tell(keeper.notice)
        environment |= {
            TABLE_VARIABLE: TABLE,
            QUEUE_URL: queues.pages,
            DEAD_LETTER_QUEUE_URL: queues.dead_letters,
            **job_environment,
        }
        batch = LocalBatch(environment, logs)
        server.mount_batch(BatchService(batch).application)
        function = Function({**STACK_VARIABLES, **environment}, logs / "dispatcher.log")
        trigger = UploadTrigger(boto3.client("sqs"), queues.uploads, function, stop.set)
        # A command may have but come to look: it is not for its cloud to take up what was cut off.
        schedule = Schedule(function, settings.reconcile_seconds, at_once=settings.kept)
        trigger.start()
        schedule.start()
        folder.tell_contact(
            Contact(server.url, server.access_key, os.getpid(), settings.kept, settings.logs)
        )
        _tell("ready")
        if not settings.kept:
            threading.Thread(target=_await_disuse, args=[folder, stop], daemon=True).start()
        keeper.save_regularly(stop)
        folder.forget_contact()
        trigger.close()
        schedule.close()
        batch.close()
    # Nobody can ask for anything any more.
    keeper.save()


def _await_disuse(folder: CloudFolder, stop: threading.Event) -> None:
    folder.await_disuse()
    stop.set()


def _tell(line: str) -> None:
    """Write the only line that is ever written to standard output, and let go of it."""
    # The command that started it may be gone by now, and another rely on it already.
    with suppress(BrokenPipeError):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


if __name__ == "__main__":
    main()
