"""Keeping what the embedded cloud knows: loaded at its start, saved at its end and meanwhile.

Rows and messages are saved as they stand at one moment, so what is loaded is a state that was.
"""

import io
import json
import sys
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from moto.s3.models import s3_backends
from moto.sqs import models as sqs

from console.cloud.child_environment import REGION
from console.cloud.folder import CloudFolder
from console.cloud.queues import LOCK, Entry, FairQueue
from console.cloud.resources import ACCOUNT, BUCKET
from console.cloud.state import (
    BadState,
    SavedMessage,
    SavedObject,
    State,
    forget_old_runs,
    free_items,
    read_state,
    write_state,
)
from console.cloud.table import LedgerTable
from console.errors import ConsoleError

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

SAVE_SECONDS = 5.0
SHARE_OF_TIME = 20
"""Saving is to take no more than one part in so many of the cloud's time."""
LOOKS = {"GetQueueAttributes", "GetQueueUrl", "ListQueues", "ReceiveMessage"}
"""What changes no queue. A receive does, but what follows it is seen."""


class Keeper:
    """Knows whether anything has changed, and saves it."""

    def __init__(self, folder: CloudFolder, dynamodb_lock: threading.Lock) -> None:
        self._folder = folder
        self._dynamodb = dynamodb_lock
        self._table = LedgerTable()
        self._changed = False
        self._saving = threading.Lock()

    def load(self) -> State:
        """Return what was saved last; raises ConsoleError for what cannot be read."""
        file = self._folder.state
        try:
            return free_items(forget_old_runs(read_state(file.read_bytes())))
        except FileNotFoundError:
            return State()
        except OSError as error:
            raise ConsoleError(f"{file} cannot be read: {error.strerror}") from error
        except (BadState, ValueError, TypeError, KeyError) as error:
            reason = f"{file} is damaged ({error}); move it away to begin anew"
            raise ConsoleError(" ".join(reason.split())) from error

    def restore(self, state: State) -> None:
        """Fill table, queues and bucket, which are new."""
        self._table.restore(state.rows)
        for name, queue in _queues().items():
            for saved in state.queues.get(name, ()):
                queue.add_message(_message(saved), saved.source)
        s3 = s3_backends[ACCOUNT]["aws"]
        for entry in state.objects:
            key = s3.put_object(BUCKET, entry.key, entry.content, disable_notification=True)
            # The row of a run names the version that it was started by.
            key._version_id = entry.version  # noqa: SLF001

    def notice(self, service: str, environ: "WSGIEnvironment") -> None:
        """Take note of what a request may change; DynamoDB's come under its lock."""
        action = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
        if service == "dynamodb":
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            environ["wsgi.input"] = io.BytesIO(body)
            self._changed |= self._table.notice(action, json.loads(body or b"{}"))
        elif service == "sqs":
            self._changed |= action not in LOOKS
        elif service == "s3":
            self._changed |= environ["REQUEST_METHOD"] not in ("GET", "HEAD")

    def save(self) -> None:
        """Save what has changed since the last time, if anything."""
        with self._saving:
            if self._changed:
                # Before looking, so that a change during it is saved the next time.
                self._changed = False
                self._folder.write("state.json", write_state(self._state()))

    def save_regularly(self, stop: threading.Event) -> None:
        """Save now and then until the stop; a disk that is full may have room the next time."""
        pause = SAVE_SECONDS
        while not stop.wait(pause):
            started = time.monotonic()
            try:
                self.save()
            except OSError as error:
                self._changed = True
                sys.stderr.write(f"the state was not saved: {error}\n")
                sys.stderr.flush()
            pause = max(SAVE_SECONDS, SHARE_OF_TIME * (time.monotonic() - started))

    def _state(self) -> State:
        with self._dynamodb, LOCK:
            rows = self._table.texts()
            queues = {
                name: tuple(_saved(entry) for entry in queue.entries())
                for name, queue in _queues().items()
            }
            objects = tuple(_objects())
        return State(rows, queues, objects)


def _queues() -> dict[str, FairQueue]:
    backend = sqs.sqs_backends[ACCOUNT][REGION]
    return {name: queue for name, queue in backend.queues.items() if isinstance(queue, FairQueue)}


def _objects() -> Iterator[SavedObject]:
    bucket = s3_backends[ACCOUNT]["aws"].get_bucket(BUCKET)
    for name in list(bucket.keys):
        for version in bucket.keys.getlist(name):
            # A deletion leaves a mark, which has no content.
            if hasattr(version, "value"):
                yield SavedObject(name, version.version_id, version.value)


def _saved(entry: Entry) -> SavedMessage:
    message: Any = entry.message
    return SavedMessage(
        message_id=message.id,
        body=message.body,
        attributes=message.message_attributes,
        group=message.group_id,
        source=entry.source,
        receives=message.approximate_receive_count,
        sent_at=message.sent_timestamp,
        first_received_at=message.approximate_first_receive_timestamp,
        delayed_until=message.delayed_until,
    )


def _message(saved: SavedMessage) -> sqs.Message:
    message: Any = sqs.Message(saved.message_id, saved.body)
    message.message_attributes = dict(saved.attributes)
    message.group_id = saved.group
    message.approximate_receive_count = saved.receives
    message.sent_timestamp = saved.sent_at
    message.approximate_first_receive_timestamp = saved.first_received_at
    message.delayed_until = saved.delayed_until
    made: sqs.Message = message
    return made
