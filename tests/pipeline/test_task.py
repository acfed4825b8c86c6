import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.errors import BadTask
from pipeline.layout import Layout
from pipeline.task import MAX_TASK_BYTES, Options, Task, parse_task
from tests.builders import ENVIRONMENT, task_body, task_content

# The old system's own example, unchanged: such files must run as they are.
OLD_FORMAT = """{
  "jobName": "job1",
  "jobQueue": "IIIFS3JobQueue",
  "jobDefinition": "IIIFS3JobDefinition",
  "command": "./createiiif.sh",
  "environment": [
    { "name": "AWS_REGION", "value": "us-east-1" },
    {
      "name": "COLLECTION_IDENTIFIER",
      "value": "Ms2016_012_Womens_Development_Corp_Box2"
    },
    {
      "name": "ACCESS_DIR",
      "value": "Women_of_Design/Ms2016_012_Womens_Development_Corp_Box2/Box2_Folder19_Synopsis/Access"
    },
    { "name": "AWS_SRC_BUCKET", "value": "ingest-dev-vtlib-store" },
    { "name": "AWS_DEST_BUCKET", "value": "ingest-dev.img.cloud.lib.vt.edu" },
    { "name": "DEST_PREFIX", "value": "iawa/Women_of_Design" },
    { "name": "DEST_URL", "value": "https://d21nnzi4oh5qvs.cloudfront.net" },
    {
      "name": "CSV_PATH",
      "value": "Women_of_Design/Ms2016_012_Womens_Development_Corp_Box2/CSV_to_upload/CSV_spreadsheets"
    },
    { "name": "CSV_NAME", "value": "Ms2016_012_Box2.csv" }
  ]
}
"""  # noqa: E501  # as it was written
OLD_COLLECTION = "Ms2016_012_Womens_Development_Corp_Box2"

TOP_LEVEL_TEXTS = ("jobName", "jobQueue", "jobDefinition")
KEYS = ("ACCESS_DIR", "DEST_PREFIX", "CSV_PATH")
NAMES = ("COLLECTION_IDENTIFIER", "CSV_NAME")
BUCKETS = ("AWS_SRC_BUCKET", "AWS_DEST_BUCKET")
LEDGER_ROW_MAX_BYTES = 400_000
KEPT_ERRORS = 100

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def body_with(name: str, value: object) -> bytes:
    """Return a task file with one of its names set."""
    return json.dumps({**task_content(), name: value}).encode()


def errors_of(body: bytes) -> tuple[str, ...]:
    """Return the mistakes found in a file that must have some."""
    with pytest.raises(BadTask) as caught:
        parse_task(body)
    return caught.value.errors


def only_error_of(body: bytes) -> str:
    """Return the mistake found in a file that must have one."""
    errors = errors_of(body)
    assert len(errors) == 1, errors
    return errors[0]


def parses_or_is_bad(body: bytes) -> None:
    try:
        task = parse_task(body)
    except BadTask as error:
        errors = error.errors
    else:
        assert_usable(task)
        return
    assert errors
    assert all(errors)


def assert_usable(task: Task) -> None:
    """Assert what the stages take for granted."""
    texts = [value for name in Task.__slots__ if isinstance(value := getattr(task, name), str)]
    assert all(texts)
    assert not any(character < " " for text in texts for character in text)
    for key in (task.csv_key, task.layout.prefix, task.access_dir):
        assert key.encode()
        assert not {"", ".", ".."} & set(key.split("/"))


# What is accepted


