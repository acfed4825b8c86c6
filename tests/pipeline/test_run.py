import re
from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.run import SHARDS, Counts, Page, RunState, Upload, derive_run_id, shard_of
from tests.builders import a_message, an_upload

RUN_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")

counts = st.builds(Counts, st.integers(0), st.integers(0), st.integers(0))
uploads = st.builds(Upload, st.text(), st.text(), st.text(), st.text(), st.none() | st.text())


def test_the_same_event_is_the_same_run() -> None:
    assert derive_run_id("job1", an_upload()) == derive_run_id("job1", an_upload())


def test_a_run_id_stays_the_same_from_release_to_release() -> None:
    # An event may be delivered again by a Lambda of the next release.
    assert derive_run_id("job1", an_upload()) == "job1-b272f1d20a0e"


def test_another_upload_of_the_same_file_is_another_run() -> None:
    again = an_upload(sequencer="0055AED6DCD90281E6")
    assert derive_run_id("job1", again) != derive_run_id("job1", an_upload())


def test_another_key_or_bucket_is_another_run() -> None:
    ids = {
        derive_run_id("job1", Upload(bucket, key, "1", "t"))
        for bucket in ("a", "ab")
        for key in ("c", "bc")
    }
    assert len(ids) == 4


def test_an_events_time_does_not_change_the_run() -> None:
    one, other = Upload("b", "k", "1", "2026-03-01"), Upload("b", "k", "1", "2026-03-02")
    assert derive_run_id("job1", one) == derive_run_id("job1", other)


@given(st.text(), uploads)
@example("", an_upload())
@example("-", an_upload())
@example("é" * 300, an_upload())
@example("a" * 300, an_upload())
@example("job\n", an_upload())
def test_a_run_id_fits_batch_and_sqs(job_name: str, upload: Upload) -> None:
    run_id = derive_run_id(job_name, upload)
    assert RUN_ID.fullmatch(run_id)
    assert run_id[0].isalnum()


def test_a_run_id_begins_with_the_jobs_name() -> None:
    assert derive_run_id("Box 2, Folder 19", an_upload()).startswith("Box-2-Folder-19-")


@given(st.text(), st.integers(1))
def test_every_page_has_a_shard(item: str, page: int) -> None:
    assert shard_of(item, page) in range(SHARDS)


def test_a_pages_shard_is_the_same_in_every_release() -> None:
    assert [shard_of("book", page) for page in range(1, 5)] == [45, 23, 1, 34]
    assert shard_of("Bücher", 1) == 15


@pytest.mark.parametrize(
    "pages",
    [
        pytest.param([("book", page) for page in range(1, 4801)], id="one long item"),
        pytest.param([(f"item_{n:04d}", 1) for n in range(4800)], id="many items of one page"),
        pytest.param([(f"b{n}", p) for n in range(480) for p in range(1, 11)], id="both"),
    ],
)
def test_pages_spread_evenly_over_the_shards(pages: list[tuple[str, int]]) -> None:
    spread = Counter(shard_of(item, page) for item, page in pages)
    assert len(spread) == SHARDS
    assert max(spread.values()) < 1.5 * len(pages) / SHARDS


def test_a_page_knows_its_shard() -> None:
    assert Page(a_message(item="book", page=7)).shard == shard_of("book", 7)


@pytest.mark.parametrize(
    ("state", "ended"),
    [
        (RunState.DISPATCHING, False),
        (RunState.TILING, False),
        (RunState.BUILDING, False),
        (RunState.DONE, True),
        (RunState.DONE_WITH_FAILURES, True),
        (RunState.REJECTED, True),
        (RunState.CANCELLED, True),
    ],
)
def test_a_run_has_ended_where_nothing_more_happens_by_itself(
    state: RunState, *, ended: bool
) -> None:
    assert state.ended is ended


def test_pending_pages_are_those_without_an_outcome() -> None:
    assert Counts(total=10, done=6, failed=1).pending == 3


@given(counts, counts)
def test_counts_of_shards_add_up(one: Counts, other: Counts) -> None:
    both = one + other
    assert both.pending == one.pending + other.pending
    assert (both.total, both.done) == (one.total + other.total, one.done + other.done)
    assert both == other + one
