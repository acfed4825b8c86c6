"""S3's event as uploads. Pure.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

from pipeline.errors import BadEvent
from pipeline.layout import has_utf8_form
from pipeline.run import Upload


def parse_uploads(event: Mapping[str, Any]) -> list[Upload]:
    """Return the uploads of an S3 event, keys unquoted.

    S3's own `s3:TestEvent`, sent when a notification is set up, has no records and yields none.
    Raises BadEvent for what S3 does not send.
    """
    try:
        return [_upload(record["s3"], record["eventTime"]) for record in event.get("Records", [])]
    except (AttributeError, LookupError, TypeError) as error:
        raise BadEvent(f"not an event of S3: {type(error).__name__}: {error}") from error


def _upload(entity: Mapping[str, Any], time: str) -> Upload:
    stored = entity["object"]
    upload = Upload(
        bucket=entity["bucket"]["name"],
        key=unquote_plus(stored["key"]),
        sequencer=stored["sequencer"],
        time=time,
        version=stored.get("versionId"),
    )
    texts = (upload.bucket, upload.key, upload.sequencer, upload.time, upload.version or "")
    if not all(isinstance(text, str) and has_utf8_form(text) for text in texts):
        raise TypeError("expected text")
    return upload
