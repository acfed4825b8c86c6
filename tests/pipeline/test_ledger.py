"""The ledger's contract: every change is guarded, repeats change nothing, counts equal rows."""

import io
import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders

from console.embedded import EmbeddedCloud
from pipeline.dynamo_ledger import MAX_CONFLICTS, _retry_conflict
from pipeline.ledger import Ledger
from pipeline.message import Message
from pipeline.run import (
    SHARDS,
    Counts,
    Page,
    PageState,
    RunState,
    Summary,
    shard_of,
)
from tests.builders import a_message, a_plan, a_run, an_upload, done, failed, new_run_id


def messages(run_id: str, count: int) -> list[Message]:
    return [a_message(run_id, page=number) for number in range(1, count + 1)]


def sealed_run(ledger: Ledger, count: int) -> list[Message]:
    """Open, record and seal a run of so many pages; return their messages."""
    run_id = new_run_id()
    found = messages(run_id, count)
    pages = [Page(message) for message in found]
    assert ledger.open_run(a_run(run_id))
    assert ledger.record_pages(run_id, pages)
    assert ledger.seal(run_id, pages)
    return found


def assert_counts_equal_rows(ledger: Ledger, run_id: str) -> None:
    rows = Counter(page.state for page in ledger.pages(run_id))
    assert ledger.counts(run_id) == Counts(
        rows.total(), rows[PageState.DONE], rows[PageState.FAILED]
    )


def test_an_unknown_run_is_none(ledger: Ledger) -> None:
    assert ledger.load_run("nobody") is None


def test_a_run_comes_back_as_it_was_written(ledger: Ledger) -> None:
    run = a_run(new_run_id(), a_plan(csv_key="spaß/é.csv"))
    ledger.open_run(run)
    assert ledger.load_run(run.run_id) == run


def test_runs_are_listed_newest_first(ledger: Ledger) -> None:
    old, new = new_run_id(), new_run_id()
    ledger.open_run(a_run(new, upload=replace(an_upload(), time="2026-06-02T00:00:00Z")))
    ledger.open_run(a_run(old, upload=replace(an_upload(), time="2026-06-01T00:00:00Z")))
    assert [run for run in ledger.runs() if run in {old, new}] == [new, old]


def test_a_cut_off_run_is_opened_again_and_listed_once(ledger: Ledger) -> None:
    run = a_run(new_run_id())
    assert ledger.open_run(run)
    assert ledger.open_run(replace(run, plan=a_plan(workers=9)))
    loaded = ledger.load_run(run.run_id)
    assert loaded is not None
    assert loaded.plan == a_plan(workers=9)
    assert list(ledger.runs()).count(run.run_id) == 1


def test_a_sealed_run_is_not_opened_again(ledger: Ledger) -> None:
    (message,) = sealed_run(ledger, 1)
    assert not ledger.open_run(a_run(message.run_id))
    loaded = ledger.load_run(message.run_id)
    assert loaded is not None
    assert loaded.recorded


def test_a_rejected_run_stays_rejected(ledger: Ledger) -> None:
    run = replace(a_run(new_run_id()), plan=None, state=RunState.REJECTED, errors=("no", "nein"))
    ledger.open_run(run)
    assert not ledger.open_run(a_run(run.run_id))
    assert ledger.load_run(run.run_id) == run


def test_more_rows_than_a_transaction_holds_are_recorded(ledger: Ledger) -> None:
    run_id = new_run_id()
    ledger.open_run(a_run(run_id))
    pages = [Page(message) for message in messages(run_id, 250)]
    assert ledger.record_pages(run_id, pages)
    assert {page.message.page for page in ledger.pages(run_id)} == set(range(1, 251))
    assert {page.state for page in ledger.pages(run_id)} == {PageState.QUEUED}


def test_recording_again_before_the_seal_changes_nothing(ledger: Ledger) -> None:
    run_id = new_run_id()
    ledger.open_run(a_run(run_id))
    pages = [Page(message) for message in messages(run_id, 3)]
    assert ledger.record_pages(run_id, pages)
    assert ledger.record_pages(run_id, pages)
    assert len(list(ledger.pages(run_id))) == 3


