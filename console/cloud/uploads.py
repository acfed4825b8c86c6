"""The Lambda's trigger: uploads of task files invoke the dispatcher.

moto puts S3's event into a queue; here it is taken out and handed to the handler, again if that
fails, as Lambda does with asynchronous events.
"""

import json
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from console.cloud.function import Function

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

WAIT_SECONDS = 1
RETRY_SECONDS = 1
NO_EVENT = (ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""What reading one raises that S3 has not sent: anything may lie in a queue."""


class UploadTrigger:
    """Invokes the dispatcher for every upload, one after another, until it is closed."""

    def __init__(
        self,
        client: "SQSClient",
        queue_url: str,
        function: Function,
        ended: Callable[[], None],
    ) -> None:
        self._client = client
        self._queue_url = queue_url
        self._function = function
        self._ended = ended
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="uploads", daemon=True)

    def start(self) -> None:
        """Start waiting for uploads."""
        self._thread.start()

    def close(self) -> None:
        """Stop, after the invocation at hand."""
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._serve_all()
        finally:
            self._ended()

    def _serve_all(self) -> None:
        while not self._closed.is_set():
            answer = self._client.receive_message(
                QueueUrl=self._queue_url,
                MaxNumberOfMessages=1,
                WaitTimeSeconds=WAIT_SECONDS,
                MessageSystemAttributeNames=["SentTimestamp"],
            )
            for message in answer.get("Messages", []):
                self._serve(message)

    def _serve(self, message: "MessageTypeDef") -> None:
        handle = message["ReceiptHandle"]
        event = upload_event(message)
        if event is not None and self._function.invoke(event):
            self._client.delete_message(QueueUrl=self._queue_url, ReceiptHandle=handle)
        else:
            self._client.change_message_visibility(
                QueueUrl=self._queue_url, ReceiptHandle=handle, VisibilityTimeout=RETRY_SECONDS
            )


def upload_event(message: "MessageTypeDef") -> dict[str, Any] | None:
    """Return S3's event with what moto leaves out of it: the sequencer. None if it is no event.

    The time the message was sent orders uploads, and its id tells two of one moment apart; both
    are the same on every delivery.
    """
    sent = int(message["Attributes"]["SentTimestamp"])
    try:
        event: dict[str, Any] = json.loads(message["Body"])
        for record in event.get("Records", []):
            record["s3"]["object"].setdefault("sequencer", f"{sent:016X}-{message['MessageId']}")
    except NO_EVENT:
        return None
    return event
