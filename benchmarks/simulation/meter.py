"""What a simulated pool asked of the services, call by call. Pure."""

import dataclasses
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

Second = int


@dataclass(slots=True)
class Meter:
    """Counts since the last reset.

    `calls` are by operation, those of each `second` too; a call that is repeated counts again.
    `written` and `read` are units by key, in each second. `conflicts` and `throttled` count tries
    that were refused, `given_up` calls whose retries were used up.
    """

    calls: Counter[str] = field(default_factory=Counter)
    seconds: Counter[Second] = field(default_factory=Counter)
    written: Counter[tuple[str, Second]] = field(default_factory=Counter)
    read: Counter[tuple[str, Second]] = field(default_factory=Counter)
    conflicts: int = 0
    throttled: Counter[str] = field(default_factory=Counter)
    given_up: Counter[str] = field(default_factory=Counter)
    most_in_flight: int = 0

    def reset(self) -> None:
        """Begin anew."""
        for entry in dataclasses.fields(self):
            setattr(self, entry.name, type(getattr(self, entry.name))())

    def call(self, operation: str, now: float) -> None:
        """Note a call."""
        self.calls[operation] += 1
        self.seconds[int(now)] += 1


def peak(units: Counter[tuple[str, Second]]) -> tuple[str, int]:
    """Return which key took the most units in one second, and how many."""
    (key, _), most = max(units.items(), key=lambda entry: entry[1], default=(("", 0), 0))
    return key, most


def busiest(units: Counter[tuple[str, Second]], seconds: float) -> tuple[str, float]:
    """Return which key took the most units per second over so many, and how many."""
    totals: Counter[str] = Counter()
    for (key, _), count in units.items():
        totals[key] += count
    key, most = max(totals.items(), key=lambda entry: entry[1], default=("", 0))
    return key, most / seconds


def total(units: Counter[tuple[str, Second]]) -> int:
    """Return all units."""
    return sum(units.values())


def merged(counters: Iterable[Counter[str]]) -> Counter[str]:
    """Return the sum of some counters."""
    return sum(counters, Counter[str]())