def test_leftover_rows_can_be_discarded_until_the_seal(ledger: Ledger) -> None:
    run_id = new_run_id()
    ledger.open_run(a_run(run_id))
    first, second = (Page(message) for message in messages(run_id, 2))
    ledger.record_pages(run_id, [first, second])
    assert ledger.discard_pages(run_id, [second])
    assert list(ledger.pages(run_id)) == [first]
    ledger.seal(run_id, [first])
    assert not ledger.discard_pages(run_id, [first])


def test_rows_of_a_sealed_run_are_not_written_over(ledger: Ledger) -> None:
    (message,) = sealed_run(ledger, 1)
    assert ledger.settle(done(message))
    assert not ledger.record_pages(message.run_id, [Page(message)])
    row = ledger.load_page(Page(message))
    assert row is not None
    assert row.state is PageState.DONE


def test_a_run_is_sealed_once(ledger: Ledger) -> None:
    found = sealed_run(ledger, 5)
    ledger.settle(done(found[0]))
    assert not ledger.seal(found[0].run_id, [Page(message) for message in found])
    assert ledger.counts(found[0].run_id) == Counts(5, 1, 0)


def test_every_shard_counts_its_own_pages(ledger: Ledger) -> None:
    found = sealed_run(ledger, 60)
    expected = Counter(shard_of(message.item, message.page) for message in found)
    totals = [ledger.counts(found[0].run_id, shard).total for shard in range(SHARDS)]
    assert totals == [expected[shard] for shard in range(SHARDS)]


def test_an_outcome_is_counted_once_however_often_it_is_delivered(ledger: Ledger) -> None:
    first, second, third = sealed_run(ledger, 3)
    assert ledger.settle(done(first))
    assert not ledger.settle(done(first))
    assert not ledger.settle(failed(first))
    assert ledger.settle(failed(second))
    assert not ledger.settle(failed(second))
    assert not ledger.settle(done(second))
    assert ledger.counts(third.run_id) == Counts(3, 1, 1)
    assert_counts_equal_rows(ledger, third.run_id)


def test_an_outcome_of_a_page_that_no_run_has_is_not_counted(ledger: Ledger) -> None:
    (message,) = sealed_run(ledger, 1)
    assert not ledger.settle(done(replace(message, page=99)))
    assert ledger.counts(message.run_id) == Counts(1, 0, 0)


def test_outcomes_come_back_with_all_they_said(ledger: Ledger) -> None:
    first, second = sealed_run(ledger, 2)
    good, bad = done(first, seconds=2.125, reused=True), failed(second, "p2.tif: abgeschnitten …")
    ledger.settle(good)
    ledger.settle(bad)
    assert ledger.load_page(Page(first)) == good
    assert ledger.load_page(Page(second)) == bad
    assert list(ledger.pages(first.run_id, PageState.FAILED)) == [bad]


def test_outcomes_from_many_threads_are_all_counted_once(ledger: Ledger) -> None:
    found = sealed_run(ledger, 40)
    with ThreadPoolExecutor(8) as threads:
        firsts = list(threads.map(lambda m: ledger.settle(done(m)), [*found, *found, *found]))
    assert sum(firsts) == 40
    assert ledger.counts(found[0].run_id) == Counts(40, 40, 0)
    assert_counts_equal_rows(ledger, found[0].run_id)


def test_a_replayed_message_takes_its_failure_back_once(ledger: Ledger) -> None:
    (message,) = sealed_run(ledger, 1)
    ledger.advance(message.run_id, RunState.DISPATCHING, RunState.TILING)
    ledger.settle(failed(message))
    again = replace(message, replays=1)
    assert not ledger.requeue(Page(message))
    assert ledger.requeue(Page(again))
    assert not ledger.requeue(Page(again))
    assert ledger.counts(message.run_id) == Counts(1, 0, 0)
    row = ledger.load_page(Page(message))
    assert row == Page(again)


def test_a_late_duplicate_of_the_failed_message_does_not_settle_its_replay(ledger: Ledger) -> None:
    (message,) = sealed_run(ledger, 1)
    ledger.advance(message.run_id, RunState.DISPATCHING, RunState.TILING)
    ledger.settle(failed(message))
    ledger.requeue(Page(replace(message, replays=1)))
    assert not ledger.settle(failed(message))
    assert ledger.settle(done(replace(message, replays=1)))
    assert ledger.counts(message.run_id) == Counts(1, 1, 0)


def test_a_page_that_is_done_is_never_requeued(ledger: Ledger) -> None:
    (message,) = sealed_run(ledger, 1)
    ledger.settle(done(message))
    assert not ledger.requeue(Page(replace(message, replays=1)))
    assert ledger.counts(message.run_id) == Counts(1, 1, 0)


