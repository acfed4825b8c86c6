"""What a request is in tilepool's order of effects, read from the request alone. Pure."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any
from urllib.parse import unquote, urlsplit
from xml.sax.saxutils import unescape

from pipeline import rows
from pipeline.layout import INFO_FILE, RECEIPT_FILE, TILES_FOLDER
from pipeline.run import PageState, RunState
from tests.chaos.http_messages import Request
from tests.chaos.processes import Role

SCOPE = re.compile(r"Credential=[^/]+/\d{8}/[^/]+/(?P<service>[^/]+)/aws4_request")
KEY = re.compile(r"<Key>(.*?)</Key>")
ASSIGNMENT = re.compile(r"#(?P<name>\w+) = (?P<value>:\w+)")


class Point(StrEnum):
    """The named points of the order of effects; the values are the report's words."""

    RECEIVE = "message received"
    CLEAR = "old info.json removed"
    TILE = "tile written"
    INFO = "info.json written"
    RECEIPT = "receipt written"
    EXPAND = "images of a file counted"
    PARTS = "rows of a file's images written"
    SEND_PARTS = "messages of a file's images sent"
    BURY = "dead letter sent"
    OUTCOME = "outcome recorded"
    CLAIM = "final job claimed"
    SUBMIT_FINAL = "final job submitted"
    NOTE = "final job noted"
    DELETE = "message deleted"
    REQUEUE = "failure taken back"
    REOPEN = "run reopened"
    DOCUMENT = "document written"
    FINISH = "run ended"
    OPEN = "run opened"
    RECORD = "rows recorded"
    SEAL = "totals sealed"
    SEND = "messages sent"
    SUBMIT_WORKER = "worker submitted"
    NOTE_WORKER = "worker noted"
    ADVANCE = "run under way"
    DISPATCH = "any step of the dispatcher"
    RECONCILE = "any step of the reconciler"
    REPLAY = "any step of tilepool replay"
    ANY = "any time"


STEPS = {
    Role.DISPATCHER: Point.DISPATCH,
    Role.RECONCILER: Point.RECONCILE,
    Role.OPERATOR: Point.REPLAY,
}
Key = tuple[str, str]
Action = tuple[str, str]
"""What IAM calls a request, and the resource, by its name in the template; "" where any will do."""
WRITES = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}
JOB_ACTIONS = {
    f"/v1/{name.lower()}": f"batch:{name}"
    for name in (
        *("SubmitJob", "ListJobs", "DescribeJobs", "TerminateJob"),
        *("DescribeJobQueues", "DescribeJobDefinitions"),
    )
}


