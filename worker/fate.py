"""What becomes of a message. Values only."""

from dataclasses import dataclass

from pipeline.run import Page, TiledPage


@dataclass(frozen=True, slots=True)
class Done:
    """The page's tiles are published."""

    tiled: TiledPage


@dataclass(frozen=True, slots=True)
class Failed:
    """The page cannot be tiled; the reason is for people."""

    reason: str


@dataclass(frozen=True, slots=True)
class Again:
    """Another attempt may succeed."""

    reason: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """Its time has not come; waiting is no attempt."""

    reason: str


@dataclass(frozen=True, slots=True)
class Known:
    """The page's outcome stands in the ledger already: a second delivery."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """Nobody wants the page any more; `row` is what the ledger has of it."""

    reason: str
    row: Page


Fate = Done | Failed | Again | Waiting | Known | Dropped
