"""Queues whose calls cost the same however many messages wait, and that are fair to groups.

moto's own walk every message on every call, and lose one that is sent while another is deleted.
These keep messages by state, under one lock for all queues; `moto_patches` puts them in the place
of moto's.
"""

import copy
import heapq
import itertools
import re
import secrets
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from moto.sqs import models as sqs
from moto.sqs.exceptions import InvalidParameterValue, ReceiptHandleIsInvalid

MILLISECONDS = 1000
MAX_LEASE_SECONDS = 43_200
"""https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html"""
HANDLE = re.compile(r"[0-9a-f]{48}")
UNGROUPED = ""

LOCK = threading.Condition()
"""Guards all messages of all queues: they move between queues."""


class Stage(Enum):
    """Where a message is."""

    WAITING = auto()
    IN_FLIGHT = auto()
    DELAYED = auto()
    GONE = auto()


@dataclass(slots=True, eq=False)
class Entry:
    """A message and its place. `source` is the ARN of the queue that gave up on it."""

    message: sqs.Message
    number: int
    stage: Stage = Stage.WAITING
    until: float = 0.0
    leased_at: float = 0.0
    handles: list[str] = field(default_factory=list)
    source: str | None = None

    @property
    def group(self) -> str:
        return self.message.group_id or UNGROUPED