@pytest.mark.parametrize("state", [RunState.BUILDING, RunState.DONE, RunState.DISPATCHING])
def test_a_run_that_cannot_be_reopened_keeps_its_failures(ledger: Ledger, state: RunState) -> None:
    (message,) = sealed_run(ledger, 1)
    ledger.settle(failed(message))
    ledger.advance(message.run_id, RunState.DISPATCHING, state)
    assert not ledger.requeue(Page(replace(message, replays=1)))
    assert ledger.counts(message.run_id) == Counts(1, 0, 1)


def test_a_replay_reopens_a_run_that_is_done_with_failures(ledger: Ledger) -> None:
    (message,) = sealed_run(ledger, 1)
    ledger.settle(failed(message))
    ledger.advance(message.run_id, RunState.DISPATCHING, RunState.DONE_WITH_FAILURES)
    assert ledger.requeue(Page(replace(message, replays=1)))
    run = ledger.load_run(message.run_id)
    assert run is not None
    assert run.state is RunState.TILING


def expanded(ledger: Ledger, parts: int) -> list[Message]:
    """Open a run of three files, the second of which has so many images; return their messages."""
    first, second, third = sealed_run(ledger, 3)
    ledger.advance(first.run_id, RunState.DISPATCHING, RunState.TILING)
    assert ledger.expand(Page(second), parts)
    others = [replace(second, part=part) for part in range(2, parts + 1)]
    ledger.add_parts([Page(message) for message in others])
    return [first, second, *others, third]


def test_the_images_of_a_source_are_counted_once(ledger: Ledger) -> None:
    _, second, *_ = sealed_run(ledger, 3)
    assert ledger.expand(Page(second), 4)
    assert not ledger.expand(Page(second), 4)
    assert ledger.counts(second.run_id) == Counts(6, 0, 0)
    assert ledger.counts(second.run_id, Page(second).shard).total >= 4


def test_the_first_number_of_images_counts_whatever_is_seen_later(ledger: Ledger) -> None:
    (message,) = sealed_run(ledger, 1)
    assert ledger.expand(Page(message), 4)
    assert not ledger.expand(Page(message), 2)
    assert not ledger.expand(Page(message), 9)
    row = ledger.load_page(Page(message))
    assert row == Page(message, parts=4)
    assert ledger.counts(message.run_id) == Counts(4, 0, 0)


@pytest.mark.parametrize("outcome", [done, failed])
def test_a_source_whose_first_image_is_settled_is_not_expanded(
    ledger: Ledger, outcome: Callable[[Message], Page]
) -> None:
    (message,) = sealed_run(ledger, 1)
    assert ledger.settle(outcome(message))
    assert not ledger.expand(Page(message), 4)
    assert ledger.load_page(Page(message)) == outcome(message)
    assert ledger.counts(message.run_id).total == 1


def test_a_source_that_no_run_has_is_not_expanded(ledger: Ledger) -> None:
    (message,) = sealed_run(ledger, 1)
    assert not ledger.expand(Page(replace(message, page=9)), 4)
    assert ledger.counts(message.run_id) == Counts(1, 0, 0)


def test_the_first_image_is_settled_only_by_who_knows_of_the_others(ledger: Ledger) -> None:
    (message,) = sealed_run(ledger, 1)
    ledger.expand(Page(message), 4)
    assert not ledger.settle(done(message))
    assert not ledger.settle(failed(message))
    assert not ledger.settle(replace(done(message), parts=3))
    assert ledger.settle(replace(done(message, parts=4), parts=4))
    assert ledger.load_page(Page(message)) == replace(done(message, parts=4), parts=4)


def test_a_source_is_expanded_by_one_of_many(ledger: Ledger) -> None:
    (message,) = sealed_run(ledger, 1)
    with ThreadPoolExecutor(8) as threads:
        seen = range(2, 10)
        firsts = list(threads.map(lambda parts: ledger.expand(Page(message), parts), seen))
    assert sum(firsts) == 1
    assert ledger.counts(message.run_id).total == seen[firsts.index(True)]


