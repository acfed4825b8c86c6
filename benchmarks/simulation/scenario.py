"""What is simulated, and what came of it; each in a process of its own, whose time is virtual."""

import os
import random
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection

from benchmarks.simulation.clock import Clock
from benchmarks.simulation.limits import Aws
from benchmarks.simulation.threads import install

MIDNIGHT = 1_772_323_200.0
"""2026-03-01, of all clocks."""
SEED = 20_260_301


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A pool at work. Times in seconds.

    Each of the `workers` has `cpus`, and `in_hand` images for each of them; an image takes
    `image_seconds` of a CPU and becomes so many `tiles`. `watched` is for how long it is measured,
    or None: from before the first worker to after the last, with so many `pages` to do. With
    `submits` the workers are not at work, but submitted.
    """

    workers: int
    image_seconds: float
    cpus: int = 2
    in_hand: int = 1
    tiles: int = 60
    watched: float | None = 10
    pages: int = 0
    submits: bool = False
    aws: Aws = field(default_factory=Aws)

    @property
    def asked(self) -> float:
        """Return the images per second that the CPUs could do."""
        return self.workers * self.cpus / self.image_seconds

    @property
    def start_seconds(self) -> float:
        """Return within what time the workers start."""
        return self.image_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a pool did while it was watched. `done_at` is when the last page was done, if it was.

    `calls` by operation; `conflicts` and `throttled` are of all `tries` of transactions. Units are
    per second: the mean of the item or partition that took most, and the `peak` of one second.
    """

    seconds: float
    done_at: float
    images: int
    calls: Mapping[str, int]
    per_second: tuple[int, ...]
    conflicts: int
    throttled: int
    given_up: int
    tries: int
    write_units: float
    read_units: float
    hottest: str
    hottest_units: float
    hottest_peak: int
    hottest_read: str
    hottest_read_units: float
    partition_units: float
    in_flight: int
    puts: int
    busy: float
    final_jobs: int

    @property
    def rate(self) -> float:
        """Return images per second."""
        return self.images / self.seconds


def simulate(scenario: Scenario) -> Outcome:
    """Simulate a pool; raises RuntimeError with what broke in it."""
    context = get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=[scenario, there])
    process.start()
    there.close()
    try:
        told: Outcome | str = here.recv()
    finally:
        process.join()
    if isinstance(told, str):
        raise RuntimeError(told)  # noqa: TRY004  # no type is wrong
    return told


def _run(scenario: Scenario, there: Connection) -> None:
    random.seed(SEED)  # of the code's own jitter
    clock = Clock(MIDNIGHT)
    install(clock)
    try:
        from benchmarks.simulation.watch import watch  # noqa: PLC0415  # only now, see there

        told: Outcome | str = watch(clock, scenario)
    except Exception:  # noqa: BLE001  # the parent raises it
        told = traceback.format_exc()
    there.send(told)
    there.close()
    # Its threads wait for ever, in a time that has ended.
    os._exit(0)
