"""What a worker is told by its environment. Pure, and cheap to import."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline import environment as names
from pipeline.completion import CLAIM_SECONDS
from pipeline.environment import Environment

MEMORY_BYTES = 4_000_000_000
"""What a tiling process may hold, above all that `worker.budget` lets through: a net under it."""
IN_HAND = 3
"""For each core: one is tiled while others are fetched and uploaded."""
IDLE_SECONDS = 60
LEASE_SECONDS = 120
GRACE_SECONDS = 15
PAGE_SECONDS = 3_600
FIRST_BACKOFF_SECONDS = 5
"""Doubled at every attempt."""


@dataclass(frozen=True, slots=True)
class Settings:
    """A worker's variables. `run_id` and `index` are empty and None for one started by hand."""

    region: str
    table: str
    queue_url: str
    dead_letter_queue_url: str
    processes: int
    in_hand: int
    memory_bytes: int
    idle_seconds: int
    lease_seconds: int
    grace_seconds: int
    page_seconds: int
    backoff_seconds: int
    claim_seconds: int
    run_id: str
    index: int | None


def read_settings(variables: Mapping[str, str], cores: int) -> Settings:
    """Read a worker's variables; raises BadEnvironment with every mistake in them."""
    given = Environment(variables)
    settings = Settings(
        region=given.text(names.REGION),
        table=given.text(names.TABLE),
        queue_url=given.text(names.QUEUE_URL),
        dead_letter_queue_url=given.text(names.DEAD_LETTER_QUEUE_URL),
        processes=given.whole(names.PROCESSES, cores, least=1),
        in_hand=given.whole(names.IN_HAND, IN_HAND, least=1),
        memory_bytes=given.whole(names.MEMORY_BYTES, MEMORY_BYTES, least=1),
        idle_seconds=given.whole(names.IDLE_SECONDS, IDLE_SECONDS),
        lease_seconds=given.whole(names.LEASE_SECONDS, LEASE_SECONDS, least=3),
        grace_seconds=given.whole(names.GRACE_SECONDS, GRACE_SECONDS),
        page_seconds=given.whole(names.PAGE_SECONDS, PAGE_SECONDS, least=1),
        backoff_seconds=given.whole(names.BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS),
        claim_seconds=given.whole(names.CLAIM_SECONDS, CLAIM_SECONDS),
        run_id=given.text(names.RUN_ID, ""),
        index=given.whole(names.WORKER, 0) if given.text(names.WORKER, "") else None,
    )
    given.check()
    return settings