class FairQueue(sqs.Queue):
    """A standard queue: of the groups that wait, that with the fewest messages in flight is next.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues.html
    """

    def __init__(self, name: str, region: str, account_id: str, **kwargs: Any) -> None:
        self._numbers = itertools.count()
        self.purge()
        super().__init__(name, region, account_id, **kwargs)
        if self.fifo_queue:
            raise InvalidParameterValue("the embedded cloud has no FIFO queues")

    @property
    def approximate_number_of_messages(self) -> int:
        with LOCK:
            self._wake()
            return self._stages[Stage.WAITING]

    @property
    def approximate_number_of_messages_not_visible(self) -> int:
        with LOCK:
            self._wake()
            return self._stages[Stage.IN_FLIGHT]

    @property
    def approximate_number_of_messages_delayed(self) -> int:
        with LOCK:
            self._wake()
            return self._stages[Stage.DELAYED]

    def purge(self) -> None:
        """Forget all messages."""
        with LOCK:
            self._entries: dict[int, Entry] = {}
            self._by_handle: dict[str, Entry] = {}
            self._stages: Counter[Stage] = Counter()
            # Both heaps may hold entries that have moved on; they are skipped when met.
            self._waiting: dict[str, list[tuple[int, Entry]]] = {}
            self._hidden: list[tuple[float, int, Entry]] = []
            self._in_flight: Counter[str] = Counter()
            self._served: dict[str, int] = {}
            self._turns = itertools.count()

    def add_message(self, message: sqs.Message, source: str | None = None) -> None:
        """Take a message in; `source` is the ARN of the queue that gave up on it."""
        with LOCK:
            entry = Entry(message, next(self._numbers), Stage.GONE, source=source)
            self._entries[entry.number] = entry
            delayed_until = message.delayed_until / MILLISECONDS
            if delayed_until > time.time():
                self._hide(entry, Stage.DELAYED, delayed_until)
            else:
                self._show(entry)
            LOCK.notify_all()

    def entries(self) -> list[Entry]:
        """Return all that is here, in the order of arrival. The caller holds the lock."""
        return list(self._entries.values())

    def receive(self, count: int, wait_seconds: float, lease_seconds: int) -> list[sqs.Message]:
        """Return copies of messages that nobody has, after waiting for the first if need be."""
        deadline = time.time() + wait_seconds
        with LOCK:
            while not (taken := self._take(count, lease_seconds)):
                now = time.time()
                if now >= deadline:
                    break
                wakes = [until for until, _, _ in self._hidden[:1]]
                LOCK.wait(max(0.0, min([deadline, *wakes]) - now))
            return [copy.copy(entry.message) for entry in taken]

    def delete_message(self, receipt_handle: str) -> None:
        """Forget a message; with the handle of any delivery, as standard queues mostly do."""
        if not HANDLE.fullmatch(receipt_handle):
            raise ReceiptHandleIsInvalid
        with LOCK:
            entry = self._by_handle.get(receipt_handle)
            if entry is not None:
                self.forget(entry)

    def lease(self, receipt_handle: str, seconds: int) -> None:
        """Keep a message in hand for so many seconds from now."""
        with LOCK:
            self._wake()
            entry = self._by_handle.get(receipt_handle)
            now = time.time()
            if (
                entry is None
                or entry.stage is not Stage.IN_FLIGHT
                or entry.handles[-1] != receipt_handle
            ):
                raise ReceiptHandleIsInvalid
            if now + seconds - entry.leased_at > MAX_LEASE_SECONDS:
                raise InvalidParameterValue("a message can be kept for 12 hours in all")
            self._leave(entry)
            if seconds > 0:
                self._hide(entry, Stage.IN_FLIGHT, now + seconds)
            else:
                self._show(entry)
            LOCK.notify_all()

    def waiting(self) -> list[Entry]:
        """Return all that nobody has. The caller holds the lock."""
        self._wake()
        return [entry for entry in self.entries() if entry.stage is Stage.WAITING]

    def forget(self, entry: Entry) -> None:
        """Take an entry out for good. The caller holds the lock."""
        self._leave(entry)
        del self._entries[entry.number]
        for handle in entry.handles:
            del self._by_handle[handle]

    def _take(self, count: int, lease_seconds: int) -> list[Entry]:
        self._wake()
        taken: list[Entry] = []
        while len(taken) < count and (entry := self._next()) is not None:
            if self._is_too_old(entry):
                self.forget(entry)
            elif self._is_hopeless(entry):
                self.forget(entry)
                self._bury(entry)
            else:
                self._deliver(entry, lease_seconds)
                taken.append(entry)
        return taken

    def _next(self) -> Entry | None:
        def quiet(group: str) -> tuple[int, int]:
            # Without a group, each message is a group of its own.
            in_flight = 0 if group == UNGROUPED else self._in_flight[group]
            return in_flight, self._served.get(group, -1)

        while self._waiting:
            group = min(self._waiting, key=quiet)
            heap = self._waiting[group]
            while heap:
                _, entry = heapq.heappop(heap)
                if entry.stage is Stage.WAITING:
                    return entry
            del self._waiting[group]
        return None

    def _deliver(self, entry: Entry, lease_seconds: int) -> None:
        message, now = entry.message, time.time()
        message.approximate_receive_count += 1
        message.approximate_first_receive_timestamp = (
            message.approximate_first_receive_timestamp or int(now * MILLISECONDS)
        )
        message.receipt_handle = secrets.token_hex(24)
        entry.handles.append(message.receipt_handle)
        self._by_handle[message.receipt_handle] = entry
        entry.leased_at = now
        self._served[entry.group] = next(self._turns)
        self._leave(entry)
        if lease_seconds > 0:
            self._hide(entry, Stage.IN_FLIGHT, now + lease_seconds)
        else:
            self._show(entry)

    def _is_too_old(self, entry: Entry) -> bool:
        sent: int = entry.message.sent_timestamp or 0
        retention: int = self.message_retention_period  # type: ignore[attr-defined]
        return sent / MILLISECONDS + retention <= time.time()

    def _bury(self, entry: Entry) -> None:
        dead_letters = self.dead_letter_queue
        assert isinstance(dead_letters, FairQueue)  # noqa: S101  # there are no others
        dead_letters.add_message(entry.message, source=self.queue_arn)

    def _is_hopeless(self, entry: Entry) -> bool:
        if self.dead_letter_queue is None or not self.redrive_policy:
            return False
        most: int = self.redrive_policy["maxReceiveCount"]
        return entry.message.approximate_receive_count >= most

    def _wake(self) -> None:
        now = time.time()
        while self._hidden and self._hidden[0][0] <= now:
            until, _, entry = heapq.heappop(self._hidden)
            # It may have been deleted, given back, or kept for longer.
            if entry.stage in (Stage.IN_FLIGHT, Stage.DELAYED) and entry.until == until:
                self._leave(entry)
                self._show(entry)

    def _show(self, entry: Entry) -> None:
        entry.stage = Stage.WAITING
        self._stages[Stage.WAITING] += 1
        heapq.heappush(self._waiting.setdefault(entry.group, []), (entry.number, entry))

    def _hide(self, entry: Entry, stage: Stage, until: float) -> None:
        entry.stage, entry.until = stage, until
        self._stages[stage] += 1
        if stage is Stage.IN_FLIGHT:
            self._in_flight[entry.group] += 1
        heapq.heappush(self._hidden, (until, entry.number, entry))

    def _leave(self, entry: Entry) -> None:
        self._stages[entry.stage] -= 1
        if entry.stage is Stage.IN_FLIGHT:
            self._in_flight[entry.group] -= 1
            if not self._in_flight[entry.group]:
                del self._in_flight[entry.group]
        entry.stage = Stage.GONE