def test_a_file_of_the_old_format_is_read_unchanged() -> None:
    assert parse_task(OLD_FORMAT.encode()) == Task(
        job_name="job1",
        job_queue="IIIFS3JobQueue",
        job_definition="IIIFS3JobDefinition",
        region="us-east-1",
        collection=OLD_COLLECTION,
        access_dir=f"Women_of_Design/{OLD_COLLECTION}/Box2_Folder19_Synopsis/Access",
        source_bucket="ingest-dev-vtlib-store",
        dest_bucket="ingest-dev.img.cloud.lib.vt.edu",
        dest_prefix="iawa/Women_of_Design",
        dest_url="https://d21nnzi4oh5qvs.cloudfront.net",
        csv_path=f"Women_of_Design/{OLD_COLLECTION}/CSV_to_upload/CSV_spreadsheets",
        csv_name="Ms2016_012_Box2.csv",
        workers=None,
        options=Options(tile_size=512, quality=85, max_size=16_384),
    )


def test_outputs_of_the_old_format_lie_where_they_lay() -> None:
    task = parse_task(OLD_FORMAT.encode())
    prefix = f"iawa/Women_of_Design/{OLD_COLLECTION}"
    assert task.layout == Layout(prefix, "https://d21nnzi4oh5qvs.cloudfront.net")
    assert task.csv_key == (
        f"Women_of_Design/{OLD_COLLECTION}/CSV_to_upload/CSV_spreadsheets/Ms2016_012_Box2.csv"
    )


def test_workers_and_options_are_read() -> None:
    task = parse_task(task_body(workers=7, options={"tileSize": 1024, "quality": 90}))
    assert task.workers == 7
    assert task.options == Options(tile_size=1024, quality=90)


def test_a_byte_order_mark_is_accepted() -> None:
    assert parse_task(b"\xef\xbb\xbf" + task_body()) == parse_task(task_body())


def test_slashes_at_the_end_of_paths_and_addresses_make_no_difference() -> None:
    slashes = {name: f"{ENVIRONMENT[name]}/" for name in (*KEYS, "DEST_URL")}
    assert parse_task(task_body(slashes)) == parse_task(task_body())


@pytest.mark.parametrize("command", ["./createiiif.sh", ["python", "worker.py"], [], ""])
def test_the_old_command_is_accepted_in_both_forms(command: object) -> None:
    assert parse_task(task_body(command=command)) == parse_task(task_body())


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("value", ["a", "a b/ç+%#?", "a.b/..c/d..", "日本/資料"])
def test_keys_may_have_any_printable_letters(name: str, value: str) -> None:
    assert value in vars_of(parse_task(task_body({name: value})))


def test_the_prefix_is_in_nfc_whatever_its_form_in_the_file() -> None:
    task = parse_task(task_body({"DEST_PREFIX": "Bu\u0308cher"}))
    assert task.layout.prefix == "B\u00fccher/Letters"


@pytest.mark.parametrize(
    "value",
    [
        "queue",
        "definition:12",
        "arn:aws:batch:us-east-1:123456789012:job-queue/tiles",
    ],
)
def test_batch_resources_may_be_names_or_arns(value: str) -> None:
    task = parse_task(task_body(jobQueue=value, jobDefinition=value))
    assert (task.job_queue, task.job_definition) == (value, value)


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-2", "us-gov-west-1", "ap-southeast-5"])
def test_regions_are_accepted(region: str) -> None:
    assert parse_task(task_body({"AWS_REGION": region})).region == region


def vars_of(task: Task) -> list[object]:
    return [getattr(task, name) for name in Task.__slots__]


# What is refused


def test_all_mistakes_are_told_at_once() -> None:
    body = task_body(
        {"AWS_SRC_BUCKET": "Scans", "CSV_NAME": None, "ACCESS_DIR": "../x", "DEST_URL": "ftp://x"},
        jobQueue="a b",
        workers=0,
        options={"quality": 101, "colour": 1},
        retries=3,
    )
    named = [
        error.removeprefix("environment: ").removeprefix("options: ") for error in errors_of(body)
    ]
    assert sorted(error.partition(":")[0] for error in named) == [
        "ACCESS_DIR",
        "AWS_SRC_BUCKET",
        "CSV_NAME",
        "DEST_URL",
        "colour",
        "jobQueue",
        "quality",
        "retries",
        "workers",
    ]


