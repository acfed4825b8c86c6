"""Telling whoever listens that a run has ended: an event on EventBridge's bus.

Adapter: takes a client. Rules of the template, or of the user, send the event on.
"""

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from pipeline.errors import TransientError
from pipeline.run import Run

if TYPE_CHECKING:
    from mypy_boto3_events.client import EventBridgeClient

SOURCE = "tilepool"
DETAIL_TYPE = "Run Ended"
MAX_CHARACTERS = 1_000
MAX_ERRORS = 5
MAX_ERROR_CHARACTERS = 300
"""JSON may take 12 bytes for a character, and an entry has 256 KB:
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html"""

log = structlog.get_logger()


class Announcements(Protocol):
    """What the stages ask of the bus."""

    def announce(self, run: Run) -> None:
        """Tell that a run has ended, as it stands in its row."""


class EventBridgeAnnouncements:
    """Announcements on an event bus, which others may use as well: `table` tells whose it is."""

    def __init__(
        self,
        client: "EventBridgeClient",
        bus: str,
        table: str,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._bus = bus
        self._table = table
        self._now = now

    def announce(self, run: Run) -> None:
        answer = self._client.put_events(
            Entries=[
                {
                    "EventBusName": self._bus,
                    "Source": SOURCE,
                    "DetailType": DETAIL_TYPE,
                    "Detail": json.dumps({"ledger": self._table} | run_detail(run, self._now())),
                }
            ]
        )
        if answer["FailedEntryCount"]:
            entry = answer["Entries"][0]
            reason = f"{entry.get('ErrorCode')}: {entry.get('ErrorMessage')}"
            raise TransientError(f"{self._bus}: not announced: {reason}")
        log.info("run_announced", state=run.state)


class NoAnnouncements:
    """Where there is no bus."""

    def announce(self, run: Run) -> None:
        """Tell nobody."""


SILENT = NoAnnouncements()


def announce_end(run: Run, announcements: Announcements) -> None:
    """Announce a run's end. That it cannot be announced is logged, and no reason to fail."""
    try:
        announcements.announce(run)
    except Exception:
        # All that matters is in the ledger and the destination by now.
        log.exception("announcement_failed")


def run_detail(run: Run, now: float) -> dict[str, Any]:
    """Return the event's content: a run's end in texts and numbers. `seconds` are since it began.

    A rejected run has no collection, no images and no seconds.
    """
    plan, summary = run.plan, run.summary
    return {
        "run": _cut(run.run_id),
        "state": run.state.value,
        "collection": _cut(plan.collection) if plan else "",
        "images": summary.images if summary else 0,
        "failed": summary.failed if summary else 0,
        "items": summary.items if summary else 0,
        "withheld": summary.withheld_items or len(summary.withheld) if summary else 0,
        "seconds": max(0, round(now - run.opened_at)) if run.opened_at else 0,
        "url": _cut(summary.collection_url) if summary else "",
        "task": _cut(f"s3://{run.upload.bucket}/{run.upload.key}"),
        "errors": [_cut(error, MAX_ERROR_CHARACTERS) for error in run.errors[:MAX_ERRORS]],
    }


def _cut(text: str, most: int = MAX_CHARACTERS) -> str:
    return text if len(text) <= most else f"{text[:most]}…"
