"""A run's rows as DynamoDB's own answers in files, and a client that gets them from there.

botocore signs, sends and parses as ever; between the two, an answer is taken from its file.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders

from pipeline import rows
from pipeline.run import Page, Run

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

TABLE = "ledger"
ANSWER_BYTES = 1_000_000
"""What a query answers with at most, about:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html"""


def write_answers(folder: Path, run: Run, pages: Iterable[Page]) -> None:
    """Write what DynamoDB answers to whoever reads a run and its pages."""
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps({"Item": rows.run_item(run)}))
    by_shard = sorted(pages, key=lambda page: page.shard)
    for shard, members in groupby(by_shard, key=lambda page: page.shard):
        partition = rows.shard_partition(run.run_id, shard)
        answers = list(_cut(json.dumps(rows.page_item(page)) for page in members))
        for number, answer in enumerate(answers):
            is_last = number + 1 == len(answers)
            key = {"pk": {"S": partition}, "sk": {"S": str(number + 1)}}
            more = "" if is_last else f', "LastEvaluatedKey": {json.dumps(key)}'
            text = f'{{"Items": [{", ".join(answer)}], "Count": {len(answer)}{more}}}'
            _file(folder, partition, number).write_text(text)


def _cut(texts: Iterable[str]) -> Iterator[Sequence[str]]:
    answer: list[str] = []
    size = 0
    for text in texts:
        answer.append(text)
        size += len(text)
        if size > ANSWER_BYTES:
            yield answer
            answer, size = [], 0
    if answer:
        yield answer


def _file(folder: Path, partition: str, number: int) -> Path:
    return folder / f"{partition.rpartition('#')[2]}-{number}.json"


class Answers:
    """Answers a client's requests, and counts them by their operation."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.calls: dict[str, int] = {}

    def client(self) -> "DynamoDBClient":
        """Return a client that gets these answers."""
        client = boto3.client(
            "dynamodb",
            region_name="us-east-1",
            aws_access_key_id="nobody",
            aws_secret_access_key="nobody",  # noqa: S106  # of nobody
        )
        client.meta.events.register("before-send.dynamodb", self._answer)
        return client

    def _answer(self, request: AWSPreparedRequest, **_: object) -> Any:
        target = request.headers["X-Amz-Target"]
        name = (target.decode() if isinstance(target, bytes) else target).rpartition(".")[2]
        self.calls[name] = self.calls.get(name, 0) + 1
        content = getattr(self, f"_{name}")(json.loads(cast("bytes", request.body)))
        return AWSResponse(str(request.url), 200, HTTPHeaders(), _Body(content))

    def _GetItem(self, _: Mapping[str, Any]) -> bytes:  # noqa: N802  # DynamoDB's names
        return (self._folder / "run.json").read_bytes()

    def _Query(self, asked: Mapping[str, Any]) -> bytes:  # noqa: N802
        partition = asked["ExpressionAttributeValues"][":pk"]["S"]
        start = asked.get("ExclusiveStartKey")
        file = _file(self._folder, partition, int(start["sk"]["S"]) if start else 0)
        return file.read_bytes() if file.exists() else b'{"Items": [], "Count": 0}'

    def _BatchGetItem(self, asked: Mapping[str, Any]) -> bytes:  # noqa: N802
        keys = asked["RequestItems"][TABLE]["Keys"]
        run_id = json.loads(self._GetItem({}))["Item"]["run_id"]
        found = [
            key | {"item": {"S": key["pk"]["S"].rpartition("#")[2]}, "run_id": run_id}
            for key in keys
        ]
        return json.dumps({"Responses": {TABLE: found}, "UnprocessedKeys": {}}).encode()

    def _TransactWriteItems(self, _: Mapping[str, Any]) -> bytes:  # noqa: N802
        return b"{}"


class _Body:
    """An answer's bytes, as botocore wants to read them."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self) -> Iterator[bytes]:
        yield self._content