@dataclass(frozen=True)
class Call:
    """A request, taken apart."""

    request: Request
    dest: str
    role: Role

    @cached_property
    def service(self) -> str:
        """Return the service that the signature names."""
        found = SCOPE.search(self.request.headers.get("authorization", ""))
        return found["service"] if found else ""

    @cached_property
    def operation(self) -> str:
        """Return the operation: `PUT` of S3, `/v1/submitjob` of Batch, `SendMessage` of SQS."""
        target = self.request.headers.get("x-amz-target")
        if target is not None:
            return target.rpartition(".")[2]
        return self.request.method if self.service == "s3" else urlsplit(self.request.target).path

    @cached_property
    def values(self) -> dict[str, Any]:
        """Return a JSON body; it is empty for S3."""
        if self.service == "s3" or not self.request.body:
            return {}
        values: dict[str, Any] = json.loads(self.request.body)
        return values

    @cached_property
    def bucket_and_key(self) -> Key:
        """Return what a request to S3 is about."""
        path = unquote(urlsplit(self.request.target).path).removeprefix("/")
        bucket, _, key = path.partition("/")
        return bucket, key

    @cached_property
    def key(self) -> str:
        """Return the key in the destination, else nothing."""
        bucket, key = self.bucket_and_key
        return key if self.service == "s3" and bucket == self.dest else ""

    @cached_property
    def removed(self) -> frozenset[str]:
        """Return the keys in the destination that a request removes."""
        if self.operation == "DELETE" and self.key:
            return frozenset([self.key])
        bucket, _ = self.bucket_and_key
        if self.operation != "POST" or bucket != self.dest or self.service != "s3":
            return frozenset()
        keys = KEY.findall(self.request.body.decode())
        return frozenset(unescape(key) for key in keys)

    @cached_property
    def actions(self) -> frozenset[Action]:
        """Return what a request to SQS, DynamoDB or Batch has to be allowed."""
        if self.service == "sqs":
            is_dead = self.values["QueueUrl"].endswith("-dead")
            queue = "PagesDead.Arn" if is_dead else "Pages.Arn"
            return frozenset([(f"sqs:{self.operation.removesuffix('Batch')}", queue)])
        if self.service == "dynamodb":
            kinds = {next(iter(entry)) for entry in self.values.get("TransactItems", [])}
            names = [WRITES[kind] for kind in kinds] or [self.operation]
            return frozenset((f"dynamodb:{name}", "Ledger.Arn") for name in names)
        if self.service == "batch":
            return frozenset([(JOB_ACTIONS[self.operation], "")])
        return frozenset()

    @cached_property
    def points(self) -> frozenset[Point]:
        """Return the points of the order of effects that a request is."""
        return frozenset(self._points())

    def _points(self) -> Iterator[Point]:
        yield Point.ANY
        if self.role in STEPS:
            yield STEPS[self.role]
        if self.service == "s3":
            yield from self._points_of_s3()
        elif self.service == "dynamodb" and self.operation == "TransactWriteItems":
            yield from self._points_of_transaction()
        elif self.service == "sqs":
            yield from self._points_of_queue()
        elif self.operation == "/v1/submitjob":
            (command,) = self.values["containerOverrides"]["command"]
            yield Point.SUBMIT_WORKER if command == "worker" else Point.SUBMIT_FINAL

    def _points_of_s3(self) -> Iterator[Point]:
        name = self.key.rpartition("/")[2]
        if any(key.endswith(f"/{INFO_FILE}") for key in self.removed):
            yield Point.CLEAR
        if self.operation != "PUT" or not self.key:
            return
        if self.role is Role.BUILDER:
            yield Point.DOCUMENT
        elif f"/{TILES_FOLDER}/" in self.key:
            yield {INFO_FILE: Point.INFO, RECEIPT_FILE: Point.RECEIPT}.get(name, Point.TILE)

    def _points_of_queue(self) -> Iterator[Point]:
        in_hand = {
            "ReceiveMessage": Point.RECEIVE,
            "DeleteMessage": Point.DELETE,
            "DeleteMessageBatch": Point.DELETE,
        }
        if self.operation in in_hand and self.role is Role.WORKER:
            yield in_hand[self.operation]
        if self.operation == "SendMessageBatch":
            yield Point.SEND_PARTS if self.role is Role.WORKER else Point.SEND
        if self.operation == "SendMessage" and self.role is Role.WORKER:
            yield Point.BURY

    def _points_of_transaction(self) -> Iterator[Point]:
        writes = self.writes
        pages = [write for write in writes if write.is_page]
        runs = [write for write in writes if write.is_run]
        reopens = any(run.sets("state", RunState.TILING.value) for run in runs)
        if any(page.sets("state", *map(str, ENDED_PAGES)) for page in pages):
            yield Point.OUTCOME
        elif any(page.sets("state", PageState.QUEUED.value) and not page.is_put for page in pages):
            if not reopens:  # else it is a part of that
                yield Point.REQUEUE
        elif any("parts" in page.values and not page.is_put for page in pages):
            yield Point.EXPAND
        elif any(page.is_put for page in pages):
            yield Point.PARTS if self.role is Role.WORKER else Point.RECORD
        if any(write.is_put and write.sort.startswith(rows.JOB) for write in writes):
            yield Point.NOTE_WORKER
        for run in runs:
            yield from self._points_of_run(run)

    def _points_of_run(self, run: "Write") -> Iterator[Point]:
        if run.is_put:
            yield Point.OPEN
        if run.sets("recorded", True):
            yield Point.SEAL
        if run.sets("state", RunState.BUILDING.value):
            yield Point.CLAIM
        elif run.values.get("final_job"):
            yield Point.NOTE
        if run.sets("state", RunState.TILING.value):
            yield Point.ADVANCE if self.role is Role.DISPATCHER else Point.REOPEN
        if run.sets("state", RunState.DONE.value, RunState.DONE_WITH_FAILURES.value):
            yield Point.FINISH

    @cached_property
    def writes(self) -> "list[Write]":
        """Return the rows that a transaction writes."""
        entries = [next(iter(entry.items())) for entry in self.values.get("TransactItems", [])]
        return [_write(kind, write) for kind, write in entries if kind in {"Put", "Update"}]


ENDED_PAGES = (PageState.DONE.value, PageState.FAILED.value)


@dataclass(frozen=True, slots=True)
class Write:
    """A row that a transaction writes, and the attributes it sets."""

    partition: str
    sort: str
    is_put: bool
    values: Mapping[str, Any]

    @property
    def is_page(self) -> bool:
        return self.sort.startswith(rows.PAGE)

    @property
    def is_run(self) -> bool:
        return self.sort == rows.RUN

    def sets(self, name: str, *values: object) -> bool:
        """Tell whether an attribute is set to one of the values."""
        return name in self.values and self.values[name] in values


def _write(kind: str, write: Mapping[str, Any]) -> Write:
    if kind == "Put":
        item = rows.decode(write["Item"])
        return Write(item["pk"], item["sk"], is_put=True, values=item)
    key = rows.decode(write["Key"])
    update = write["UpdateExpression"]
    given = rows.decode(write.get("ExpressionAttributeValues", {}))
    set_part = update.partition(" REMOVE ")[0]
    values = {name: given[value] for name, value in ASSIGNMENT.findall(set_part)}
    return Write(key["pk"], key["sk"], is_put=False, values=values)
