from dataclasses import MISSING, fields, replace

import pytest
from boto3.dynamodb.types import TypeDeserializer
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline import rows
from pipeline.defaults import Defaults, Provider, RequiredStatement
from pipeline.geometry import Size
from pipeline.layout import Layout
from pipeline.message import Message
from pipeline.run import (
    Counts,
    Page,
    PageState,
    Plan,
    Run,
    RunState,
    Summary,
    TiledPage,
    Upload,
    WorkerJob,
)
from pipeline.task import Options
from tests.builders import a_message, a_plan, a_run, an_upload, done, failed

whole = st.integers(0, 10**9)
texts = st.lists(st.text(), max_size=4).map(tuple)
messages = st.builds(
    Message,
    run_id=st.text(),
    item=st.text(),
    page=st.integers(1, 9_999_999),
    key=st.text(),
    etag=st.text(),
    size=whole,
    part=st.integers(1, 99_999),
    replays=whole,
)
tiled_pages = st.builds(
    TiledPage,
    width=whole,
    height=whole,
    sizes=st.lists(st.builds(Size, whole, whole), max_size=4).map(tuple),
    tiles=whole,
    seconds=st.integers(0, 10**7).map(lambda milliseconds: milliseconds / 1000),
    reused=st.booleans(),
    parts=whole,
)
pages = st.one_of(
    st.builds(Page, messages, parts=whole),
    st.builds(Page, messages, st.just(PageState.DONE), tiled_pages),
    st.builds(Page, messages, st.just(PageState.FAILED), reason=st.text()),
)
plans = st.builds(
    Plan,
    layout=st.builds(Layout),
    options=st.builds(Options, whole, whole, whole),
    workers=whole,
    defaults=st.builds(
        Defaults,
        st.none() | st.text(),
        st.none() | st.builds(Provider, st.text(), st.none() | st.text()),
        st.none() | st.builds(RequiredStatement, st.text(), st.text()),
    ),
)
summaries = st.builds(
    Summary,
    images=whole,
    failed=whole,
    reused=whole,
    tiles=whole,
    items=whole,
    withheld=texts,
    without_row=texts,
    problems=texts,
)
runs = st.builds(
    Run,
    run_id=st.text(),
    upload=st.builds(Upload),
    state=st.sampled_from(RunState),
    plan=st.none() | plans,
    errors=texts,
    recorded=st.booleans(),
    final_job=st.none() | st.text(),
    claimed_at=st.none() | whole,
    wanted_workers=st.none() | whole,
    summary=st.none() | summaries,
)


@given(runs)
@example(Run("r", an_upload(), RunState.REJECTED, errors=("jobName: missing", "größer")))
@example(a_run("r", summary=Summary("https://x", 3, 1, 0, 9, 1, withheld=("Bücher",))))
@example(a_run("r", final_job="job-3", claimed_at=1_772_366_400))
def test_a_run_comes_back_as_it_was_written(run: Run) -> None:
    assert rows.parse_run(rows.run_item(run)) == run


FROM_THE_FIRST = {"plan", "errors"}
LATER = [f.name for f in fields(Run) if f.default is not MISSING and f.name not in FROM_THE_FIRST]


@pytest.mark.parametrize("name", LATER)
def test_a_runs_row_of_an_earlier_version_is_read(name: str) -> None:
    run = a_run("r")
    item = rows.run_item(run)
    item.pop(name)
    assert rows.parse_run(item | rows.encode({"of a later one": 1})) == run


@pytest.mark.parametrize("part", ["plan", "summary"])
def test_a_row_of_a_later_version_is_read(part: str) -> None:
    run = a_run("r", summary=Summary("https://x", 3, 1, 0, 9, 1))
    values = rows.decode(rows.run_item(run))
    values[part]["of a later one"] = 1
    assert rows.parse_run(rows.encode(values)) == run


def test_a_plan_of_an_earlier_version_has_one_definition_for_both_jobs() -> None:
    values = rows.decode(rows.run_item(a_run("r")))
    values["plan"].pop("manifest_job_definition")
    assert rows.parse_run(rows.encode(values)) == a_run("r")


@given(pages)
@example(done(a_message(), seconds=0.0))
@example(done(a_message(), seconds=2.0, sizes=(Size(1, 2),), reused=True))
@example(failed(a_message(item="Bücher"), "beschädigt"))
def test_a_page_comes_back_as_it_was_written(page: Page) -> None:
    assert rows.parse_page(rows.page_item(page)) == page


@given(summaries)
def test_a_summary_comes_back_as_it_was_written(summary: Summary) -> None:
    assert rows.parse_summary(rows.decode(rows.encode(rows.summary_values(summary)))) == summary


def test_numbers_come_back_as_whole_ones() -> None:
    run = rows.parse_run(rows.run_item(a_run("r", claimed_at=7)))
    assert type(run.claimed_at) is int
    assert run.plan is not None
    assert type(run.plan.workers) is int
    assert type(run.plan.options.tile_size) is int


plain_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**37), 10**37) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.dictionaries(st.text(), plain_values))
def test_values_come_back_as_they_were_written(values: dict[str, object]) -> None:
    assert rows.decode(rows.encode(values)) == values


