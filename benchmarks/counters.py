"""Workers that meet on the ledger's counters, and nothing else: how many counters it takes. Pure.

`benchmarks.simulation` has all of a pool, in minutes; this has one question, in a second.
"""

import heapq
import random
from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Pool:
    """Workers at one run. Times in seconds.

    `latency` is how long a transaction holds its items: another one that comes meanwhile is
    refused. `counter_units` is what a transaction costs its shard's counter.
    """

    workers: int = 1_000
    processes: int = 2
    image_seconds: float = 4.0
    shards: int = 64
    latency: float = 0.01
    counter_units: int = 2
    max_retries: int = 12
    first_wait: float = 0.01


@dataclass(slots=True)
class Load:
    """What a pool did in some seconds.

    `peak_units` is the most that one counter took in one second, `attempts` counts transactions,
    `conflicts` those refused, `given_up` outcomes whose retries were used up.
    """

    seconds: float
    outcomes: int = 0
    attempts: int = 0
    conflicts: int = 0
    given_up: int = 0
    units: Counter[tuple[int, int]] = field(default_factory=Counter)

    @property
    def peak_units(self) -> int:
        return max(self.units.values(), default=0)

    @property
    def rate(self) -> float:
        """Outcomes per second."""
        return self.outcomes / self.seconds


def run_pool(pool: Pool, seconds: float, seed: int) -> Load:
    """Let a pool work for some seconds, second by second as its clock says, not ours."""
    chance, load = random.Random(seed), Load(seconds)
    held_until = [0.0] * pool.shards
    # Each entry is one process that is about to record an outcome: when, on which counter, and
    # how often it was refused.
    due = [
        (chance.uniform(0, pool.image_seconds), number, chance.randrange(pool.shards), 0)
        for number in range(pool.workers * pool.processes)
    ]
    heapq.heapify(due)
    while due[0][0] < seconds:
        now, number, shard, refused = heapq.heappop(due)
        load.attempts += 1
        load.units[shard, int(now)] += pool.counter_units
        if now < held_until[shard] and refused < pool.max_retries:
            load.conflicts += 1
            wait = chance.uniform(0, pool.first_wait * 2 ** min(refused + 1, 7))
            heapq.heappush(due, (now + pool.latency + wait, number, shard, refused + 1))
            continue
        if now < held_until[shard]:
            load.conflicts += 1
            load.given_up += 1
        else:
            held_until[shard] = now + pool.latency
            load.outcomes += 1
        # Scans differ: half of the images take less than 0.9 of the mean.
        tiling = chance.gammavariate(3, pool.image_seconds / 3)
        heapq.heappush(due, (now + pool.latency + tiling, number, chance.randrange(pool.shards), 0))
    return load