def test_an_empty_object_lacks_each_field_once() -> None:
    assert errors_of(b"{}") == (
        "jobName: missing",
        "environment: expected a list of {name, value}, missing",
    )


def test_a_missing_field_is_named() -> None:
    assert only_error_of(task_body(jobName=None)) == "jobName: missing"


def test_a_task_may_leave_queue_and_definition_to_its_stack() -> None:
    task = parse_task(task_body(jobQueue=None, jobDefinition=None))
    assert (task.job_queue, task.job_definition) == (None, None)


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_a_missing_environment_entry_is_named(name: str) -> None:
    assert only_error_of(task_body({name: None})) == f"environment: {name}: missing"


@pytest.mark.parametrize("value", ["", " ", "\t\n", "\u00a0"])
@pytest.mark.parametrize("name", ENVIRONMENT)
def test_an_empty_entry_is_named(name: str, value: str) -> None:
    expected = f"environment: {name}: expected text, but it is empty"
    assert only_error_of(task_body({name: value})) == expected


@pytest.mark.parametrize("name", ["jobQueue", "jobDefinition"])
@pytest.mark.parametrize("value", ["/", "//"])
def test_a_field_of_nothing_but_slashes_is_named(name: str, value: str) -> None:
    assert only_error_of(body_with(name, value)).startswith(f"{name}: expected")


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (1, "a number"),
        (1.5, "a number"),
        (True, "true or false"),
        ([], "a list"),
        ({}, "an object"),
    ],
)
def test_another_type_than_text_is_named(value: object, kind: str) -> None:
    assert only_error_of(task_body(jobName=value)) == f"jobName: expected text, not {kind}"
    expected = f"environment: CSV_NAME: expected text, not {kind}"
    assert only_error_of(task_body({"CSV_NAME": value})) == expected


def test_null_is_not_text() -> None:
    assert only_error_of(body_with("jobName", None)) == "jobName: expected text, not null"


@pytest.mark.parametrize(
    ("given_name", "meant"),
    [
        ("jobname", "jobName"),
        ("jobQueu", "jobQueue"),
        ("Options", "options"),
        ("worker", "workers"),
    ],
)
def test_an_unknown_name_gets_the_nearest_known_one(given_name: str, meant: str) -> None:
    error = only_error_of(body_with(given_name, 1))
    assert error == f"{given_name}: did you mean {meant}?"


def test_an_unknown_environment_name_gets_the_nearest_known_one() -> None:
    error = only_error_of(task_body({"AWS_SRC_BUKET": "scans"}))
    assert error == "environment: AWS_SRC_BUKET: did you mean AWS_SRC_BUCKET?"


def test_an_unknown_option_gets_the_nearest_known_one() -> None:
    error = only_error_of(task_body(options={"tilesize": 512}))
    assert error == "options: tilesize: did you mean tileSize?"


def test_an_unknown_name_that_is_near_to_none_is_told_without_a_hint() -> None:
    assert only_error_of(task_body(xyz=1)) == "xyz: not a known name"


@pytest.mark.parametrize("name", [*KEYS, *NAMES])
@pytest.mark.parametrize("value", ["..", ".", "\\a", "/a", "/"])
def test_paths_that_leave_their_place_are_refused(name: str, value: str) -> None:
    assert only_error_of(task_body({name: value})).startswith(f"environment: {name}: expected")


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("value", ["../a", "a/../b", "a/..", "a/./b", "a//b", "a\\b", "/a/b"])
def test_paths_with_parts_that_lead_elsewhere_are_refused(name: str, value: str) -> None:
    assert only_error_of(task_body({name: value})).startswith(f"environment: {name}: expected")


@pytest.mark.parametrize("name", NAMES)
def test_a_single_name_has_no_slash(name: str) -> None:
    error = only_error_of(task_body({name: "a/b"}))
    assert error == f"environment: {name}: expected a single name, without slashes, not 'a/b'"


