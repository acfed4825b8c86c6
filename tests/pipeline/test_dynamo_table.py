"""What a query yields is what botocore would make of the same answer."""

import uuid
from decimal import Decimal
from typing import TYPE_CHECKING

from console.embedded import LOCAL, EmbeddedCloud
from pipeline import rows
from pipeline.dynamo_table import DynamoTable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

VALUES = {
    "text": "Bücher #1",
    "whole": 7,
    "fraction": Decimal("1.25"),
    "yes": True,
    "nothing": None,
    "list": [1, "a", [2]],
    "map": {"inner": {"deep": []}},
}
QUARTER_OF_AN_ANSWER = 300_000


def parts(cloud: EmbeddedCloud) -> "tuple[DynamoTable, DynamoDBClient]":
    """Return the table, and a client of its own that nothing is registered on."""
    ours, plain = (
        cloud.session.client("dynamodb", endpoint_url=cloud.url, config=LOCAL) for _ in range(2)
    )
    return DynamoTable(ours, cloud.table), plain


def test_items_are_those_that_botocore_would_yield(cloud: EmbeddedCloud) -> None:
    partition = f"test-{uuid.uuid4().hex}"
    table, plain = parts(cloud)
    items = [rows.encode({"pk": partition, "sk": str(number), **VALUES}) for number in range(3)]
    assert table.transact(*map(table.put, items))
    answer = plain.query(
        TableName=cloud.table,
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues=rows.encode({":pk": partition}),
    )
    assert list(table.query(partition)) == answer["Items"] == items


def test_an_answer_in_several_pages_is_yielded_whole(cloud: EmbeddedCloud) -> None:
    partition = f"test-{uuid.uuid4().hex}"
    table, _ = parts(cloud)
    text = "x" * QUARTER_OF_AN_ANSWER
    items = [rows.encode({"pk": partition, "sk": str(n), "text": text}) for n in range(9)]
    for item in items:
        assert table.transact(table.put(item))
    asked = 0

    def count(**_: object) -> None:
        nonlocal asked
        asked += 1

    table._client.meta.events.register("before-call.dynamodb.Query", count)
    assert list(table.query(partition)) == items
    assert asked > 1


def test_a_partition_without_items_yields_none(cloud: EmbeddedCloud) -> None:
    table, _ = parts(cloud)
    assert list(table.query("nobody")) == []
