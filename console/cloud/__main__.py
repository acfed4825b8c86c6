"""The embedded cloud's process: `python -m console.cloud`.

Reads its settings, a line of JSON, from standard input; writes a line of JSON when it is ready;
ends at SIGTERM or when standard input is closed, which is also what the death of its parent does.
"""

import json
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path

import boto3

from console.cloud.batch import BatchService, LocalBatch
from console.cloud.child_environment import child_environment
from console.cloud.resources import BUCKET, TABLE, create_resources
from console.cloud.server import CloudServer
from console.cloud.uploads import UploadTrigger
from pipeline.environment import DEAD_LETTER_QUEUE_URL, QUEUE_URL
from pipeline.environment import TABLE as TABLE_VARIABLE


def main() -> None:
    """Serve until told to stop."""
    settings = json.loads(sys.stdin.readline())
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    threading.Thread(target=_await_end, args=[stop], daemon=True).start()
    with tempfile.TemporaryDirectory(prefix="tilepool-scratch-") as scratch:
        # A job that is killed cannot tidy up after itself.
        environment = {**settings["environment"], "TMPDIR": scratch}
        serve(Path(settings["logs"]), environment, stop)


def _await_end(stop: threading.Event) -> None:
    sys.stdin.read()
    stop.set()


def serve(logs: Path, job_environment: Mapping[str, str], stop: threading.Event) -> None:
    """Start everything, say where, and wait for the stop."""
    with CloudServer() as server:
        environment = child_environment(os.environ, server.url, server.access_key)
        # boto3 reads this process's own: nothing of the user's AWS settings may stay.
        os.environ.clear()
        os.environ.update(environment)
        queues = create_resources()
        environment |= {
            TABLE_VARIABLE: TABLE,
            QUEUE_URL: queues.pages,
            DEAD_LETTER_QUEUE_URL: queues.dead_letters,
            **job_environment,
        }
        batch = LocalBatch(environment, logs)
        server.mount_batch(BatchService(batch).application)
        trigger = UploadTrigger(
            boto3.client("sqs"), queues.uploads, environment, logs / "dispatcher.log", stop.set
        )
        trigger.start()
        ready = {
            "url": server.url,
            "access_key": server.access_key,
            "bucket": BUCKET,
            "table": TABLE,
            "failed_uploads": queues.failed_uploads,
        }
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        stop.wait()
        trigger.close()
        batch.close()


if __name__ == "__main__":
    main()