@pytest.mark.parametrize("name", BUCKETS)
@pytest.mark.parametrize(
    "value",
    ["Scans", "my_bucket", "ab", "a" * 64, "-scans", "scans-", ".scans", "s3://scans", "scans/x"],
)
def test_a_bad_bucket_name_is_refused(name: str, value: str) -> None:
    assert only_error_of(task_body({name: value})).startswith(
        f"environment: {name}: expected a bucket's name"
    )


@pytest.mark.parametrize("name", BUCKETS)
def test_a_folder_may_play_a_bucket(name: str) -> None:
    task = parse_task(task_body({name: "file:///home/zo%C3%AB/scans"}))
    assert "file:///home/zo%C3%AB/scans" in (task.source_bucket, task.dest_bucket)


@pytest.mark.parametrize("value", ["file://scans", "file:scans", "FILE:///scans", "file://h/scans"])
def test_a_url_that_is_no_folder_on_this_machine_is_refused(value: str) -> None:
    assert "expected a bucket's name" in only_error_of(task_body({"AWS_SRC_BUCKET": value}))


@pytest.mark.parametrize(
    "value",
    ["example.org", "ftp://example.org", "https://", "//example.org", "https://a b", "https://a?b"],
)
def test_an_address_that_browsers_cannot_open_is_refused(value: str) -> None:
    assert only_error_of(task_body({"DEST_URL": value})).startswith("environment: DEST_URL: exp")


@pytest.mark.parametrize(
    "value",
    ["https://h:port", "https://h:99999", "https://:443", "https://[", "https://a<b", "https://@"],
)
def test_an_address_that_manifests_cannot_hold_is_refused(value: str) -> None:
    assert only_error_of(task_body({"DEST_URL": value})).startswith("environment: DEST_URL: exp")


@pytest.mark.parametrize("value", ["us-east", "US-EAST-1", "us_east_1", "useast1", "us-east-1a"])
def test_a_bad_region_is_refused(value: str) -> None:
    assert only_error_of(task_body({"AWS_REGION": value})).startswith("environment: AWS_REGION")


@pytest.mark.parametrize("name", ["jobQueue", "jobDefinition"])
@pytest.mark.parametrize("value", ["my queue", "q" * 257, "quéue"])
def test_a_bad_batch_name_is_refused(name: str, value: str) -> None:
    assert only_error_of(body_with(name, value)).startswith(f"{name}: expected the name or ARN")


@pytest.mark.parametrize("control", ["\x00", "\n", "\t", "\x1b", "\x7f"])
def test_control_characters_are_refused(control: str) -> None:
    for name in (*KEYS, *NAMES):
        error = only_error_of(task_body({name: f"a{control}b"}))
        assert error == f"environment: {name}: expected text without control characters"
    error = only_error_of(task_body(jobName=f"a{control}b"))
    assert error == "jobName: expected text without control characters"


@pytest.mark.parametrize("name", [*KEYS, *NAMES, "DEST_URL"])
def test_text_that_has_no_utf_8_form_is_refused(name: str) -> None:
    value = f"{ENVIRONMENT[name]}\ud800"
    assert only_error_of(task_body({name: value})).startswith(f"environment: {name}: expected")


@pytest.mark.parametrize("name", KEYS)
def test_a_path_longer_than_a_key_may_be_is_refused(name: str) -> None:
    assert only_error_of(task_body({name: "a" * 2000})).startswith(f"environment: {name}: expected")


def test_an_entry_given_twice_is_refused() -> None:
    content = task_content()
    content["environment"].append({"name": "CSV_NAME", "value": "other.csv"})
    error = only_error_of(json.dumps(content).encode())
    assert error == "environment: CSV_NAME: expected once, given twice"


