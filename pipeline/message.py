"""One image's work as it travels through the queue. Pure.

A body is a few hundred bytes of ASCII JSON, far below SQS's limit of 1 MiB and free of the control
characters that SQS refuses.
"""

import json
from dataclasses import dataclass

from pipeline.errors import BadMessage
from pipeline.layout import has_utf8_form

VERSION = 2
MAX_TEXT_BYTES = 1_024
"""The longest key of S3."""
MAX_ITEM_BYTES = 900
"""A row's key in the ledger and the keys of tiles hold 1,024, and more than the name."""
MAX_NUMBER = 10**15
"""Beyond any file's size; a row of the ledger holds a number of 38 digits at most."""


@dataclass(frozen=True, slots=True)
class Message:
    """The image to tile; what all images of a run share is in the run's ledger row.

    `page` is the file's place in its item, `part` the image's place in its file, both from 1.
    `etag` and `size` (bytes) are the file's, from the listing; it may be replaced later. `replays`
    counts the journeys through the dead-letter queue: it tells a replayed message from a second
    delivery of the failed one.
    """

    run_id: str
    item: str
    page: int
    key: str
    etag: str
    size: int
    part: int = 1
    replays: int = 0

    @property
    def place(self) -> tuple[str, int, int]:
        """Return what orders the images of a run: item, file, image in the file."""
        return self.item, self.page, self.part

    def to_json(self) -> str:
        """Return the body."""
        return json.dumps({"version": VERSION, **self.values()})

    def values(self) -> dict[str, str | int]:
        """Return the fields by their names."""
        return {name: getattr(self, name) for name in _FIELDS}


_FIELDS = tuple(Message.__annotations__)


def parse_message(body: str) -> Message:
    """Read a body.

    Raises BadMessage where the body is not JSON, not of this version, or lacks a field.
    """
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadMessage(f"the message is not JSON: {error}") from error
    if not isinstance(fields, dict) or repr(fields.pop("version", None)) != repr(VERSION):
        raise BadMessage(f"the message is not of version {VERSION}")
    expected = Message.__annotations__
    if fields.keys() - expected.keys() or not all(
        _is(kind, fields.get(name)) for name, kind in expected.items()
    ):
        raise BadMessage("the message has missing, wrong or unknown fields")
    if len(fields["item"].encode()) > MAX_ITEM_BYTES:
        raise BadMessage("the message names an item that no run can have")
    return Message(**fields)


def _is(kind: type, value: object) -> bool:
    if kind is str:
        return (
            isinstance(value, str)
            and has_utf8_form(value)
            and len(value.encode()) <= MAX_TEXT_BYTES
        )
    return type(value) is int and 0 <= value <= MAX_NUMBER
