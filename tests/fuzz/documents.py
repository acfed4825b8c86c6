"""Texts that come from outside, each as a function of bytes that bears anything.

Every function returns for whatever it is given, or raises what its readers know to be a mistake
of the input; anything else that leaves it is a bug.
"""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from dispatcher.event import parse_uploads
from manifest_builder.collection import build_collections, parse_entry, refer
from manifest_builder.document import to_json
from manifest_builder.manifest import build_manifest
from manifest_builder.problems import tell
from manifest_builder.row_reader import describe
from manifest_builder.table import read_catalogue
from pipeline import rows
from pipeline.csv_file import check_csv
from pipeline.dead_letters import DeadLetter
from pipeline.errors import BadTask, PermanentError
from pipeline.message import parse_message
from pipeline.run import derive_run_id
from pipeline.task import Options, parse_task
from tests.builders import a_message, a_plan, a_run, an_upload, done, task_body
from worker.receipt import TILING_VERSION, Receipt, parse_receipt

Mutation = Callable[..., bytes]
MAX_ROWS = 20
LAYOUT = a_plan().layout


@dataclass(frozen=True, slots=True)
class Target:
    """What is fuzzed: `run` takes an input, `seeds` are good ones, `is_json` what they are."""

    run: Callable[[bytes], None]
    seeds: Callable[[], Sequence[bytes]]
    is_json: bool = False


def read_task(content: bytes) -> None:
    """Read a task file; one that is good goes into the ledger's form and back."""
    try:
        task = parse_task(content)
    except BadTask as error:
        check_shown(*error.errors)
        return
    derive_run_id(task.job_name, an_upload())
    plan = a_plan(layout=task.layout, options=task.options, defaults=task.defaults)
    run = a_run("run-1", plan)
    assert rows.parse_run(rows.run_item(run)) == run


def check_shown(*lines: str) -> None:
    """Fail where a line that people are shown could steer their terminal."""
    assert all(line.isprintable() for line in lines)


def read_message(content: bytes) -> None:
    """Read a message's body, as the worker does and as the dead letters' readers do."""
    body = content.decode(errors="replace")
    letter = DeadLetter("1", body, {"reason": body}, "none", 0.0)
    if letter.message is None:
        return
    message = parse_message(body)
    assert parse_message(message.to_json()) == message
    page = rows.parse_page(rows.page_item(done(message)))
    assert page.message == message


def read_csv(content: bytes) -> None:
    """Read a CSV as the dispatcher does, then make manifests of its rows as the builder does."""
    try:
        check_csv(content)
    except PermanentError as error:
        check_shown(str(error))
        return
    catalogue = read_catalogue(content)
    told = list(catalogue.problems)
    for item, row in islice(catalogue.rows.items(), MAX_ROWS):
        description, problems = describe(row, 3)
        told += problems
        pages = [done(a_message(item=item, page=number)) for number in (1, 2, 3)]
        manifest = build_manifest(LAYOUT, Options(), pages, description)
        read_strictly(to_json(manifest))
        refer(manifest)
    check_shown(*tell(told))


def read_event(content: bytes) -> None:
    """Read what invokes the dispatcher."""
    try:
        event = json.loads(content)
    except (ValueError, RecursionError):
        return  # Lambda hands over JSON alone
    try:
        parse_uploads(event)
    except PermanentError:
        return


def read_receipt(content: bytes) -> None:
    """Read what an earlier run left beside a page's tiles, and use it."""
    receipt = parse_receipt(content)
    if receipt is None:
        return
    receipt.covers('"e1"', Options())
    assert receipt.to_json()
    assert receipt.pyramid.sizes is not None


def read_manifest(content: bytes) -> None:
    """Read a manifest that lies in the destination, and list it in a collection."""
    try:
        entry = parse_entry(content)
    except ValueError:
        return
    for collection in build_collections(LAYOUT, "Letters", [entry]).values():
        read_strictly(to_json(collection))


def read_strictly(document: bytes) -> None:
    """Read what we have written as strict readers do: NaN is no JSON."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    json.loads(document, parse_constant=refuse)


def task_seeds() -> Sequence[bytes]:
    options = {
        "tileSize": 512,
        "thumbnailWidths": [90, 400],
        "rights": "CC BY 4.0",
        "provider": {
            "name": "Library",
            "homepage": "https://a.example",
            "logo": "https://a.b/l.png",
        },
        "requiredStatement": {"label": "By", "value": "Courtesy"},
    }
    return [task_body(), task_body(workers=8, options=options, command=["x"])]


def message_seeds() -> Sequence[bytes]:
    return [a_message().to_json().encode(), a_message(part=3, replays=2).to_json().encode()]


def csv_seeds() -> Sequence[bytes]:
    cells = {
        "identifier": "book",
        "title": "A <b>book</b> || Ein Buch",
        "description": '<p>On <a href="https://a.example">paper</a><br>',
        "rights": "CC BY 4.0",
        "attribution": "Archive",
        "provider": "Library || Archive",
        "provider_homepage": "https://library.example || ",
        "provider_logo": "https://library.example/l.png",
        "homepage": "https://bücher.example/1?a=b#c",
        "date": "1911-05-03",
        "nav_date": "1911-05-03T10:00:00+01:00",
        "language": "de-CH",
        "viewing_direction": "right-to-left",
        "behavior": "paged",
        "thumbnail_page": "2",
        "page_labels": "Cover || 1r || 1v",
        "ranges": "Title: 1 || Letters: 2-3, 1",
        "creator": "Miller, J.\nand others",
    }
    found = []
    for delimiter, encoding in ((",", "utf-8"), (";", "utf-8-sig"), ("\t", "utf-16")):
        text = io.StringIO()
        writer = csv.writer(text, delimiter=delimiter)
        writer.writerows([cells, cells.values(), ["letter", *["x"] * 17], ["", ""]])
        found.append(text.getvalue().encode(encoding))
    return [*found, b"sep=;\r\nidentifier;title\r\na;\xe9\r\n"]


def event_seeds() -> Sequence[bytes]:
    stored = {"key": "a+b%20c.json", "sequencer": "0055", "versionId": "v1", "size": 3}
    record = {
        "eventTime": "2026-03-01T12:00:00.000Z",
        "s3": {"bucket": {"name": "batch"}, "object": stored},
    }
    return [
        json.dumps({"Records": [record, record]}).encode(),
        b'{"Service": "Amazon S3", "Event": "s3:TestEvent"}',
        b'{"tilepool": "reconcile"}',
    ]


def receipt_seeds() -> Sequence[bytes]:
    url = "https://images.example.org/x"
    return [
        Receipt('"e1"', Options(), url, 600, 400, 9).to_json(),
        Receipt(
            '"e2"', Options(thumbnail_widths=(90,)), url, 60_000, 4, 9, 3, TILING_VERSION
        ).to_json(),
    ]


def manifest_seeds() -> Sequence[bytes]:
    content = b"identifier,title,nav_date\nbook,Book,1911\n"
    description, _ = describe(read_catalogue(content).rows["book"], 1)
    return [to_json(build_manifest(LAYOUT, Options(), [done(a_message())], description))]


DOCUMENTS: Mapping[str, Target] = {
    "task": Target(read_task, task_seeds, is_json=True),
    "message": Target(read_message, message_seeds, is_json=True),
    "csv": Target(read_csv, csv_seeds),
    "event": Target(read_event, event_seeds, is_json=True),
    "receipt": Target(read_receipt, receipt_seeds, is_json=True),
    "manifest": Target(read_manifest, manifest_seeds, is_json=True),
}
