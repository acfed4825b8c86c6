"""The simulated pool of `benchmarks`: real workers come to the same end as on real services."""

from dataclasses import replace

import pytest

from benchmarks.simulation.expressions import parse_condition, update
from benchmarks.simulation.limits import Aws, DynamoDb
from benchmarks.simulation.scenario import Scenario, simulate
from worker.settings import IDLE_SECONDS

PAGES = 90
SMALL = Scenario(workers=3, image_seconds=0.5, watched=None, pages=PAGES)


def test_workers_do_every_page_once_build_once_and_leave() -> None:
    outcome = simulate(SMALL)
    assert outcome.images == PAGES
    assert outcome.final_jobs == 1
    assert outcome.given_up == 0
    assert outcome.seconds - outcome.done_at >= IDLE_SECONDS
    # An outcome for each page, the claim of the final job, and the note of its id.
    assert outcome.tries - outcome.conflicts == PAGES + 2


def test_the_same_scenario_gives_the_same_outcome() -> None:
    busy = replace(SMALL, workers=20, image_seconds=0.1, in_hand=3, watched=3)
    first = simulate(busy)
    assert first.conflicts > 0
    assert first == simulate(busy)


def test_a_partition_takes_no_more_than_its_limit() -> None:
    narrow = Aws(dynamodb=DynamoDb(partitions=1, partition_write_units=20))
    outcome = simulate(replace(SMALL, watched=5, aws=narrow))
    assert outcome.throttled > 0
    # What a second brings may have been saved.
    assert outcome.write_units * outcome.seconds <= 20 * (outcome.seconds + 1)


def test_what_the_ledger_does_not_use_is_refused() -> None:
    for unknown in ("contains(#a, :b)", "#a = :b NOT", "size(#a) > :b"):
        with pytest.raises((ValueError, KeyError)):
            parse_condition(unknown)


def test_an_update_sees_the_item_as_it_was() -> None:
    item = {"n": {"N": "2"}, "gone": {"S": "x"}}
    changed = update(
        item,
        "SET #m = #n, #n = #n + :one REMOVE #gone",
        {"#m": "m", "#n": "n", "#gone": "gone"},
        {":one": {"N": "1"}},
    )
    assert changed == {"m": {"N": "2"}, "n": {"N": "3"}}
    assert item["n"] == {"N": "2"}
