"""What is found while verifying: counted all, told the first few. Holds no more than it tells."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum

MAX_TOLD = 20
"""Findings of one kind that are told one by one."""


class Kind(Enum):
    """What is found; the values are the words of the summary. All but GAP and NOTE are errors."""

    DOCUMENT = "document"
    MISSING = "missing"
    WRONG_SIZE = "wrong size"
    DAMAGED = "damaged"
    WRONG_PLACE = "wrong place"
    NO_ANSWER = "no answer"
    GAP = "gaps"
    """A canvas that shows no image: its page is missing, and the manifest does not hide it."""
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a librarian or developer should know: where, and what is wrong.

    Notes with the same text are one note, with one of its places. `times` counts files where
    one finding stands for several.
    """

    kind: Kind
    where: str
    what: str
    times: int = 1


@dataclass(slots=True)
class Findings:
    """Takes findings as they come, in order."""

    counts: Counter[Kind] = field(default_factory=Counter)
    _told: dict[Kind, list[Finding]] = field(default_factory=dict)
    _notes: dict[str, tuple[int, str]] = field(default_factory=dict)

    def add(self, findings: Iterable[Finding]) -> None:
        """Count the findings; remember the first of each kind."""
        for finding in findings:
            self.counts[finding.kind] += finding.times
            if finding.kind is Kind.NOTE:
                self._add_note(finding)
            else:
                told = self._told.setdefault(finding.kind, [])
                if len(told) < MAX_TOLD:
                    told.append(finding)

    def _add_note(self, note: Finding) -> None:
        times, where = self._notes.get(note.what, (0, note.where))
        # The first by name, so that a report is the same whatever came first.
        if note.what in self._notes or len(self._notes) < MAX_TOLD:
            self._notes[note.what] = times + note.times, min(where, note.where)

    @property
    def errors(self) -> int:
        """Return how many errors there are."""
        return self.counts.total() - self.counts[Kind.GAP] - self.counts[Kind.NOTE]

    def lines(self) -> Iterator[tuple[Kind, str]]:
        """Yield what to tell, errors first, each kind with a count of those left out."""
        for kind in Kind:
            told = self._told.get(kind, [])
            for finding in told:
                yield kind, f"{finding.where}: {finding.what}"
            more = self.counts[kind] - sum(finding.times for finding in told)
            if told and more:
                yield kind, f"… and {more:,} more"
        for what, (times, where) in self._notes.items():
            yield (
                Kind.NOTE,
                f"{what} (e.g. {where})" if times == 1 else f"{times:,} × {what} (e.g. {where})",
            )
