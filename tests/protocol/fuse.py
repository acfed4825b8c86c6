"""Where a process is killed, or overtaken by another, between two of its effects."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from pipeline.batch import Jobs
from pipeline.dead_letters import DeadLetter, DeadLetters, Hand
from pipeline.ledger import Ledger
from pipeline.message import Message
from pipeline.outbox import Depth, Outbox
from pipeline.run import Page
from worker.inbox import Delivery


class Crash(BaseException):
    """The process is killed here. No handler of ours takes it for an error."""


@dataclass
class Fuse:
    """Counts the calls of one process; at number `at` it dies, or something else happens.

    `happens` is "before" or "after" (the call is the last thing that it does not, or does, get
    done), or what others do in the meantime.
    """

    at: int | None = None
    happens: str | Callable[[], None] = "before"
    calls: int = 0
    is_blown: bool = False

    def pass_on(self, call: Callable[[], Any]) -> Any:
        """Make a call, unless this is where the process dies."""
        if self.is_blown:
            raise Crash
        self.calls += 1
        if self.calls - 1 != self.at:
            return call()
        if callable(self.happens):
            self.happens()
            return call()
        self.is_blown = True
        if self.happens == "after":
            call()
        raise Crash


@dataclass(frozen=True)
class Wire:
    """Passes on all calls to a part of the world, each past the fuse."""

    part: Any
    fuse: Callable[[], Fuse]

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self.part, name)

        def call(*arguments: Any, **named: Any) -> Any:
            return self.fuse().pass_on(lambda: _whole(method(*arguments, **named)))

        return call


@dataclass(frozen=True)
class WiredLedger(Wire):
    """The ledger; a process may die amid the pages that it records."""

    def record_pages(self, run_id: str, pages: Iterable[Page], *others: Any) -> Any:
        passed = (self.fuse().pass_on(partial(_same, page)) for page in pages)
        return self.part.record_pages(run_id, passed, *others)


def _same(page: Page) -> Page:
    return page


def _whole(answer: Any) -> Any:
    return iter(list(answer)) if isinstance(answer, Iterator) else answer


@dataclass(frozen=True)
class WiredOutbox:
    """Sends one message after another, so that a process may die amid them."""

    outbox: Outbox
    fuse: Callable[[], Fuse]

    def send(self, messages: Iterable[Message]) -> int:
        sent = 0
        for message in list(messages):
            sent += self.fuse().pass_on(partial(self.outbox.send, [message]))
        return sent

    def postpone(self, message: Message, seconds: int) -> None:
        self.fuse().pass_on(lambda: self.outbox.postpone(message, seconds))

    def depth(self) -> Depth:
        return cast("Depth", self.fuse().pass_on(self.outbox.depth))


@dataclass(frozen=True)
class WiredDeadLetters:
    """Dead letters, and those in hand."""

    dead_letters: DeadLetters
    fuse: Callable[[], Fuse]

    def bury(self, body: str, attributes: Any, group: str) -> None:
        self.fuse().pass_on(lambda: self.dead_letters.bury(body, attributes, group))

    @contextmanager
    def take(self, most: int) -> Iterator[Hand]:
        with self.dead_letters.take(most) as hand:
            yield WiredHand(hand, self.fuse)

    def depth(self) -> int:
        return cast("int", self.fuse().pass_on(self.dead_letters.depth))


@dataclass(frozen=True)
class WiredHand:
    """Letters in hand; each is received, and removed, past the fuse."""

    hand: Hand
    fuse: Callable[[], Fuse]

    def letters(self) -> Iterator[DeadLetter]:
        letters = self.hand.letters()
        while (letter := self.fuse().pass_on(lambda: next(letters, None))) is not None:
            yield letter

    def remove(self, *letters: DeadLetter) -> None:
        self.fuse().pass_on(lambda: self.hand.remove(*letters))


@dataclass(frozen=True)
class WiredDelivery:
    """A message in hand. `loses_delete`: it is deleted, says SQS, and comes again all the same."""

    delivery: Delivery
    fuse: Callable[[], Fuse]
    loses_delete: bool = False

    @property
    def body(self) -> str:
        return self.delivery.body

    @property
    def attempt(self) -> int:
        return self.delivery.attempt

    @property
    def group(self) -> str:
        return self.delivery.group

    @property
    def receipt(self) -> str:
        return self.delivery.receipt

    def complete(self) -> None:
        if not self.loses_delete:
            self.fuse().pass_on(self.delivery.complete)

    def release(self, seconds: int) -> None:
        self.fuse().pass_on(lambda: self.delivery.release(seconds))


class Process:
    """One process: its wires to the world, all past one fuse, which may be changed."""

    def __init__(self, ledger: Ledger, outbox: Outbox, dead_letters: DeadLetters, jobs: Jobs):
        self.fuse = Fuse()
        self.ledger = cast("Ledger", WiredLedger(ledger, self._fuse))
        self.outbox: Outbox = WiredOutbox(outbox, self._fuse)
        self.dead_letters: DeadLetters = WiredDeadLetters(dead_letters, self._fuse)
        self.jobs = cast("Jobs", self.wire(jobs))

    def wire(self, part: object) -> Any:
        """Return a part of the world as this process reaches it."""
        return Wire(part, self._fuse)

    def delivery(self, delivery: Delivery, *, loses_delete: bool = False) -> Delivery:
        """Return a message in hand as this process has it."""
        return WiredDelivery(delivery, self._fuse, loses_delete)

    def _fuse(self) -> Fuse:
        return self.fuse
