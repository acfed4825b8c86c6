"""What must hold once a run has ended, read from ledger, queues, jobs and bucket."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from console.verify.verification import Wanted, verify
from pipeline.message import Message, parse_message
from pipeline.outbox import read_depth
from pipeline.run import SHARDS, Counts, Page, PageState, RunState
from tests.cfn.template import allowed, load_document, properties_of
from tests.chaos.arena import DEST, LAYOUT, Arena
from tests.chaos.processes import Role

LETTER_SECONDS = 30
"""Letters that are read go back when it is over."""
EVERYTHING = 1_000_000

ROLES = {
    Role.DISPATCHER: "DispatcherRole",
    Role.RECONCILER: "DispatcherRole",
    Role.WORKER: "WorkerRole",
    Role.TILER: "WorkerRole",
    Role.BUILDER: "ManifestBuilderRole",
}
"""In the template; an operator has a role of their own."""

Place = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter."""

    message: Message
    attributes: Mapping[str, str]
    handle: str


def check_rows(arena: Arena) -> tuple[Page, ...]:
    """Every image is done or failed, exactly once, and the counts say the same."""
    ledger = arena.cloud.ledger
    rows = tuple(ledger.pages(arena.run_id))
    times = Counter(row.message.place for row in rows)
    assert len(rows) == len(times) == arena.archive.images
    assert {row.state for row in rows} <= {PageState.DONE, PageState.FAILED}
    for shard in range(SHARDS):
        states = Counter(row.state for row in rows if row.shard == shard)
        done, failed = states[PageState.DONE], states[PageState.FAILED]
        assert ledger.shard_counts(arena.run_id, [shard]) == (Counts(done + failed, done, failed),)
    return rows


def check_failures(arena: Arena, rows: Sequence[Page], keys: frozenset[str]) -> list[Letter]:
    """Just these images have failed, and each lies once among the dead letters, returned."""
    failed = {row.message.place: row for row in rows if row.state is PageState.FAILED}
    assert {row.message.key for row in failed.values()} == keys
    letters = read_letters(arena)
    assert Counter(letter.message.place for letter in letters) == Counter(failed.keys())
    for letter in letters:
        row = failed[letter.message.place]
        assert letter.message.replays == row.message.replays + 1
        said = {name: letter.attributes[name] for name in ("run", "item", "page", "part", "reason")}
        item, page, part = row.message.place
        assert said == {
            "run": arena.run_id,
            "item": item,
            "page": str(page),
            "part": str(part),
            "reason": row.reason,
        }
        assert int(letter.attributes["attempts"]) >= 1
    return letters


def check_queue(arena: Arena) -> None:
    """No message is left."""
    assert depth(arena, arena.cloud.queue_url) == 0


def check_final_jobs(arena: Arena, completions: int) -> None:
    """The final job was claimed, and has ended the run, once per completion."""
    assert arena.run is not None
    assert arena.run.state.ended
    assert arena.chaos.account.claims == completions
    assert arena.chaos.account.ends == completions


def check_export(arena: Arena, rows: Sequence[Page]) -> None:
    """What is published is whole; items with failed pages are not."""
    assert arena.chaos.witness.faults == []
    for target in (f"s3://{DEST}/{LAYOUT.collection}", f"s3://{DEST}/{LAYOUT.prefix}/tiles"):
        verified = verify(Wanted(target, sample=20, seed=1, every_header=True), lambda _: None)
        assert not verified.findings.errors, list(verified.findings.lines())
    keys = set(_keys(arena))
    failed = {row.message.item for row in rows if row.state is PageState.FAILED}
    for row in rows:
        item = row.message.item
        assert (LAYOUT.manifest(item) in keys) == (item not in failed)
        if row.state is PageState.DONE:
            assert LAYOUT.info(*row.message.place) in keys
    assert arena.run is not None
    assert arena.run.summary is not None
    assert set(arena.run.summary.withheld) == failed
    assert arena.run.state is (RunState.DONE_WITH_FAILURES if failed else RunState.DONE)


def check_permissions(arena: Arena) -> None:
    """The template's roles allow all that their processes have asked for."""
    template = properties_of(load_document())
    may = {
        role: {
            entry
            for action, resource in allowed(template, role)
            for entry in ((action, resource), (action, ""))
        }
        for role in set(ROLES.values())
    }
    asked = arena.chaos.account.asked
    refused = {
        (ROLES[process], action)
        for process, action in asked
        if process in ROLES and action not in may[ROLES[process]]
    }
    assert asked
    assert not refused


def read_letters(arena: Arena) -> list[Letter]:
    """Return all dead letters; nobody else sees them for a while."""
    letters: list[Letter] = []
    while True:
        answer = arena.cloud.sqs.receive_message(
            QueueUrl=arena.cloud.dead_letter_queue_url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=LETTER_SECONDS,
            MessageAttributeNames=["All"],
        )
        for message in answer.get("Messages", []):
            attributes = message.get("MessageAttributes", {})
            letters.append(
                Letter(
                    parse_message(message["Body"]),
                    {name: value["StringValue"] for name, value in attributes.items()},
                    message["ReceiptHandle"],
                )
            )
        if "Messages" not in answer:
            assert len(letters) == depth(arena, arena.cloud.dead_letter_queue_url)
            return letters


def put_back(arena: Arena, letters: Sequence[Letter]) -> None:
    """Let others see letters again."""
    for letter in letters:
        arena.cloud.sqs.change_message_visibility(
            QueueUrl=arena.cloud.dead_letter_queue_url,
            ReceiptHandle=letter.handle,
            VisibilityTimeout=0,
        )


def depth(arena: Arena, queue_url: str) -> int:
    """Return how many messages a queue holds, in hand or not."""
    return sum(read_depth(arena.cloud.sqs, queue_url))


def _keys(arena: Arena) -> Iterator[str]:
    for page in arena.cloud.s3.get_paginator("list_objects_v2").paginate(Bucket=DEST):
        for listed in page.get("Contents", []):
            yield listed["Key"]