@pytest.mark.parametrize(
    "entry",
    [
        "CSV_NAME=x",
        1,
        None,
        [],
        {},
        {"name": "X"},
        {"value": "x"},
        {"name": 1, "value": "x"},
        {"name": "X", "value": "x", "type": "PLAINTEXT"},
    ],
)
def test_an_entry_of_another_form_is_named_by_its_number(entry: object) -> None:
    content = task_content()
    content["environment"].insert(1, entry)
    error = only_error_of(json.dumps(content).encode())
    assert error == "environment: entry 2: expected {name, value}"


@pytest.mark.parametrize("environment", [{"AWS_REGION": "us-east-1"}, "x", 1, True])
def test_an_environment_that_is_no_list_is_refused(environment: object) -> None:
    error = only_error_of(body_with("environment", environment))
    assert error.startswith("environment: expected a list of {name, value}, not ")


@pytest.mark.parametrize("command", [1, {}, [1], [None], True])
def test_a_command_that_is_no_text_is_refused(command: object) -> None:
    assert only_error_of(task_body(command=command)).startswith("command: expected text")


@pytest.mark.parametrize("workers", [0, -1, 1_001, 1.5, 1.0, "4", True, [], {}])
def test_workers_outside_their_range_are_refused(workers: object) -> None:
    expected = "workers: expected a whole number from 1 to 1000"
    assert only_error_of(task_body(workers=workers)) == expected


@pytest.mark.parametrize("workers", [1, 1_000])
def test_workers_at_the_ends_of_their_range_are_accepted(workers: int) -> None:
    assert parse_task(task_body(workers=workers)).workers == workers


@pytest.mark.parametrize(
    ("name", "attribute", "least", "most"),
    [
        ("tileSize", "tile_size", 256, 2048),
        ("quality", "quality", 1, 100),
        ("maxSize", "max_size", 2048, 65_500),
        ("imageApi", "image_api", 2, 3),
        ("pdfDpi", "pdf_dpi", 72, 1200),
    ],
)
def test_options_keep_to_their_ranges(name: str, attribute: str, least: int, most: int) -> None:
    for value in (least, most):
        task = parse_task(task_body(options={name: value}))
        assert getattr(task.options, attribute) == value
    expected = f"options: {name}: expected a whole number from {least} to {most}"
    for wrong in (least - 1, most + 1, str(least), float(least), True, None):
        assert only_error_of(task_body(options={name: wrong})) == expected


def test_full_max_must_have_room_for_two_tiles() -> None:
    body = task_body(options={"tileSize": 2000, "maxSize": 4000})
    assert parse_task(body).options.max_size == 4000
    body = task_body(options={"tileSize": 2000, "maxSize": 3999})
    assert only_error_of(body) == "options: maxSize: expected twice tileSize, 4,000, or more"
    body = task_body(options={"tileSize": 2000, "maxSize": "4000"})
    assert only_error_of(body) == "options: maxSize: expected a whole number from 2048 to 65500"


@pytest.mark.parametrize("widths", [[], [16, 2048], [400] * 16])
def test_widths_of_thumbnails_are_accepted(widths: list[int]) -> None:
    task = parse_task(task_body(options={"thumbnailWidths": widths}))
    assert task.options.thumbnail_widths == tuple(widths)


@pytest.mark.parametrize(
    ("widths", "expected"),
    [
        (300, "a list of at most 16 widths"),
        ({"300": 1}, "a list of at most 16 widths"),
        ([400] * 17, "a list of at most 16 widths"),
        ([15], "a whole number from 16 to 2048"),
        ([2049], "a whole number from 16 to 2048"),
        (["300"], "a whole number from 16 to 2048"),
    ],
)
def test_widths_of_thumbnails_keep_to_their_range(widths: object, expected: str) -> None:
    error = only_error_of(task_body(options={"thumbnailWidths": widths}))
    assert error == f"options: thumbnailWidths: expected {expected}"