def test_rows_of_further_images_are_written_where_there_are_none(ledger: Ledger) -> None:
    found = expanded(ledger, 5)
    assert ledger.settle(done(found[2]))
    assert ledger.settle(failed(found[3]))
    ledger.add_parts([Page(message) for message in found[2:6]])
    rows = {page.message.place: page.state for page in ledger.pages(found[0].run_id)}
    assert rows == {message.place: PageState.QUEUED for message in found} | {
        found[2].place: PageState.DONE,
        found[3].place: PageState.FAILED,
    }
    assert_counts_equal_rows(ledger, found[0].run_id)


def test_more_images_than_a_transaction_holds_are_written_also_where_some_are_there(
    ledger: Ledger,
) -> None:
    (message,) = sealed_run(ledger, 1)
    others = [Page(replace(message, part=part)) for part in range(2, 252)]
    ledger.expand(Page(message), 251)
    ledger.add_parts([others[0], *others[120:130]])
    ledger.settle(done(others[0].message))
    ledger.add_parts(others)
    assert ledger.counts(message.run_id) == Counts(251, 1, 0)
    assert_counts_equal_rows(ledger, message.run_id)
    parts = sorted(page.message.part for page in ledger.pages(message.run_id))
    assert parts == list(range(1, 252))


def test_counts_equal_rows_while_images_are_settled_and_others_expanded(ledger: Ledger) -> None:
    found = sealed_run(ledger, 8)
    run_id = found[0].run_id

    def work(message: Message) -> None:
        others = [replace(message, part=part) for part in range(2, 6)]
        ledger.expand(Page(message), 5)
        ledger.add_parts([Page(other) for other in others])
        for other in others:
            ledger.settle(done(other))
        ledger.settle(replace(done(message, parts=5), parts=5))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, [*found, *found]))
    assert ledger.counts(run_id) == Counts(40, 40, 0)
    assert_counts_equal_rows(ledger, run_id)


def test_a_failed_part_is_replayed_alone(ledger: Ledger) -> None:
    found = expanded(ledger, 3)
    for message in (found[0], found[2], found[4]):
        ledger.settle(done(message))
    ledger.settle(replace(done(found[1], parts=3), parts=3))
    ledger.settle(failed(found[3]))
    ledger.advance(found[0].run_id, RunState.TILING, RunState.DONE_WITH_FAILURES)
    again = replace(found[3], replays=1)
    assert ledger.requeue(Page(again))
    assert ledger.counts(found[0].run_id) == Counts(5, 4, 0)
    assert ledger.settle(done(again))
    assert ledger.counts(found[0].run_id) == Counts(5, 5, 0)
    assert_counts_equal_rows(ledger, found[0].run_id)


def test_a_replay_of_a_sources_first_image_remembers_the_others(ledger: Ledger) -> None:
    _, first, *_ = found = expanded(ledger, 3)
    assert ledger.settle(replace(failed(first), parts=3))
    again = replace(first, replays=1)
    assert ledger.requeue(Page(again))
    assert ledger.load_page(Page(first)) == Page(again, parts=3)
    assert not ledger.expand(Page(again), 7)
    assert ledger.settle(replace(done(again, parts=3), parts=3))
    assert ledger.counts(first.run_id) == Counts(len(found), 1, 0)


def test_a_late_duplicate_does_not_expand_the_replay(ledger: Ledger) -> None:
    (message,) = sealed_run(ledger, 1)
    ledger.advance(message.run_id, RunState.DISPATCHING, RunState.TILING)
    ledger.settle(failed(message))
    again = replace(message, replays=1)
    ledger.requeue(Page(again))
    assert not ledger.expand(Page(message), 4)
    assert ledger.expand(Page(again), 3)
    assert ledger.counts(message.run_id) == Counts(3, 0, 0)


def test_worker_jobs_are_noted_in_order_each_once(ledger: Ledger) -> None:
    (message,) = sealed_run(ledger, 1)
    assert ledger.add_worker_job(message.run_id, 0, "a")
    assert not ledger.add_worker_job(message.run_id, 0, "b")
    assert ledger.add_worker_job(message.run_id, 1, "c")
    run = ledger.load_run(message.run_id)
    assert run is not None
    assert run.worker_jobs == ("a", "c")


def test_a_state_changes_only_from_the_state_before(ledger: Ledger) -> None:
    (message,) = sealed_run(ledger, 1)
    assert ledger.advance(message.run_id, RunState.DISPATCHING, RunState.TILING)
    assert not ledger.advance(message.run_id, RunState.DISPATCHING, RunState.TILING)
    run = ledger.load_run(message.run_id)
    assert run is not None
    assert run.state is RunState.TILING


