"""The work queue and its dead letters in lists, with a clock that tests may move."""

import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from pipeline.dead_letters import NO_GROUP, DeadLetter, sendable
from pipeline.message import Message
from pipeline.outbox import MAX_BATCH_ENTRIES, Depth
from worker.inbox import MAX_RENEWALS, Delivery, Renewal

POLL_SECONDS = 0.01


@dataclass
class MemoryDeadLetters:
    """Dead letters in a list; those in somebody's hand are hidden from all others."""

    letters: list[DeadLetter] = field(default_factory=list)
    in_hand: set[str] = field(default_factory=set)

    def bury(self, body: str, attributes: Mapping[str, str], group: str) -> None:
        kept = {name: sendable(value) for name, value in attributes.items() if value}
        self.letters.append(DeadLetter(uuid.uuid4().hex, body, kept, group, time.time()))

    @contextmanager
    def take(self, most: int) -> Iterator["MemoryHand"]:
        hand = MemoryHand(self, most)
        try:
            yield hand
        finally:
            self.in_hand -= hand.taken

    def depth(self) -> int:
        return len(self.letters)


@dataclass(frozen=True, slots=True)
class MemoryHand:
    """Letters in hand, from MemoryDeadLetters."""

    dead_letters: MemoryDeadLetters
    most: int
    taken: set[str] = field(default_factory=set)

    def letters(self) -> Iterator[DeadLetter]:
        while len(self.taken) < self.most:
            letter = next(self._free(), None)
            if letter is None:
                return
            self.taken.add(letter.letter_id)
            self.dead_letters.in_hand.add(letter.letter_id)
            yield letter

    def remove(self, *letters: DeadLetter) -> None:
        for letter in letters:
            self.dead_letters.letters.remove(letter)

    def _free(self) -> Iterator[DeadLetter]:
        hidden = self.dead_letters.in_hand
        return (letter for letter in self.dead_letters.letters if letter.letter_id not in hidden)


@dataclass
class _Entry:
    body: str
    visible_at: float = 0.0
    receives: int = 0
    handle: str = ""
    group: str = NO_GROUP


@dataclass
class MemoryQueue:
    """A queue with its dead letters: inbox for the worker, outbox for it and the dispatcher."""

    lease_seconds: float = 30.0
    max_receives: int = 10
    """One that was received so often, and comes back, goes to the dead letters as it is."""
    entries: list[_Entry] = field(default_factory=list)
    dead_letters: MemoryDeadLetters = field(default_factory=MemoryDeadLetters)
    now: Callable[[], float] = time.monotonic
    lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, messages: Iterable[Message]) -> int:
        sent = list(messages)
        for message in sent:
            self.put(message.to_json(), message.run_id)
        return len(sent)

    def postpone(self, message: Message, seconds: int) -> None:
        self.entries.append(_Entry(message.to_json(), self.now() + seconds, group=message.run_id))

    def put(self, body: str, group: str = NO_GROUP) -> None:
        self.entries.append(_Entry(body, group=group))

    def receive(self, wait_seconds: int) -> "MemoryDelivery | None":
        deadline = self.now() + wait_seconds
        while True:
            with self.lock:
                self._redrive()
                for entry in self.entries:
                    if entry.visible_at <= self.now():
                        entry.visible_at = self.now() + self.lease_seconds
                        entry.receives += 1
                        entry.handle = uuid.uuid4().hex
                        return MemoryDelivery(
                            self, entry.body, entry.receives, entry.handle, entry.group
                        )
            if self.now() >= deadline:
                return None
            threading.Event().wait(POLL_SECONDS)

    def depth(self) -> Depth:
        in_flight = sum(entry.visible_at > self.now() for entry in self.entries)
        return Depth(len(self.entries) - in_flight, in_flight)

    def renew(self, receipts: Sequence[str]) -> list[Renewal]:
        assert 0 < len(receipts) <= MAX_RENEWALS
        kept = [self.hide(receipt, self.lease_seconds) for receipt in receipts]
        return [Renewal.DONE if done else Renewal.LOST for done in kept]

    def delete(self, deliveries: Sequence[Delivery]) -> None:
        assert 0 < len(deliveries) <= MAX_BATCH_ENTRIES
        for delivery in deliveries:
            delivery.complete()

    def hide(self, receipt: str, seconds: float) -> bool:
        """Give a message in hand another time to come back; tell whether it is in hand."""
        for entry in self.entries:
            if entry.handle == receipt and entry.visible_at > self.now():
                entry.visible_at = self.now() + seconds
                return True
        return False

    def _redrive(self) -> None:
        for entry in list(self.entries):
            if entry.visible_at <= self.now() and entry.receives >= self.max_receives:
                self.entries.remove(entry)
                self.dead_letters.bury(entry.body, {}, entry.group)


class OneByOne:
    """Deletes messages of any queue."""

    def delete(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            delivery.complete()


@dataclass(frozen=True, slots=True)
class MemoryDelivery:
    """A message in hand, from a MemoryQueue."""

    queue: MemoryQueue
    body: str
    attempt: int
    receipt: str
    group: str = NO_GROUP

    def complete(self) -> None:
        self.queue.entries[:] = [e for e in self.queue.entries if e.handle != self.receipt]

    def release(self, seconds: int) -> None:
        self.queue.hide(self.receipt, seconds)
