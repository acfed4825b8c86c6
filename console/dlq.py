"""What lies in the dead-letter queue, by run and reason; also what no run knows."""

from collections import Counter
from dataclasses import dataclass, field

from console.plain import counted
from pipeline.dead_letters import DeadLetter, DeadLetters
from pipeline.ledger import Ledger

MAX_LOOKED_AT = 10_000
MAX_REASONS = 200
"""Further reasons of a run are counted as one: a reason may name a file."""
MAX_EXAMPLE_CHARACTERS = 120
NO_REASON = "no reason given: the queue gave it up"
OTHER_REASONS = "other reasons"
NOT_OURS = "not a message of this version"
UNKNOWN_RUN = "a run that the ledger does not know"


@dataclass(slots=True)
class Group:
    """Letters of one run and reason; `run` is None where none can be told.

    `example` names a page, or is the beginning of a body that is not ours. `oldest` is in seconds
    since the epoch.
    """

    run: str | None
    state: str | None
    reason: str
    example: str
    oldest: float
    letters: int = 0


@dataclass(slots=True)
class Survey:
    """Some letters, grouped; `depth` is about how many there are."""

    depth: int
    looked_at: int = 0
    groups: list[Group] = field(default_factory=list)

    @property
    def is_partial(self) -> bool:
        """Tell whether there are letters that were not looked at."""
        return self.looked_at < self.depth

    @property
    def nothing_to_replay(self) -> str:
        """Say why nothing was found."""
        if self.looked_at or not self.depth:
            return "Nothing to replay"
        hidden = counted(self.depth, "dead letter")
        return f"Nothing to replay: about {hidden} in somebody else's hand; try again in 5 minutes"

    @property
    def runs(self) -> Counter[str]:
        """Return the letters of each run that the ledger knows."""
        runs: Counter[str] = Counter()
        for group in self.groups:
            if group.run is not None and group.state is not None:
                runs[group.run] += group.letters
        return runs

    @property
    def unknown(self) -> int:
        """Return the letters that no run knows."""
        return sum(group.letters for group in self.groups if group.state is None)


def look_at_letters(dead_letters: DeadLetters, ledger: Ledger, most: int = MAX_LOOKED_AT) -> Survey:
    """Look at so many letters, and put them back."""
    survey = Survey(dead_letters.depth())
    groups: dict[tuple[str | None, str], Group] = {}
    states: dict[str, str | None] = {}
    reasons: Counter[str | None] = Counter()
    with dead_letters.take(most) as hand:
        for letter in hand.letters():
            survey.looked_at += 1
            run_id, reason = _kind(letter, ledger, states)
            if (run_id, reason) not in groups:
                if reasons[run_id] >= MAX_REASONS:
                    reason = OTHER_REASONS
                reasons[run_id] += 1
            group = groups.setdefault(
                (run_id, reason),
                Group(run_id, states.get(run_id or ""), reason, _example(letter), letter.sent_at),
            )
            group.letters += 1
            group.oldest = min(group.oldest, letter.sent_at)
    survey.groups = sorted(groups.values(), key=lambda group: (group.run or "", -group.letters))
    return survey


def _kind(
    letter: DeadLetter, ledger: Ledger, states: dict[str, str | None]
) -> tuple[str | None, str]:
    """Return a letter's run and reason; the states of runs are looked up once."""
    message = letter.message
    if message is None:
        return None, NOT_OURS
    run_id = message.run_id
    if run_id not in states:
        run = ledger.load_run(run_id)
        states[run_id] = run.state.value if run is not None else None
    if states[run_id] is None:
        return run_id, UNKNOWN_RUN
    return run_id, letter.attributes.get("reason") or NO_REASON


def _example(letter: DeadLetter) -> str:
    message = letter.message
    if message is None:
        return letter.body[:MAX_EXAMPLE_CHARACTERS]
    return f"{message.item}, page {message.page} ({message.key})"
