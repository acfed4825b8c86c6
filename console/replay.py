"""Replay: failed pages are queued again, and their letters leave the dead-letter queue.

    reopen and queue a row ─► queue rows, send their messages ─► send the first ─► remove letters

The ledger's failed rows are the truth, so a page whose letter has expired is replayed as well. A
row is queued before its message is sent: workers would do that too, but between two pages of
theirs the run would seem complete. The first row is queued as the run is reopened, and sent after
all others, so that the run cannot complete in between. A crash leaves queued rows without a
message, which the reconciler sends again, or letters of pages that are queued, which it removes
in the end.
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TypeVar

from console.errors import ConsoleError
from console.parts import Parts
from console.reopening import reopen, start_workers_for
from console.runs import plan_of
from pipeline.dead_letters import MAX_IN_HAND, DeadLetter
from pipeline.ledger import Ledger
from pipeline.message import Message
from pipeline.outbox import MAX_BATCH_ENTRIES
from pipeline.run import Page, PageState, Run, RunState

ROWS_AT_ONCE = 100
MAX_THREADS = 8

Thing = TypeVar("Thing")
Place = tuple[str, str, int, int]
"""Run, item, file, image in the file."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which failed pages are meant: of some items, with some words in the reason; else all."""

    items: frozenset[str] = frozenset()
    reason: str = ""

    def takes(self, page: Page) -> bool:
        """Tell whether a failed page is meant."""
        if self.items and page.message.item not in self.items:
            return False
        return self.reason.casefold() in (page.reason or "").casefold()


@dataclass(slots=True)
class Chosen:
    """The failed pages of a run that are meant, and those of them that another run has."""

    run: Run
    choice: Choice
    ledger: Ledger
    taken: Counter[str] = field(default_factory=Counter)
    """Pages whose item a later run has made its own, by that run; complete after `pages`."""
    items: set[str] = field(default_factory=set)
    """Those of the pages that are meant; complete after `pages`."""

    def pages(self) -> Iterator[Page]:
        """Yield the pages that can be replayed, in no order."""
        self.taken.clear()
        failed = self.ledger.pages(self.run.run_id, PageState.FAILED)
        for batch in _batches((page for page in failed if self.choice.takes(page)), ROWS_AT_ONCE):
            yield from self._own(batch)

    def _own(self, pages: Sequence[Page]) -> Iterator[Page]:
        items = sorted({page.message.item for page in pages})
        self.items.update(items)
        owners = self.ledger.owners(plan_of(self.run).export, items)
        for page in pages:
            owner = owners.get(page.message.item, self.run.run_id)
            if owner == self.run.run_id:
                yield page
            else:
                self.taken[owner] += 1


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay came to.

    `pages` were replayed, `queued` of a cancelled run's others sent again, `taken` are left to
    the later runs that have their items.
    """

    run_id: str
    pages: int
    queued: int
    workers: int
    taken: Counter[str]


def replay(
    chosen: Chosen, parts: Parts, workers: int | None = None
) -> tuple[Replayed, dict[Place, int]]:
    """Queue the chosen pages again and start workers; return which letters are not wanted now.

    Those are of the places returned, up to the number of replays that is returned with them.
    Where nothing is chosen nothing happens. Raises ConsoleError where the run is not to be had.
    """
    run = chosen.run
    check_replayable(run)
    first, queued = next(_replayed(chosen), None), 0
    if first is None:
        return Replayed(run.run_id, 0, 0, 0, chosen.taken), {}
    if run.state is RunState.TILING:
        first = next((page for page in _replayed(chosen) if _requeue(page, parts.ledger)), None)
    else:
        queued = reopen(run, parts, requeued=first)
    sent = {} if first is None else _send_again(first, _replayed(chosen), parts)
    started = start_workers_for(run.run_id, len(sent) + queued, workers, parts)
    return Replayed(run.run_id, len(sent), queued, started, chosen.taken), sent


def check_replayable(run: Run) -> None:
    """Raise ConsoleError for a run that cannot be reopened as it stands."""
    plan_of(run)
    if run.state is RunState.BUILDING:
        raise ConsoleError(
            f"run {run.run_id} is building its manifests; replay it when that has ended"
            f" (`tilepool status {run.run_id}`)"
        )
    if run.state is RunState.DISPATCHING:
        raise ConsoleError(f"run {run.run_id} is being dispatched; replay it when it is tiling")


def remove_letters(places: dict[Place, int], parts: Parts) -> int:
    """Take the letters of replayed pages out, doubled ones too; return how many pages had one."""
    found: set[Place] = set()
    if not places:
        return 0
    with parts.dead_letters.take(MAX_IN_HAND) as hand:
        unwanted = (letter for letter in hand.letters() if _is_of(letter, places))
        for batch in _batches(unwanted, MAX_BATCH_ENTRIES):
            hand.remove(*batch)
            found |= {_place(message) for letter in batch if (message := letter.message)}
    return len(found)


def _is_of(letter: DeadLetter, places: dict[Place, int]) -> bool:
    message = letter.message
    return message is not None and message.replays <= places.get(_place(message), -1)


def _replayed(chosen: Chosen) -> Iterator[Page]:
    """Yield the chosen pages on their next journey."""
    for page in chosen.pages():
        yield replace(page, message=replace(page.message, replays=page.message.replays + 1))


def _send_again(first: Page, pages: Iterator[Page], parts: Parts) -> dict[Place, int]:
    """Queue pages and send their messages, at last that of `first`, which is queued already.

    Return the places and replays of those that were sent.
    """
    sent = {_place(first.message): first.message.replays}
    try:
        with ThreadPoolExecutor(MAX_THREADS, "requeue") as threads:
            for batch in _batches(pages, ROWS_AT_ONCE):
                were_failed = list(threads.map(parts.ledger.requeue, batch))
                queued = [page for page, it_was in zip(batch, were_failed, strict=True) if it_was]
                parts.outbox.send(page.message for page in queued)
                sent |= {_place(page.message): page.message.replays for page in queued}
    finally:
        parts.outbox.send([first.message])
    return sent


def _requeue(page: Page, ledger: Ledger) -> bool:
    """Queue a failed page; tell whether it was still failed."""
    if ledger.requeue(page):
        return True
    row = ledger.load_page(page)
    if row is not None and row.state is PageState.FAILED:
        run_id = page.message.run_id
        raise ConsoleError(f"run {run_id} has begun to build its manifests; try again after that")
    return False


def _place(message: Message) -> Place:
    return (message.run_id, *message.place)


def _batches(things: Iterable[Thing], size: int) -> Iterator[list[Thing]]:
    iterator = iter(things)
    while batch := list(itertools.islice(iterator, size)):
        yield batch
