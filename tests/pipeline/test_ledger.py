"""The ledger's contract: every change is guarded, repeats change nothing, counts equal rows."""

import io
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders

from console.embedded import EmbeddedCloud
from pipeline import dynamo_recording, rows
from pipeline.dynamo_ledger import DynamoLedger
from pipeline.dynamo_table import MAX_CONFLICTS, _retry_conflict
from pipeline.ledger import Ledger
from pipeline.message import Message
from pipeline.run import (
    CANCEL_SECONDS,
    SHARDS,
    Counts,
    Page,
    PageState,
    Run,
    RunState,
    Summary,
    Upload,
    Watch,
    WorkerJob,
    shard_of,
)
from pipeline.threads import MAX_THREADS
from tests.builders import a_message, a_plan, a_run, an_upload, done, failed, new_run_id

SUMMARY = Summary("https://x/c.json", 1, 0, 0, 9, 1, withheld=("ä",), problems=("CSV …",))


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


def upload_at(time: str, key: str) -> Upload:
    return replace(an_upload(key), time=time)


def test_the_run_of_an_upload_is_found_from_a_time_on(ledger: Ledger) -> None:
    run_id, key = new_run_id(), f"{new_run_id()}.json"
    ledger.open_run(a_run(run_id, upload=upload_at("2026-06-01T10:00:00.250Z", key)))
    for since in ("2026-06-01T09:45:00", "2026-06-01T10:00:00"):
        assert ledger.run_of_upload("batch", key, since) == run_id
    assert ledger.run_of_upload("batch", key, "2026-06-01T10:00:01") is None
    assert ledger.run_of_upload("another", key, "2026-06-01T10:00:00") is None
    assert ledger.run_of_upload("batch", f"a{key}", "2026-06-01T10:00:00") is None


def test_of_two_uploads_under_one_key_the_newest_run_is_found(ledger: Ledger) -> None:
    old, new, key = new_run_id(), new_run_id(), f"{new_run_id()}.json"
    ledger.open_run(a_run(new, upload=upload_at("2026-06-01T10:00:02Z", key)))
    ledger.open_run(a_run(old, upload=upload_at("2026-06-01T10:00:01Z", key)))
    assert ledger.run_of_upload("batch", key, "2026-06-01T09:00:00") == new


def test_a_rejected_run_is_found_by_its_upload(ledger: Ledger) -> None:
    upload = upload_at("2026-06-01T10:00:00Z", f"{new_run_id()}.json")
    run = a_run(new_run_id(), upload=upload, state=RunState.REJECTED, errors=("no",))
    ledger.open_run(replace(run, plan=None))
    assert ledger.run_of_upload("batch", upload.key, upload.time) == run.run_id


def test_old_runs_are_not_read_to_find_that_of_an_upload(cloud: EmbeddedCloud) -> None:
    client = cloud.session.client("dynamodb", endpoint_url=cloud.url)
    table = new_run_id()
    keys: Any = {"pk": "HASH", "sk": "RANGE"}
    client.create_table(
        TableName=table,
        KeySchema=[{"AttributeName": name, "KeyType": keys[name]} for name in keys],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in keys],
        BillingMode="PAY_PER_REQUEST",
    )
    ledger = DynamoLedger(client, table)
    read: list[tuple[str, int]] = []

    def note(model: Any, parsed: Any, **_: Any) -> None:
        read.append((model.name, parsed.get("ScannedCount", 1)))

    for number in range(20):
        upload = upload_at(f"2025-01-01T10:00:{number:02}Z", f"{number}.json")
        ledger.open_run(a_run(new_run_id(), upload=upload))
    client.meta.events.register("after-call.dynamodb", note)
    assert ledger.run_of_upload("batch", "new.json", "2026-06-01T09:45:00") is None
    assert read == [("Query", 0)]
    ledger.open_run(a_run("mine", upload=upload_at("2026-06-01T10:00:00Z", "new.json")))
    read.clear()
    assert ledger.run_of_upload("batch", "new.json", "2026-06-01T09:45:00") == "mine"
    assert read == [("Query", 1)]


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


