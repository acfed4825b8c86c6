"""What becomes of a message. Values only."""

from dataclasses import dataclass

from pipeline.run import TiledPage


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
class Known:
    """The page's outcome stands in the ledger already: a second delivery."""


Fate = Done | Failed | Again | Known
