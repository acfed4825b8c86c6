"""Keeping a message's lease alive while its page is worked on."""

import threading
from types import TracebackType
from typing import Self

import structlog

from pipeline.errors import LostLease
from worker.inbox import Delivery

BEATS_PER_LEASE = 3
"""Two beats in a row may fail before the lease runs out."""
JOIN_SECONDS = 5

log = structlog.get_logger()


class Heartbeat:
    """Renews the lease of a delivery at a third of its length until the block is left.

    `lost` tells that the message belongs to somebody else by now.
    """

    def __init__(self, delivery: Delivery, lease_seconds: int) -> None:
        self.lost = False
        self._delivery = delivery
        self._lease_seconds = lease_seconds
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._left.set()
        self._thread.join(JOIN_SECONDS)

    def _beat(self) -> None:
        while not self._left.wait(self._lease_seconds / BEATS_PER_LEASE):
            try:
                self._delivery.extend(self._lease_seconds)
            except LostLease:
                self.lost = True
                log.warning("lease_lost")
                return
            except Exception:  # the next beat may succeed
                log.exception("heartbeat_failed")