@pytest.mark.parametrize("options", [[], "x", 1, True])
def test_options_that_are_no_object_are_refused(options: object) -> None:
    assert only_error_of(task_body(options=options)).startswith("options: expected an object")


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        pytest.param(b"", "expected JSON", id="empty"),
        pytest.param(b"{", "expected JSON", id="cut off"),
        pytest.param(OLD_FORMAT.replace('job1",', 'job1"').encode(), "JSON", id="a lost comma"),
        pytest.param(b"[" * 100_000, "expected JSON", id="lists within lists"),
        pytest.param(b"1" * 5000, "expected JSON", id="a number beyond Python's limit"),
        pytest.param(b"[]", "expected a JSON object", id="a list"),
        pytest.param(b"null", "expected a JSON object", id="null"),
        pytest.param(OLD_FORMAT.encode("utf-16"), "expected UTF-8", id="UTF-16"),
        pytest.param('{"jobName": "ü"}'.encode("latin-1"), "expected UTF-8", id="Latin 1"),
        pytest.param(b" " * (MAX_TASK_BYTES + 1), "at most 1,000,000 bytes", id="too large"),
    ],
)
def test_a_file_that_is_no_json_object_is_refused(body: bytes, problem: str) -> None:
    error = only_error_of(body)
    assert error.startswith("task file: ")
    assert problem in error


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(task_body(jobQueue="q" * 900_000), id="a value"),
        pytest.param(body_with("x" * 900_000, 1), id="a name"),
    ],
)
def test_a_mistake_is_told_in_a_line_that_the_ledger_can_keep(body: bytes) -> None:
    assert len(only_error_of(body).encode()) < LEDGER_ROW_MAX_BYTES / KEPT_ERRORS


def test_a_mistake_is_told_in_text_that_the_ledger_can_keep() -> None:
    for error in errors_of(body_with("\ud800", 1)):
        assert error.encode()


# Laws


@given(st.binary())
@example(b"\xef\xbb\xbf")
def test_any_bytes_are_a_task_or_bad(body: bytes) -> None:
    parses_or_is_bad(body)


@given(anything)
def test_any_json_is_a_task_or_bad(value: object) -> None:
    parses_or_is_bad(json.dumps(value).encode())


@given(
    st.dictionaries(st.sampled_from(sorted(ENVIRONMENT)), anything),
    st.dictionaries(
        st.sampled_from([*TOP_LEVEL_TEXTS, "command", "environment", "workers", "options"]),
        anything,
    ),
)
def test_our_fields_with_any_values_are_a_task_or_bad(
    environment: dict[str, Any], top_level: dict[str, Any]
) -> None:
    content = {**task_content(environment), **top_level}
    parses_or_is_bad(json.dumps(content).encode())


@given(st.dictionaries(st.sampled_from([*KEYS, *NAMES]), st.text("a./\\ \x00é", min_size=1)))
def test_paths_that_are_accepted_stay_in_their_place(environment: dict[str, str]) -> None:
    parses_or_is_bad(task_body(environment))


@pytest.mark.parametrize(
    ("given", "canonical"),
    [
        ("https://Example.ORG/", "https://example.org"),
        ("https://example.org:443", "https://example.org"),
        ("http://127.0.0.1:8000//", "http://127.0.0.1:8000"),
        ("http://[::1]:8000/IIIF", "http://[::1]:8000/IIIF"),
    ],
)
def test_an_address_is_written_as_every_library_writes_it(given: str, canonical: str) -> None:
    assert parse_task(task_body({"DEST_URL": given})).dest_url == canonical


@pytest.mark.parametrize(
    "value", ["https://1.2.3.999", "https://xn--", "https://xn--9-9pc.org", "https://exa%mple.org"]
)
def test_a_host_that_is_none_is_refused(value: str) -> None:
    assert only_error_of(task_body({"DEST_URL": value})).startswith("environment: DEST_URL: exp")


def test_the_csv_cannot_take_the_collections_place() -> None:
    error = only_error_of(task_body({"CSV_NAME": "collection.json"}))
    assert error.startswith("environment: CSV_NAME:")
