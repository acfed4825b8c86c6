"""Dead letters and ledger rows must agree: one letter for each failed page, and none else.

A worker buries the letter, then records the failure; the queue's own redrive buries without a
word. Whatever was cut off in between is completed here.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from pipeline.batch import Jobs
from pipeline.completion import complete_run
from pipeline.dead_letters import DeadLetter, DeadLetters, Hand, letter_attributes
from pipeline.ledger import Ledger
from pipeline.message import Message
from pipeline.outbox import Outbox
from pipeline.outcome import record_outcome
from pipeline.run import Page, PageState

MAX_LETTERS = 3_000
"""Of a pass, if there is the time. They come in no order that one could rely on."""
REDRIVEN = "given up: its message was delivered too often without a result"

Place = tuple[str, str, int, int]
"""A page's run, item, file and image."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Burials:
    """Compares dead letters with the rows they are about."""

    ledger: Ledger
    outbox: Outbox
    dead_letters: DeadLetters
    jobs: Jobs

    def reconcile(self, is_late: Callable[[], bool]) -> None:
        """Look at some letters, until it is late."""
        kept: set[Place] = set()
        others: list[tuple[Place, DeadLetter, Message]] = []
        # Not to wait for more keeps the time short in which nobody else sees them.
        most = min(MAX_LETTERS, self.dead_letters.depth())
        with self.dead_letters.take(most) as hand:
            for letter in hand.letters():
                if is_late():
                    break
                message = letter.message
                row = None if message is None else self.ledger.load_page(Page(message))
                if message is None or row is None:
                    continue  # nobody's: `tilepool dlq` shows it
                place = (message.run_id, *message.place)
                if _tells_otherwise(letter, message, row):
                    others.append((place, letter, message))
                elif self._agrees(letter, message, row, hand, is_doubled=place in kept):
                    kept.add(place)
            for place, letter, message in others:
                if place in kept:
                    self._remove(letter, message, hand, "there is another one")
                kept.add(place)

    def _agrees(
        self, letter: DeadLetter, message: Message, row: Page, hand: Hand, *, is_doubled: bool
    ) -> bool:
        """Make letter and row agree; tell whether this letter is the one of a failure."""
        ahead = message.replays - row.message.replays
        match row.state:
            case PageState.DONE:
                self._remove(letter, message, hand, "the page is done")
            case PageState.FAILED if ahead >= 1 and not is_doubled:
                return True
            case PageState.FAILED if ahead >= 1:
                self._remove(letter, message, hand, "there is another one")
            case PageState.FAILED if ahead <= 0:
                self._bury(row, row.reason or REDRIVEN, row.attempts, letter.group)
                self._remove(letter, message, hand, "it is an older one")
            case PageState.QUEUED if ahead == 1:
                self._record(row, letter.attributes.get("reason") or REDRIVEN, letter)
                return True
            case PageState.QUEUED if ahead == 0 and "reason" not in letter.attributes:
                self._bury(row, REDRIVEN, 0, letter.group)
                self._record(row, REDRIVEN, letter)
                self._remove(letter, message, hand, "the queue gave it up")
            case _:
                # The copy of one that was replayed, perhaps; its row decides when it has ended.
                return False
        return False

    def _record(self, row: Page, reason: str, letter: DeadLetter) -> None:
        """Record a page as failed, when its letter was buried."""
        attempts = letter.attributes.get("attempts", "")
        failed = Page(
            row.message,
            PageState.FAILED,
            reason=reason,
            attempts=int(attempts) if attempts.isdigit() else 0,
            ended_at=int(letter.sent_at),
        )
        first = record_outcome(failed, self.ledger, self.outbox)
        log.warning("failure_recorded", **_bound(row.message), reason=reason, first=first)
        complete_run(row.message.run_id, self.ledger, self.jobs, [row.shard])

    def _bury(self, row: Page, reason: str, attempts: int, group: str) -> None:
        replayed = replace(row.message, replays=row.message.replays + 1)
        self.dead_letters.bury(
            replayed.to_json(), letter_attributes(replayed, reason, attempts), group
        )

    def _remove(self, letter: DeadLetter, message: Message, hand: Hand, why: str) -> None:
        hand.remove(letter)
        log.warning("letter_removed", **_bound(message), why=why)


def _tells_otherwise(letter: DeadLetter, message: Message, row: Page) -> bool:
    """Tell whether a letter is about a failure, but not with the reason of its row.

    A worker that died before it recorded the failure has left it, and the page failed otherwise.
    """
    is_its_failure = row.state is PageState.FAILED and message.replays > row.message.replays
    return is_its_failure and not letter.gives(row.reason or REDRIVEN)


def _bound(message: Message) -> dict[str, str | int]:
    return {
        "run": message.run_id,
        "item": message.item,
        "page": message.page,
        "part": message.part,
    }