def test_of_two_dispatches_of_a_run_the_last_alone_records_its_pages(ledger: Ledger) -> None:
    run_id = new_run_id()
    first, second = (Page(message) for message in messages(run_id, 2))
    ledger.open_run(a_run(run_id, opening="slow"))
    assert ledger.record_pages(run_id, [first, second], "slow")
    ledger.open_run(a_run(run_id, opening="quick"))
    assert not ledger.record_pages(run_id, [first], "slow")
    assert not ledger.seal(run_id, [first, second], "slow")
    assert ledger.record_pages(run_id, [first], "quick")
    assert ledger.seal(run_id, [first], "quick")
    assert list(ledger.pages(run_id)) == [first]
    assert ledger.counts(run_id) == Counts(1, 0, 0)


def stopping_after(count: int) -> Callable[[], None]:
    """Return a checkpoint that ends it all when it is passed so often."""
    passed = iter(range(1, count))

    def checkpoint() -> None:
        if next(passed, None) is None:
            raise Stop

    return checkpoint


class Stop(Exception):
    """Recording is to end here."""


def pages_of(run_id: str, count: int) -> list[Page]:
    return [Page(message) for message in messages(run_id, count)]


def in_small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dynamo_recording, "MAX_PAGES_IN_HAND", 10)


def test_recording_goes_on_where_it_was_stopped(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_small_portions(monkeypatch)
    run_id = new_run_id()
    ledger.open_run(a_run(run_id, opening="o"))
    pages, before = pages_of(run_id, 60), 0
    for _ in range(4):
        with pytest.raises(Stop):
            ledger.record_pages(run_id, pages, "o", stopping_after(1))
        written = len(list(ledger.pages(run_id)))
        assert before < written < 60
        assert not ledger.seal(run_id, pages, "o")
        # So does whoever comes after a crash, and opens the run for the same listing.
        assert ledger.open_run(a_run(run_id, opening="o"))
        before = written
    assert ledger.record_pages(run_id, pages, "o")
    assert ledger.seal(run_id, pages, "o")
    assert sorted(page.message.page for page in ledger.pages(run_id)) == list(range(1, 61))
    assert ledger.counts(run_id) == Counts(60, 0, 0)


def test_rows_of_another_opening_are_removed(ledger: Ledger) -> None:
    run_id = new_run_id()
    first, *others = pages_of(run_id, 120)
    ledger.open_run(a_run(run_id, opening="much"))
    assert ledger.record_pages(run_id, [first, *others], "much")
    ledger.open_run(a_run(run_id, opening="little"))
    assert ledger.record_pages(run_id, [first], "little")
    assert list(ledger.pages(run_id)) == [first]
    assert ledger.seal(run_id, [first], "little")
    assert ledger.counts(run_id) == Counts(1, 0, 0)


def test_who_has_recorded_all_cannot_seal_what_was_removed_meanwhile(ledger: Ledger) -> None:
    run_id = new_run_id()
    pages = pages_of(run_id, 5)
    for opening, recorded in (("a", pages), ("b", pages[:1]), ("a", pages[:2])):
        ledger.open_run(a_run(run_id, opening=opening))
        assert ledger.record_pages(run_id, recorded, opening)
    assert not ledger.seal(run_id, pages, "a")
    assert ledger.record_pages(run_id, pages, "a")
    assert ledger.seal(run_id, pages, "a")
    assert ledger.counts(run_id) == Counts(5, 0, 0)


def test_one_that_another_has_overtaken_amid_its_pages_stops(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_small_portions(monkeypatch)
    run_id = new_run_id()
    pages = pages_of(run_id, 60)

    def overtake() -> None:
        ledger.open_run(a_run(run_id, opening="quick"))
        ledger.record_pages(run_id, pages[:1], "quick")

    ledger.open_run(a_run(run_id, opening="slow"))
    assert not ledger.record_pages(run_id, pages, "slow", overtake)
    assert list(ledger.pages(run_id)) == pages[:1]
    assert ledger.seal(run_id, pages[:1], "quick")


def test_several_that_have_found_the_same_record_it_together(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_small_portions(monkeypatch)
    run_id = new_run_id()
    pages = pages_of(run_id, 60)
    ledger.open_run(a_run(run_id, opening="o"))
    with ThreadPoolExecutor(3) as threads:
        each = [threads.submit(ledger.record_pages, run_id, pages, "o") for _ in range(3)]
        assert all(one.result() for one in each)
    assert sorted(page.message.page for page in ledger.pages(run_id)) == list(range(1, 61))
    assert [ledger.seal(run_id, pages, "o") for _ in range(2)] == [True, False]


def test_nothing_counts_before_the_seal(ledger: Ledger) -> None:
    run_id = new_run_id()
    ledger.open_run(a_run(run_id))
    ledger.record_pages(run_id, pages_of(run_id, 3))
    assert ledger.counts(run_id) == Counts()
    assert ledger.shard_counts(run_id) == ()
    assert ledger.shard_counts(run_id, [0, 7]) == ()


def test_rows_are_written_once_by_many_transactions_at_once(
    cloud: EmbeddedCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id, client = new_run_id(), cloud.session.client("dynamodb", endpoint_url=cloud.url)
    ledger = DynamoLedger(client, cloud.table)
    pages = pages_of(run_id, 640)
    ledger.open_run(a_run(run_id))
    together = threading.Barrier(MAX_THREADS)
    written: list[int] = []
    puts: Counter[str] = Counter()

    def note(params: dict[str, Any], **_: Any) -> None:
        entries = params["TransactItems"]
        puts.update(entry["Put"]["Item"]["sk"]["S"] for entry in entries if "Put" in entry)
        written.append(len(entries) - 1)
        if len(written) <= MAX_THREADS:
            together.wait(30)

    client.meta.events.register("provide-client-params.dynamodb.TransactWriteItems", note)
    for _ in range(2):
        assert ledger.record_pages(run_id, pages)
    assert sum(written) == 640
    assert len(written) == SHARDS
    assert set(puts.values()) == {1}


def test_the_time_of_a_dispatch_is_noted_until_the_run_is_under_way(ledger: Ledger) -> None:
    run_id = new_run_id()
    ledger.open_run(a_run(run_id, dispatched_at=5))
    assert ledger.note_dispatch(run_id, 0)
    run = ledger.load_run(run_id)
    assert run is not None
    assert run.dispatched_at == 0
    ledger.advance(run_id, RunState.DISPATCHING, RunState.TILING)
    assert not ledger.note_dispatch(run_id, 7)


def test_what_is_sent_only_grows(ledger: Ledger) -> None:
    run_id = new_run_id()
    ledger.open_run(a_run(run_id))
    assert ledger.note_sent(run_id, 5)
    assert not ledger.note_sent(run_id, 3)
    run = ledger.load_run(run_id)
    assert run is not None
    assert run.sent == 5
    ledger.advance(run_id, RunState.DISPATCHING, RunState.TILING)
    assert not ledger.note_sent(run_id, 9)


def test_pages_come_shard_by_shard_from_any_on(ledger: Ledger) -> None:
    (first, *_) = sealed_run(ledger, 60)
    shards = [page.shard for page in ledger.pages(first.run_id)]
    assert len(shards) == 60
    assert shards == sorted(shards)
    later = [page.shard for page in ledger.pages(first.run_id, PageState.QUEUED, 20)]
    assert later == [shard for shard in shards if shard >= 20]


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
    totals = [counts.total for counts in ledger.shard_counts(found[0].run_id)]
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
    good = replace(done(first, seconds=2.125, reused=True), attempts=1, ended_at=1_700_000_000)
    bad = replace(failed(second, "p2.tif: abgeschnitten …"), attempts=5, ended_at=1_700_000_001)
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


def built(ledger: Ledger, outcome: Callable[[Message], Page]) -> Message:
    """Bring a run of one page to its end; return its message."""
    (message,) = sealed_run(ledger, 1)
    ledger.settle(outcome(message))
    ledger.advance(message.run_id, RunState.DISPATCHING, RunState.TILING)
    assert claim(ledger, message.run_id)
    assert ledger.finish(loaded(ledger, message.run_id), RunState.DONE_WITH_FAILURES, SUMMARY)
    return message


def claim(ledger: Ledger, run_id: str, now: float = 1000) -> bool:
    return ledger.claim_final_job(run_id, ledger.shard_counts(run_id), now)


def loaded(ledger: Ledger, run_id: str) -> Run:
    run = ledger.load_run(run_id)
    assert run is not None
    return run


def test_a_failure_is_not_taken_back_while_manifests_are_built_nor_after(ledger: Ledger) -> None:
    (message,) = sealed_run(ledger, 1)
    ledger.settle(failed(message))
    ledger.advance(message.run_id, RunState.DISPATCHING, RunState.TILING)
    claim(ledger, message.run_id)
    again = Page(replace(message, replays=1))
    assert not ledger.requeue(again)
    assert not ledger.reopen(message.run_id, [RunState.DONE_WITH_FAILURES], trickles=False)
    ledger.finish(loaded(ledger, message.run_id), RunState.DONE_WITH_FAILURES, SUMMARY)
    assert not ledger.requeue(again)
    assert ledger.counts(message.run_id) == Counts(1, 0, 1)


def test_a_reopened_run_takes_failures_back(ledger: Ledger) -> None:
    message = built(ledger, failed)
    assert not ledger.reopen(message.run_id, [RunState.CANCELLED], trickles=False)
    assert ledger.reopen(message.run_id, [RunState.DONE_WITH_FAILURES], trickles=False)
    assert ledger.reopen(message.run_id, [RunState.DONE_WITH_FAILURES], trickles=False)
    assert loaded(ledger, message.run_id).state is RunState.TILING
    assert message.run_id in set(ledger.open_runs())
    assert ledger.requeue(Page(replace(message, replays=1)))
    assert ledger.counts(message.run_id) == Counts(1, 0, 0)


def test_a_run_that_changes_between_the_look_and_the_claim_is_not_claimed(ledger: Ledger) -> None:
    first, second = sealed_run(ledger, 2)
    ledger.advance(first.run_id, RunState.DISPATCHING, RunState.TILING)
    ledger.settle(done(first))
    ledger.settle(failed(second))
    seen = ledger.shard_counts(first.run_id)
    assert ledger.requeue(Page(replace(second, replays=1)))
    assert not ledger.claim_final_job(first.run_id, seen, 1000)
    assert loaded(ledger, first.run_id).state is RunState.TILING


def test_a_failure_is_taken_back_or_the_run_claimed_never_both(ledger: Ledger) -> None:
    for _ in range(10):
        (message,) = sealed_run(ledger, 1)
        ledger.advance(message.run_id, RunState.DISPATCHING, RunState.TILING)
        ledger.settle(failed(message))
        seen = ledger.shard_counts(message.run_id)
        again = Page(replace(message, replays=1))
        with ThreadPoolExecutor(2) as threads:
            requeued = threads.submit(ledger.requeue, again)
            claimed = threads.submit(ledger.claim_final_job, message.run_id, seen, 1000)
        assert requeued.result() != claimed.result()


def test_runs_are_open_from_their_opening_to_their_end(ledger: Ledger) -> None:
    (message,) = sealed_run(ledger, 1)
    rejected = replace(a_run(new_run_id()), plan=None, state=RunState.REJECTED, errors=("no",))
    ledger.open_run(rejected)
    ended = built(ledger, done)
    cancelled = a_run(new_run_id())
    ledger.open_run(cancelled)
    assert ledger.cancel(cancelled.run_id, 5)
    found = set(ledger.open_runs())
    assert message.run_id in found
    assert not {rejected.run_id, ended.run_id, cancelled.run_id} & found


def test_a_run_that_turns_out_bad_while_it_waits_is_open_no_more(ledger: Ledger) -> None:
    run_id = opened(ledger)
    rejected = replace(a_run(run_id), plan=None, state=RunState.REJECTED, errors=("no",))
    assert ledger.open_run(rejected)
    assert run_id not in set(ledger.open_runs())


def test_a_run_is_reopened_and_a_failure_taken_back_in_one_moment(ledger: Ledger) -> None:
    message = built(ledger, failed)
    again = Page(replace(message, replays=1))
    ended = [RunState.DONE_WITH_FAILURES]
    assert not ledger.reopen(message.run_id, [RunState.CANCELLED], trickles=False, requeued=again)
    assert loaded(ledger, message.run_id).state is RunState.DONE_WITH_FAILURES
    assert ledger.reopen(message.run_id, ended, trickles=True, requeued=again)
    assert ledger.counts(message.run_id) == Counts(1, 0, 0)
    assert ledger.load_page(again) == again
    run = loaded(ledger, message.run_id)
    assert (run.state, run.trickles) == (RunState.TILING, True)
    assert not ledger.reopen(message.run_id, ended, trickles=False, requeued=again)
    assert loaded(ledger, message.run_id) == run
    assert_counts_equal_rows(ledger, message.run_id)


def test_a_run_whose_page_has_not_failed_is_not_reopened_for_it(ledger: Ledger) -> None:
    message = built(ledger, done)
    again = Page(replace(message, replays=1))
    before = loaded(ledger, message.run_id)
    assert not ledger.reopen(message.run_id, [before.state], trickles=False, requeued=again)
    assert loaded(ledger, message.run_id) == before
    assert not ledger.requeue(again)


def test_a_run_is_cancelled_until_it_has_ended(ledger: Ledger) -> None:
    ended = built(ledger, done)
    assert not ledger.cancel(ended.run_id, 5)
    (message,) = sealed_run(ledger, 1)
    assert ledger.cancel(message.run_id, 5.5)
    assert not ledger.cancel(message.run_id, 6)
    run = loaded(ledger, message.run_id)
    assert (run.state, run.cancelled_at) == (RunState.CANCELLED, 5)
    assert not claim(ledger, message.run_id)


def test_a_cancelled_run_goes_on_where_it_was(ledger: Ledger) -> None:
    (sealed,) = sealed_run(ledger, 1)
    ledger.cancel(sealed.run_id, 5)
    assert not ledger.restart(sealed.run_id)
    assert ledger.reopen(sealed.run_id, [RunState.CANCELLED], trickles=False)
    assert loaded(ledger, sealed.run_id).state is RunState.TILING
    unsealed = new_run_id()
    ledger.open_run(a_run(unsealed))
    ledger.cancel(unsealed, 5)
    assert not ledger.reopen(unsealed, [RunState.CANCELLED], trickles=False)
    assert ledger.restart(unsealed)
    assert loaded(ledger, unsealed).state is RunState.DISPATCHING
    assert {sealed.run_id, unsealed} <= set(ledger.open_runs())


def test_a_built_run_is_claimed_to_be_built_again(ledger: Ledger) -> None:
    (message,) = sealed_run(ledger, 1)
    assert not ledger.claim_rebuild(message.run_id, 5, with_gaps=True)
    ended = built(ledger, failed)
    assert ledger.claim_rebuild(ended.run_id, 5, with_gaps=True)
    assert not ledger.claim_rebuild(ended.run_id, 5, with_gaps=True)
    run = loaded(ledger, ended.run_id)
    assert (run.state, run.with_gaps, run.final_job) == (RunState.BUILDING, True, None)
    assert ended.run_id in set(ledger.open_runs())


def test_what_the_reconciler_remembers_comes_back(ledger: Ledger) -> None:
    (message,) = sealed_run(ledger, 1)
    watch = Watch(1000, Counts(1, 0, 0), restarts=2)
    assert not ledger.note_watch(message.run_id, watch)
    ledger.advance(message.run_id, RunState.DISPATCHING, RunState.TILING)
    assert ledger.note_watch(message.run_id, watch)
    assert loaded(ledger, message.run_id).watch == watch


def opened(ledger: Ledger) -> str:
    run_id = new_run_id()
    assert ledger.open_run(a_run(run_id))
    return run_id


def test_an_item_is_taken_by_one_run_at_a_time(ledger: Ledger) -> None:
    export = f"file:///exports/{new_run_id()}"
    items = [f"item {number}" for number in range(130)]
    first, second = opened(ledger), opened(ledger)
    assert ledger.take_items(first, export, items) == frozenset()
    assert ledger.take_items(first, export, items) == frozenset()
    assert ledger.take_items(second, export, ["other", items[-1]]) == {first}
    assert ledger.owners(export, ["other", items[-1]]) == {items[-1]: first}
    assert ledger.take_items(second, f"{export}/other", items) == frozenset()
    assert ledger.note_waiting(second, first)
    assert loaded(ledger, second).waits_for == first


def test_a_run_that_is_blocked_lets_go_of_what_it_had_taken(ledger: Ledger) -> None:
    export = f"file:///exports/{new_run_id()}"
    items = [f"item {number}" for number in range(130)]
    first, second = opened(ledger), opened(ledger)
    ledger.take_items(first, export, items[-1:])
    assert ledger.take_items(second, export, items) == {first}
    assert ledger.owners(export, items) == {items[-1]: first}


def test_items_of_a_run_that_has_ended_are_taken_over(ledger: Ledger) -> None:
    export = f"file:///exports/{new_run_id()}"
    ended = built(ledger, done)
    ledger.take_items(ended.run_id, export, ["a", "b"])
    later = opened(ledger)
    assert ledger.take_items(later, export, ["a"]) == frozenset()
    assert ledger.owners(export, ["a", "b"]) == {"a": later, "b": ended.run_id}


def test_items_of_a_cancelled_run_are_free_when_its_workers_have_noticed(ledger: Ledger) -> None:
    export = f"file:///exports/{new_run_id()}"
    first, second = opened(ledger), opened(ledger)
    ledger.take_items(first, export, ["a"])
    ledger.cancel(first, time.time())
    assert ledger.take_items(second, export, ["a"]) == {first}
    ledger.restart(first)
    ledger.cancel(first, time.time() - CANCEL_SECONDS - 1)
    assert ledger.take_items(second, export, ["a"]) == frozenset()


def test_an_item_is_not_taken_from_a_run_that_is_reopened_at_this_moment(
    cloud: EmbeddedCloud,
) -> None:
    ledger = cloud.ledger
    export = f"file:///exports/{new_run_id()}"
    first = built(ledger, failed)
    ledger.take_items(first.run_id, export, ["a"])
    later = opened(ledger)
    states = [RunState.DONE_WITH_FAILURES]
    at_next_write(ledger, lambda: ledger.reopen(first.run_id, states, trickles=False))
    assert ledger.take_items(later, export, ["a"]) == {first.run_id}
    assert ledger.owners(export, ["a"]) == {"a": first.run_id}


def at_next_write(ledger: Any, action: Callable[[], object], when: str = "before") -> None:
    """Have something happen just before the ledger's next transaction, or just after it."""
    events = ledger._table._client.meta.events
    moment = {"before": "provide-client-params", "after": "after-call"}[when]
    name = f"{moment}.dynamodb.TransactWriteItems"

    def act(**_: object) -> None:
        events.unregister(name, act)
        action()

    events.register(name, act)


def test_an_item_that_another_took_and_gave_back_at_this_moment_is_taken_all_the_same(
    cloud: EmbeddedCloud,
) -> None:
    ledger = cloud.ledger
    export = f"file:///exports/{new_run_id()}"
    first, second = opened(ledger), opened(ledger)

    def come_between() -> None:
        assert not ledger.take_items(second, export, ["a"])
        at_next_write(ledger, lambda: ledger._give_back(second, export, ["a"]), "after")

    at_next_write(ledger, come_between)
    assert ledger.take_items(first, export, ["a"]) == frozenset()
    assert ledger.owners(export, ["a"]) == {"a": first}


def test_a_run_that_has_to_wait_writes_nothing_meanwhile(cloud: EmbeddedCloud) -> None:
    ledger = cloud.ledger
    export = f"file:///exports/{new_run_id()}"
    items = [f"item {number}" for number in range(130)]
    first, second = opened(ledger), opened(ledger)
    ledger.take_items(first, export, items[-1:])
    writes: list[str] = []
    at_next_write(ledger, lambda: writes.append("any"))
    assert ledger.take_items(second, export, items) == {first}
    assert writes == []
    ledger.advance(first, RunState.DISPATCHING, RunState.TILING)  # takes the listener away


def test_an_item_is_taken_by_one_of_many(ledger: Ledger) -> None:
    export = f"file:///exports/{new_run_id()}"
    runs = [opened(ledger) for _ in range(6)]
    with ThreadPoolExecutor(6) as threads:
        blocked = list(threads.map(lambda run: ledger.take_items(run, export, ["a"]), runs))
    (owner,) = ledger.owners(export, ["a"]).values()
    assert [run for run, by in zip(runs, blocked, strict=True) if not by] == [owner]


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
    (counts,) = ledger.shard_counts(second.run_id, [Page(second).shard])
    assert counts.total >= 4


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
    assert claim(ledger, found[0].run_id)
    ledger.finish(loaded(ledger, found[0].run_id), RunState.DONE_WITH_FAILURES, SUMMARY)
    assert ledger.reopen(found[0].run_id, [RunState.DONE_WITH_FAILURES], trickles=False)
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
    assert ledger.worker_jobs(message.run_id) == (WorkerJob(0, "a"), WorkerJob(1, "c"))


def test_a_worker_is_retired_once_and_learns_of_it(ledger: Ledger) -> None:
    (message,) = sealed_run(ledger, 1)
    run_id = message.run_id
    ledger.add_worker_job(run_id, 0, "a")
    ledger.add_worker_job(run_id, 1, "b")
    assert not ledger.is_retired(run_id, 1)
    assert ledger.retire_worker(run_id, 1)
    assert not ledger.retire_worker(run_id, 1)
    assert ledger.is_retired(run_id, 1)
    assert not ledger.is_retired(run_id, 0)
    assert ledger.worker_jobs(run_id) == (WorkerJob(0, "a"), WorkerJob(1, "b", retired=True))
    assert not ledger.add_worker_job(run_id, 1, "c")


def test_a_worker_that_is_not_noted_is_not_retired(ledger: Ledger) -> None:
    (message,) = sealed_run(ledger, 1)
    assert not ledger.retire_worker(message.run_id, 0)
    assert not ledger.is_retired(message.run_id, 0)
    assert not ledger.is_retired("nobody", 0)
    assert ledger.worker_jobs(message.run_id) == ()


def test_a_run_that_has_not_ended_may_be_given_another_number_of_workers(ledger: Ledger) -> None:
    (message,) = sealed_run(ledger, 1)
    plan = a_plan()
    assert loaded(ledger, message.run_id).workers == plan.workers
    assert ledger.want_workers(message.run_id, 7)
    assert ledger.want_workers(message.run_id, 3)
    run = loaded(ledger, message.run_id)
    assert (run.wanted_workers, run.workers) == (3, 3)
    ended = built(ledger, done)
    assert not ledger.want_workers(ended.run_id, 7)
    assert loaded(ledger, ended.run_id).wanted_workers is None
    assert not ledger.want_workers("nobody", 7)
    assert ledger.load_run("nobody") is None


def failed_at(message: Message, second: int, reason: str = "damaged") -> Page:
    return replace(failed(message, reason), attempts=2, ended_at=second)


def test_the_last_failures_come_newest_first(ledger: Ledger) -> None:
    found = sealed_run(ledger, 12)
    assert ledger.last_failures(found[0].run_id) == ()
    ledger.settle(done(found[0]))
    for second, message in enumerate(found[1:]):
        ledger.settle(failed_at(message, second))
    last = {message.page: failed_at(message, second) for second, message in enumerate(found[1:])}
    by_shard = {Page(message).shard: last[message.page] for message in found[1:]}
    expected = sorted(by_shard.values(), key=lambda page: -page.ended_at)
    assert len(expected) > 1
    assert list(ledger.last_failures(found[0].run_id)) == expected
    assert_counts_equal_rows(ledger, found[0].run_id)


def test_a_failure_that_was_taken_back_is_no_last_one(ledger: Ledger) -> None:
    (message,) = sealed_run(ledger, 1)
    ledger.advance(message.run_id, RunState.DISPATCHING, RunState.TILING)
    ledger.settle(failed_at(message, 1))
    again = replace(message, replays=1)
    ledger.requeue(Page(again))
    assert ledger.last_failures(message.run_id) == ()
    ledger.settle(failed_at(again, 2, "damaged still"))
    assert ledger.last_failures(message.run_id) == (failed_at(again, 2, "damaged still"),)
    assert claim(ledger, message.run_id), "what failed last is none of the counts"


def test_what_failed_last_leaves_a_counter_small(cloud: EmbeddedCloud) -> None:
    ledger = cloud.ledger
    run_id = new_run_id()
    message = a_message(run_id, item="ä" * 300)
    ledger.open_run(a_run(run_id))
    ledger.record_pages(run_id, [Page(message)])
    ledger.seal(run_id, [Page(message)])
    ledger.settle(failed_at(message, 1, "x" * 1_000))
    (counter,) = [item for item in ledger._counters(run_id) if "failed_row" in item]
    names_and_values = json.dumps(rows.decode(counter), ensure_ascii=False)
    # A kilobyte is what one write unit writes: an outcome costs no more for it.
    assert len(names_and_values.encode()) < 1_024


def test_a_state_changes_only_from_the_state_before(ledger: Ledger) -> None:
    (message,) = sealed_run(ledger, 1)
    assert ledger.advance(message.run_id, RunState.DISPATCHING, RunState.TILING)
    assert not ledger.advance(message.run_id, RunState.DISPATCHING, RunState.TILING)
    run = ledger.load_run(message.run_id)
    assert run is not None
    assert run.state is RunState.TILING


def settled_run(ledger: Ledger) -> str:
    """Return a run that is tiling, its one page done."""
    (message,) = sealed_run(ledger, 1)
    ledger.settle(done(message))
    ledger.advance(message.run_id, RunState.DISPATCHING, RunState.TILING)
    return message.run_id


def test_the_final_job_is_claimed_by_one_of_many(ledger: Ledger) -> None:
    run_id = settled_run(ledger)
    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(lambda _: claim(ledger, run_id), range(8))) == 1


def test_a_run_that_is_still_dispatched_is_not_claimed(ledger: Ledger) -> None:
    (message,) = sealed_run(ledger, 1)
    ledger.settle(done(message))
    assert not claim(ledger, message.run_id)


def test_a_claim_without_a_job_is_claimed_again_when_it_is_old(ledger: Ledger) -> None:
    run_id = settled_run(ledger)
    assert claim(ledger, run_id, now=1000)
    assert not ledger.reclaim_final_job(run_id, None, now=1050, stale_before=1000)
    assert ledger.reclaim_final_job(run_id, None, now=1061, stale_before=1001)
    assert loaded(ledger, run_id).final_jobs == 1, "a claim without a job has led to none"


def test_a_claim_with_a_job_is_claimed_again_only_by_who_knows_that_it_is_dead(
    ledger: Ledger,
) -> None:
    run_id = settled_run(ledger)
    claim(ledger, run_id)
    ledger.note_final_job(run_id, "job-1")
    assert not ledger.reclaim_final_job(run_id, None, 9000, 8000)
    assert not ledger.reclaim_final_job(run_id, "job-0", 9000, 8000)
    assert loaded(ledger, run_id).final_job == "job-1"
    assert ledger.reclaim_final_job(run_id, "job-1", 9000, 8000)
    assert loaded(ledger, run_id).final_job is None
    assert loaded(ledger, run_id).final_jobs == 2


def test_a_run_that_is_building_ends_once_with_its_summary(ledger: Ledger) -> None:
    run_id = settled_run(ledger)
    assert not ledger.finish(loaded(ledger, run_id), RunState.DONE, SUMMARY)
    claim(ledger, run_id)
    building = loaded(ledger, run_id)
    assert ledger.finish(building, RunState.DONE, SUMMARY)
    assert not ledger.finish(building, RunState.DONE_WITH_FAILURES, SUMMARY)
    run = loaded(ledger, run_id)
    assert (run.state, run.summary) == (RunState.DONE, SUMMARY)


def test_why_a_run_could_not_be_built_is_noted_until_it_is(ledger: Ledger) -> None:
    run_id = settled_run(ledger)
    assert not ledger.note_fault(loaded(ledger, run_id), "too early")
    claim(ledger, run_id, now=1000)
    slow = loaded(ledger, run_id)
    assert ledger.note_fault(slow, "there is no CSV")
    assert loaded(ledger, run_id).fault == "there is no CSV"
    ledger.reclaim_final_job(run_id, None, now=2000, stale_before=1900)
    assert not ledger.note_fault(slow, "too late")
    assert ledger.finish(loaded(ledger, run_id), RunState.DONE, SUMMARY)
    assert loaded(ledger, run_id).fault is None


def test_a_builder_whose_claim_was_taken_over_does_not_end_the_run(ledger: Ledger) -> None:
    run_id = settled_run(ledger)
    claim(ledger, run_id, now=1000)
    slow = loaded(ledger, run_id)
    ledger.reclaim_final_job(run_id, None, now=2000, stale_before=1900)
    assert not ledger.finish(slow, RunState.DONE, SUMMARY)
    assert ledger.finish(loaded(ledger, run_id), RunState.DONE, SUMMARY)


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

    events: Any = ledger._table._client.meta.events
    events.register("before-send.dynamodb.TransactWriteItems", answer)
    assert ledger.settle(done(message))
    assert conflicts == 0
    assert ledger.counts(message.run_id) == Counts(1, 1, 0)
