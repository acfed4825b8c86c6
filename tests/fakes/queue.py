"""The work queue and its dead letters in lists, with a clock that tests may move."""

import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from pipeline.dead_letters import NO_GROUP, DeadLetter
from pipeline.errors import LostLease
from pipeline.message import Message
from pipeline.outbox import Depth

POLL_SECONDS = 0.01


@dataclass
class MemoryDeadLetters:
    """Dead letters in a list; nothing hides those that are in somebody's hand."""

    letters: list[DeadLetter] = field(default_factory=list)

    def bury(self, body: str, attributes: Mapping[str, str], group: str) -> None:
        self.letters.append(DeadLetter(uuid.uuid4().hex, body, dict(attributes), group, 1.0))

    @contextmanager
    def take(self, most: int) -> Iterator["MemoryHand"]:
        yield MemoryHand(self, most)

    def depth(self) -> int:
        return len(self.letters)


@dataclass(frozen=True, slots=True)
class MemoryHand:
    """Letters in hand, from MemoryDeadLetters."""

    dead_letters: MemoryDeadLetters
    most: int

    def letters(self) -> Iterator[DeadLetter]:
        yield from self.dead_letters.letters[: self.most]

    def remove(self, letter: DeadLetter) -> None:
        self.dead_letters.letters.remove(letter)


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
    entries: list[_Entry] = field(default_factory=list)
    dead_letters: MemoryDeadLetters = field(default_factory=MemoryDeadLetters)
    now: Callable[[], float] = time.monotonic
    lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, messages: Iterable[Message]) -> int:
        sent = list(messages)
        for message in sent:
            self.put(message.to_json(), message.run_id)
        return len(sent)

    def put(self, body: str, group: str = NO_GROUP) -> None:
        self.entries.append(_Entry(body, group=group))

    def receive(self, wait_seconds: int) -> "MemoryDelivery | None":
        deadline = self.now() + wait_seconds
        while True:
            with self.lock:
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

    def held(self, handle: str) -> _Entry:
        for entry in self.entries:
            if entry.handle == handle and entry.visible_at > self.now():
                return entry
        raise LostLease(handle)


@dataclass(frozen=True, slots=True)
class MemoryDelivery:
    """A message in hand, from a MemoryQueue."""

    queue: MemoryQueue
    body: str
    attempt: int
    handle: str
    group: str

    def complete(self) -> None:
        self.queue.entries[:] = [e for e in self.queue.entries if e.handle != self.handle]

    def release(self, seconds: int) -> None:
        try:
            self.extend(seconds)
        except LostLease:
            return

    def extend(self, seconds: int) -> None:
        self.queue.held(self.handle).visible_at = self.queue.now() + seconds
