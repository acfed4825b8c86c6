"""Watching a simulated pool. Imported only where time is virtual already."""

import math
from collections import Counter
from dataclasses import replace

from benchmarks.simulation.clock import Clock
from benchmarks.simulation.meter import busiest, peak, total
from benchmarks.simulation.pool import RUN, Pool
from benchmarks.simulation.scenario import Outcome, Scenario
from pipeline.pool import start_workers

WARM_UP_IMAGES = 3
MARGIN = 1.3
LOOK_SECONDS = 1.0
TRANSACT = "dynamodb.TransactWriteItems"


def watch(clock: Clock, scenario: Scenario) -> Outcome:
    """Let a pool work, from its start to its end or for some seconds of full work."""
    pool = Pool(clock, scenario)
    if scenario.submits:
        return _submission(pool)
    if scenario.watched is None:
        return _whole(pool, scenario.pages)
    warm_up = scenario.start_seconds + WARM_UP_IMAGES * scenario.image_seconds + 1
    with pool.still():
        pool.dispatch(int(scenario.asked * (warm_up + scenario.watched) * MARGIN) + 100)
    pool.start()
    # To the second, for units are counted by the clock's.
    clock.sleep(math.ceil(clock.now + warm_up) - clock.now)
    pool.world.meter.reset()
    return _measured(pool, scenario.watched)


def _measured(pool: Pool, seconds: float) -> Outcome:
    before, puts, busy = pool.counts().done, pool.store.puts, _busy(pool)
    pool.clock.sleep(seconds)
    return _outcome(pool, seconds, before, puts, busy)


def _whole(pool: Pool, pages: int) -> Outcome:
    with pool.still():
        pool.dispatch(pages)
    started = pool.clock.now
    pool.start()
    done_at = 0.0
    while pool.left < pool.scenario.workers and not pool.clock.faults:
        pool.clock.sleep(LOOK_SECONDS)
        if not done_at and pool.counts().done == pages:
            done_at = pool.clock.now - started
    return replace(_outcome(pool, pool.clock.now - started, 0, 0, 0), done_at=done_at)


def _submission(pool: Pool) -> Outcome:
    """Submit the workers of a run, as the dispatcher does."""
    with pool.still():
        pool.dispatch(1)
    run, started = pool.ledger.load_run(RUN), pool.clock.now
    if run is not None:
        start_workers(run, pool.scenario.workers, pool.ledger, pool.batch)
    return _outcome(pool, pool.clock.now - started, 0, 0, 0)


def _busy(pool: Pool) -> float:
    return sum(machine.busy_seconds for machine in pool.machines)


def _outcome(pool: Pool, seconds: float, done: int, puts: int, busy: float) -> Outcome:
    if pool.clock.faults:
        raise pool.clock.faults[0]
    meter, cpus = pool.world.meter, pool.scenario.workers * pool.scenario.cpus
    hottest, units = busiest(meter.written, seconds)
    hottest_read, read = busiest(meter.read, seconds)
    partitions: Counter[tuple[str, int]] = Counter()
    for (key, second), count in meter.written.items():
        partitions[key.partition(" ")[0], second] += count
    first = min(meter.seconds, default=0)
    return Outcome(
        seconds=seconds,
        done_at=0,
        images=pool.counts().done - done,
        calls=dict(meter.calls),
        per_second=tuple(meter.seconds[first + second] for second in range(int(seconds))),
        conflicts=meter.conflicts,
        throttled=meter.throttled.total(),
        given_up=meter.given_up.total(),
        tries=meter.calls[TRANSACT],
        write_units=total(meter.written) / seconds,
        read_units=total(meter.read) / seconds,
        hottest=hottest,
        hottest_units=units,
        hottest_peak=peak(meter.written)[1],
        hottest_read=hottest_read,
        hottest_read_units=read,
        partition_units=busiest(partitions, seconds)[1],
        in_flight=meter.most_in_flight,
        puts=pool.store.puts - puts,
        busy=(_busy(pool) - busy) / (cpus * seconds),
        final_jobs=sum("manifests" in name for name in pool.jobs.names),
    )