def test_the_final_job_is_claimed_by_one_of_many(ledger: Ledger) -> None:
    (message,) = sealed_run(ledger, 1)
    ledger.advance(message.run_id, RunState.DISPATCHING, RunState.TILING)
    with ThreadPoolExecutor(8) as threads:
        claims = threads.map(lambda _: ledger.claim_final_job(message.run_id, 1000, 900), range(8))
        assert sum(claims) == 1


def test_a_run_that_is_still_dispatched_is_not_claimed(ledger: Ledger) -> None:
    (message,) = sealed_run(ledger, 1)
    assert not ledger.claim_final_job(message.run_id, 1000, 900)


def test_a_claim_without_a_job_is_claimed_again_when_it_is_old(ledger: Ledger) -> None:
    (message,) = sealed_run(ledger, 1)
    ledger.advance(message.run_id, RunState.DISPATCHING, RunState.TILING)
    assert ledger.claim_final_job(message.run_id, now=1000, stale_before=900)
    assert not ledger.claim_final_job(message.run_id, now=1050, stale_before=1000)
    assert ledger.claim_final_job(message.run_id, now=1061, stale_before=1001)


def test_a_claim_with_a_job_is_never_claimed_again(ledger: Ledger) -> None:
    (message,) = sealed_run(ledger, 1)
    ledger.advance(message.run_id, RunState.DISPATCHING, RunState.TILING)
    ledger.claim_final_job(message.run_id, 1000, 900)
    ledger.note_final_job(message.run_id, "job-1")
    assert not ledger.claim_final_job(message.run_id, 9000, 8000)
    run = ledger.load_run(message.run_id)
    assert run is not None
    assert run.final_job == "job-1"


def test_a_run_that_is_building_ends_once_with_its_summary(ledger: Ledger) -> None:
    (message,) = sealed_run(ledger, 1)
    summary = Summary("https://x/c.json", 1, 0, 0, 9, 1, withheld=("ä",), problems=("CSV …",))
    assert not ledger.finish(message.run_id, RunState.DONE, summary)
    ledger.advance(message.run_id, RunState.DISPATCHING, RunState.BUILDING)
    assert ledger.finish(message.run_id, RunState.DONE, summary)
    assert not ledger.finish(message.run_id, RunState.DONE_WITH_FAILURES, summary)
    run = ledger.load_run(message.run_id)
    assert run is not None
    assert (run.state, run.summary) == (RunState.DONE, summary)


@pytest.mark.parametrize(
    ("codes", "attempts", "is_repeated"),
    [
        (["None", "TransactionConflict"], 1, True),
        (["TransactionConflict", "ConditionalCheckFailed"], 1, False),
        (["ConditionalCheckFailed", "None"], 1, False),
        (["None", "TransactionConflict"], MAX_CONFLICTS + 1, False),
        (["ThrottlingError", "None", "TransactionConflict"], 1, True),
        (["ProvisionedThroughputExceeded"], 1, True),
        (["ThrottlingError", "ValidationError"], 1, False),
        ([], 1, False),
    ],
)
def test_a_transaction_that_met_another_is_repeated_by_botocore(
    codes: list[str], attempts: int, is_repeated: bool
) -> None:
    response = (None, {"CancellationReasons": [{"Code": code} for code in codes]})
    assert (_retry_conflict(response, attempts) is not None) is is_repeated


def test_botocore_does_repeat_it(cloud: EmbeddedCloud) -> None:
    ledger = cloud.ledger
    (message,) = sealed_run(ledger, 1)
    conflicts = 3

    def answer(request: AWSPreparedRequest, **_: object) -> AWSResponse | None:
        nonlocal conflicts
        if not conflicts:
            return None
        conflicts -= 1
        body = {
            "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
            "message": "Transaction cancelled",
            "CancellationReasons": [{"Code": "None"}, {"Code": "TransactionConflict"}],
        }
        raw = io.BytesIO(json.dumps(body).encode())
        raw.stream = lambda: iter([raw.read()])  # type: ignore[attr-defined]
        return AWSResponse(request.url, 400, HTTPHeaders(), raw)

    events: Any = ledger._client.meta.events
    events.register("before-send.dynamodb.TransactWriteItems", answer)
    assert ledger.settle(done(message))
    assert conflicts == 0
    assert ledger.counts(message.run_id) == Counts(1, 1, 0)
