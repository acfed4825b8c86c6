"""A thousand workers, which nobody here has: the worker's own code in virtual time.

The same seed gives the same numbers, so nothing is repeated.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache

from benchmarks.simulation.limits import (
    LAMBDA_SECONDS,
    NEW_TABLE_PARTITIONS,
    NEW_TABLE_WRITE_UNITS,
    S3,
    TABLE_WRITE_UNITS,
    Aws,
    DynamoDb,
)
from benchmarks.simulation.scenario import Outcome, Scenario, simulate
from benchmarks.units import ITEM_READ_UNITS, ITEM_WRITE_UNITS

WORKERS = (10, 100, 1_000)
TILES = {0.3: 98, 1.0: 288, 4.0: 1_080}
"""Files of an image that takes so many CPU seconds: of 15, 50 and 200 million pixels."""
IN_HAND = (1, 3)
LATENCIES = (0.005, 0.010, 0.020)
WATCHED_IMAGES = 8_000
WATCHED_SECONDS = (3, 60)
DRAINED_IMAGES = 10
"""For each worker, from its start to its end."""
TEN_THOUSAND = Scenario(workers=1_000, image_seconds=0.4, in_hand=3, watched=3)
"""Ten thousand workers at images of four seconds record as much as a thousand at these."""


def measure(repeats: int) -> str:  # noqa: ARG001  # see above
    """Simulate pools of all sizes; return the tables."""
    sections = [_sizes(), _latencies(), _new_table(), _prefixes(), _ends(), _ten_thousand()]
    return "\n\n".join(sections)


@cache
def _simulated(scenario: Scenario) -> Outcome:
    return simulate(scenario)


def _scenario(workers: int, seconds: float, in_hand: int, aws: Aws | None = None) -> Scenario:
    scenario = Scenario(
        workers=workers,
        image_seconds=seconds,
        in_hand=in_hand,
        tiles=TILES[seconds],
        aws=aws or Aws(),
    )
    least, most = WATCHED_SECONDS
    watched = min(most, max(least, math.ceil(WATCHED_IMAGES / scenario.asked)))
    return replace(scenario, watched=watched)


def _sizes() -> str:
    rows = []
    for workers in WORKERS:
        for seconds in TILES:
            by_hand = [_scenario(workers, seconds, in_hand) for in_hand in IN_HAND]
            outcomes = [_simulated(scenario) for scenario in by_hand]
            asked, last = by_hand[0].asked, outcomes[-1]
            rows.append(
                (
                    f"{workers:,}",
                    f"{seconds:g} s",
                    f"{asked:,.0f}",
                    *(f"{outcome.rate / asked:.0%}" for outcome in outcomes),
                    f"{_calls(last):.1f}",
                    _refused(last),
                    f"{last.write_units:,.0f}",
                    f"{last.hottest_units:,.0f} / {last.hottest_peak:,}",
                    f"{last.partition_units:,.0f}",
                    f"{last.in_flight:,}",
                )
            )
    header = (
        "workers",
        "image",
        "images/s asked for",
        *(f"done, {number} in hand" for number in IN_HAND),
        "calls per image",
        "transactions refused",
        "table, write units/s",
        "hottest counter, mean / peak",
        "its partition",
        "in flight",
    )
    return (
        "Workers of 2 vCPUs, each with one or three images in hand (the other columns are of"
        f" three). A call is one to SQS or DynamoDB.\n\n{_table(header, rows)}"
    )


def _latencies() -> str:
    rows = []
    for seconds in TILES:
        outcomes = []
        for latency in LATENCIES:
            aws = Aws(dynamodb=DynamoDb(transaction_seconds=latency))
            scenario = _scenario(WORKERS[-1], seconds, IN_HAND[-1], aws)
            outcomes.append(_simulated(scenario))
        told = [
            f"{outcome.rate / scenario.asked:.0%}, {_refused(outcome)},"
            f" {outcome.partition_units:,.0f}"
            for outcome in outcomes
        ]
        rows.append((f"{seconds:g} s", f"{scenario.asked:,.0f}", *told))
    header = ("image", "images/s asked for", *(f"{1000 * s:g} ms" for s in LATENCIES))
    return (
        "A thousand workers, by how long a transaction takes: done, refused, write units/s of the"
        f" hottest partition.\n\n{_table(header, rows)}"
    )


def _new_table() -> str:
    aws = Aws(dynamodb=DynamoDb(partitions=NEW_TABLE_PARTITIONS))
    rows = []
    for workers, seconds in ((100, 1.0), (100, 0.3), (1_000, 4.0), (1_000, 1.0)):
        scenario = _scenario(workers, seconds, IN_HAND[-1], aws)
        outcome = _simulated(scenario)
        rows.append(
            (
                f"{workers:,}",
                f"{seconds:g} s",
                f"{scenario.asked:,.0f}",
                f"{outcome.rate / scenario.asked:.0%}",
                f"{outcome.throttled / max(1, outcome.tries):.0%}",
                f"{outcome.given_up:,}",
            )
        )
    header = ("workers", "image", "images/s asked for", "done", "throttled tries", "given up")
    return (
        f"On a table that is new: {NEW_TABLE_PARTITIONS} partitions,"
        f" {NEW_TABLE_WRITE_UNITS:,} write units/s.\n\n{_table(header, rows)}"
    )


def _prefixes() -> str:
    rows = []
    for workers in WORKERS:
        scenario = _scenario(workers, 1.0, IN_HAND[-1], Aws(s3=S3(prefixes=1)))
        puts = scenario.asked * scenario.tiles
        one = _simulated(scenario)
        rows.append(
            (
                f"{workers:,}",
                f"{puts:,.0f}",
                f"{math.ceil(puts / S3().puts_per_second):,}",
                f"{one.rate / scenario.asked:.1%}",
            )
        )
    header = ("workers", "PUT/s asked for", "prefixes that takes", "done with one")
    return (
        "S3 takes 3,500 PUT/s for each prefix that it has split off, and splits as the load lasts."
        f" At images of one second, {TILES[1.0]} files each:\n\n{_table(header, rows)}"
    )


def _ends() -> str:
    rows = []
    for workers in WORKERS:
        start = simulate(Scenario(workers=workers, image_seconds=1, submits=True))
        pages = DRAINED_IMAGES * workers
        whole = simulate(
            Scenario(workers=workers, image_seconds=1, in_hand=3, watched=None, pages=pages)
        )
        idle = whole.per_second[int(whole.done_at) + 5 : int(whole.done_at) + 55]
        rows.append(
            (
                f"{workers:,}",
                f"{start.seconds:,.0f} s",
                f"{start.calls['batch.SubmitJob'] / start.seconds:.0f}",
                f"{whole.seconds - whole.done_at:.0f} s",
                f"{sum(idle) / len(idle):,.0f} / {max(idle):,}",
                f"{sum(idle) / len(idle) / workers:.1f}",
                str(whole.final_jobs),
            )
        )
    header = (
        "workers",
        "to submit them",
        "SubmitJob/s",
        "from the last page to the last worker's end",
        "calls/s meanwhile, mean / peak",
        "of each worker",
        "final jobs",
    )
    return (
        "The start, as `pipeline.pool.start_workers` has it (a Lambda lasts"
        f" {LAMBDA_SECONDS} s, Batch takes 50 SubmitJob/s), and the end of a run of"
        f" {DRAINED_IMAGES} images of one second for each worker. It takes a minute more where two"
        " workers see the run complete at once: the second then looks after the first's final job."
        f"\n\n{_table(header, rows)}"
    )


def _ten_thousand() -> str:
    outcome, large = simulate(TEN_THOUSAND), 10 * TEN_THOUSAND.workers
    looks = simulate(replace(_scenario(100, 4.0, IN_HAND[-1]), watched=60))
    puts = TEN_THOUSAND.asked * TILES[4.0]
    limits: Sequence[tuple[str, float, float]] = (
        ("outcomes/s", outcome.rate, TEN_THOUSAND.asked),
        ("hottest counter's partition, write units/s", outcome.partition_units, ITEM_WRITE_UNITS),
        ("run's row, read units/s", looks.hottest_read_units * large / 100, ITEM_READ_UNITS),
        ("table, write units/s", outcome.write_units, TABLE_WRITE_UNITS),
        ("messages in flight", looks.in_flight * large / 100, Aws().sqs.in_flight),
        ("SubmitJob, seconds", large / Aws().batch.submits_per_second, LAMBDA_SECONDS),
        ("PUT/s, of one prefix", puts, S3().puts_per_second),
    )
    rows = [
        (name, f"{used:,.0f}", f"{limit:,.0f}", f"{used / limit:.0%}")
        for name, used, limit in limits
    ]
    header = ("ten thousand workers, images of 4 s", "come to", "limit, or asked for", "of it")
    return f"{_table(header, rows)}\n\nOf their transactions {_refused(outcome)} are refused."


def _calls(outcome: Outcome) -> float:
    return sum(outcome.calls.values()) / max(1, outcome.images)


def _refused(outcome: Outcome) -> str:
    return f"{outcome.conflicts / max(1, outcome.tries):.0%}"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