@pytest.mark.parametrize(
    ("text", "number"), [("7", 7), ("-7", -7), ("7.0", 7), ("7E+1", 70), ("7.5", 7.5), ("0", 0)]
)
def test_numbers_are_read_in_every_form_that_dynamodb_has(text: str, number: float) -> None:
    read = rows.decode({"number": {"N": text}})["number"]
    assert (read, type(read)) == (number, type(number))


def test_a_value_of_a_kind_that_is_never_written_is_refused() -> None:
    with pytest.raises(TypeError, match="NS"):
        rows.decode({"numbers": {"NS": ["1"]}})


def test_the_seconds_of_a_page_come_back_as_a_fraction_even_when_whole() -> None:
    page = rows.parse_page(rows.page_item(done(a_message(), seconds=2.0)))
    assert page.tiled is not None
    assert type(page.tiled.seconds) is float


def test_seconds_are_kept_to_the_millisecond() -> None:
    page = rows.parse_page(rows.page_item(done(a_message(), seconds=1.23456)))
    assert page.tiled is not None
    assert page.tiled.seconds == pytest.approx(1.235)


@given(pages, pages)
def test_two_pages_share_a_row_only_if_they_are_the_same_page(one: Page, other: Page) -> None:
    other = replace(other, message=replace(other.message, run_id=one.message.run_id))
    same = one.message.place == other.message.place
    assert (rows.page_key(one) == rows.page_key(other)) == same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a", 12, 1), ("a#1", 2, 1)),
        (("a#0000001", 2, 1), ("a", 1, 2)),
        (("a", 1, 1), ("a", 10, 1)),
        (("a", 1, 1), ("a", 1, 10)),
    ],
)
def test_names_with_the_rows_own_separator_do_not_collide(
    one: tuple[str, int, int], other: tuple[str, int, int]
) -> None:
    keys = [
        rows.page_key(Page(a_message(item=item, page=page, part=part)))
        for item, page, part in (one, other)
    ]
    assert keys[0]["sk"] != keys[1]["sk"]


@given(pages)
def test_a_rows_key_is_part_of_the_row(page: Page) -> None:
    assert rows.page_key(page).items() <= rows.page_item(page).items()


def test_pages_of_a_shard_sort_by_number() -> None:
    keys = [
        rows.decode(rows.page_key(Page(a_message(page=page, part=part))))["sk"]
        for page, part in ((2, 1), (2, 9), (2, 10), (2, 5_000), (10, 1), (100, 1), (99_999, 1))
    ]
    assert keys == sorted(keys)


@given(messages)
def test_all_images_of_a_source_lie_in_its_shard(message: Message) -> None:
    others = [Page(message), Page(replace(message, part=message.part + 1))]
    assert len({page.shard for page in others}) == 1


def test_a_shards_counter_lies_beside_its_pages() -> None:
    page = Page(a_message())
    count = rows.decode(rows.count_key("run-1", page.shard))
    assert count["pk"] == rows.decode(rows.page_key(page))["pk"]
    assert not count["sk"].startswith(rows.PAGE)


def test_no_shard_of_a_run_is_one_of_another() -> None:
    assert rows.shard_partition("run-1", 1) != rows.shard_partition("run-11", 1)
    assert rows.shard_partition("run-1", 11) != rows.shard_partition("run-11", 1)


def test_runs_are_listed_by_the_time_of_their_upload() -> None:
    earlier = a_run("z", upload=Upload("batch", "k", "1", "2026-03-01T12:00:00.000Z"))
    later = a_run("a", upload=Upload("batch", "k", "2", "2026-03-01T12:00:00.001Z"))
    entries = [rows.decode(rows.listed_item(run)) for run in (earlier, later)]
    assert entries[0]["sk"] < entries[1]["sk"]
    assert [entry["run_id"] for entry in entries] == ["z", "a"]


def test_counts_are_read() -> None:
    item = rows.encode({"total": 5, "done": 3, "failed": 1})
    assert rows.parse_counts(item) == Counts(5, 3, 1)


def test_a_queued_page_has_no_outcome_in_its_row() -> None:
    item = rows.page_item(Page(a_message()))
    assert not {"tiled", "reason"} & item.keys()
    assert TypeDeserializer().deserialize(item["state"]) == "queued"


def test_a_plan_keeps_its_stores_and_layout() -> None:
    plan = a_plan(collection="Bücher & Briefe")
    assert rows.parse_run(rows.run_item(a_run("r", plan))).plan == plan


def test_a_worker_jobs_row_of_an_earlier_version_is_one_that_stays() -> None:
    item = rows.job_item("run-1", 12, "job-12")
    assert rows.parse_job(item) == WorkerJob(12, "job-12")
    assert rows.parse_job(item | rows.encode({"retired": True})).retired


def test_worker_jobs_sort_by_number() -> None:
    keys = [rows.decode(rows.job_key("run-1", index))["sk"] for index in (2, 10, 999_999)]
    assert keys == sorted(keys)


def test_counters_of_an_earlier_version_name_no_failure() -> None:
    counter = rows.count_key("run-1", 3) | rows.encode(rows.count_values(Counts(5, 3, 1)))
    assert rows.last_failed_keys([counter]) == []
    page = failed(a_message())
    named = counter | rows.encode(rows.failure_values(page))
    (key,) = rows.last_failed_keys([named])
    assert key["sk"] == rows.page_key(page)["sk"]
    none_left = named | rows.encode({"failed": 0})
    assert rows.last_failed_keys([none_left]) == []
