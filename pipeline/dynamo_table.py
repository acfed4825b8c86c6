"""One DynamoDB table: reads, and writes that are transactions under conditions.

All reads are strongly consistent. Adapter: takes a client.
"""

import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from pipeline import rows

if TYPE_CHECKING:
    from botocore.model import OperationModel
    from mypy_boto3_dynamodb.client import DynamoDBClient

MAX_TRANSACTION_ENTRIES = 100
"""This and MAX_BATCH_KEYS:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html"""
MAX_BATCH_KEYS = 100
PASSING_REASONS = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}
"""Why a transaction may be cancelled and succeed when repeated: it met another, or too many."""
MAX_CONFLICTS = 12
CONFLICT_WAIT_SECONDS = 0.01

IS_NEW = "attribute_not_exists(pk)"

Entry = Mapping[str, Any]
"""One write, or check, of a transaction."""


class DynamoTable:
    """A table with the keys `pk` and `sk`.

    In all expressions `#name` stands for the attribute `name`, for DynamoDB reserves hundreds of
    words; values are plain Python.
    """

    def __init__(self, client: "DynamoDBClient", name: str) -> None:
        self._client = client
        self._name = name
        client.meta.events.register(
            "needs-retry.dynamodb.TransactWriteItems",
            _retry_conflict,  # type: ignore[arg-type]  # the stubs know no answers of handlers
            "tilepool-conflicts",
        )
        client.meta.events.register("before-parse.dynamodb.Query", _take_items, "tilepool-items")

    def get(self, key: rows.Item) -> rows.Item | None:
        """Return an item, or None where there is none."""
        answer = self._client.get_item(TableName=self._name, Key=key, ConsistentRead=True)
        return answer.get("Item")

    def get_all(self, keys: Sequence[rows.Item]) -> list[rows.Item]:
        """Return those of many items that there are, in no order."""
        found: list[rows.Item] = []
        for start in range(0, len(keys), MAX_BATCH_KEYS):
            wanted = list(keys[start : start + MAX_BATCH_KEYS])
            while wanted:
                answer = self._client.batch_get_item(
                    RequestItems={self._name: {"Keys": wanted, "ConsistentRead": True}}
                )
                found += answer["Responses"].get(self._name, [])
                left: Mapping[str, Any] = answer.get("UnprocessedKeys", {})
                wanted = left[self._name]["Keys"] if left else []
        return found

    def query(
        self, partition: str, prefix: str = "", *, since: str = "", newest_first: bool = False
    ) -> Iterator[rows.Item]:
        """Yield a partition's items, in the order of their sort keys or the reverse.

        Either those whose sort keys begin with `prefix`, or those that are not before `since`.
        """
        condition, values = "pk = :pk", {":pk": partition}
        if prefix:
            condition, values = f"{condition} AND begins_with(sk, :sk)", {**values, ":sk": prefix}
        elif since:
            condition, values = f"{condition} AND sk >= :sk", {**values, ":sk": since}
        pages = self._client.get_paginator("query").paginate(
            TableName=self._name,
            KeyConditionExpression=condition,
            ExpressionAttributeValues=rows.encode(values),
            ConsistentRead=True,
            ScanIndexForward=not newest_first,
        )
        for page in pages:
            yield from page["Items"]

    def put(
        self, item: rows.Item, values: Mapping[str, Any] | None = None, **expressions: str
    ) -> Entry:
        """Return the entry that writes an item."""
        arguments = _expressions(values or {}, **expressions)
        return {"Put": {"TableName": self._name, "Item": item, **arguments}}

    def update(self, key: rows.Item, values: Mapping[str, Any], **expressions: str) -> Entry:
        """Return the entry that changes an item."""
        return {"Update": self._on(key, values, **expressions)}

    def delete(
        self, key: rows.Item, values: Mapping[str, Any] | None = None, **expressions: str
    ) -> Entry:
        """Return the entry that removes an item."""
        return {"Delete": self._on(key, values or {}, **expressions)}

    def check(self, key: rows.Item, values: Mapping[str, Any], **expressions: str) -> Entry:
        """Return the entry that asks for a condition and changes nothing."""
        return {"ConditionCheck": self._on(key, values, **expressions)}

    def transact(self, *entries: Entry) -> bool:
        """Write all entries or none; tell whether the conditions held."""
        try:
            self._client.transact_write_items(TransactItems=entries)  # type: ignore[arg-type]
        except self._client.exceptions.TransactionCanceledException as error:
            reasons = {reason.get("Code") for reason in error.response["CancellationReasons"]}
            if "ConditionalCheckFailed" in reasons:
                return False
            raise
        return True

    def _on(self, key: rows.Item, values: Mapping[str, Any], **expressions: str) -> dict[str, Any]:
        return {"TableName": self._name, "Key": key, **_expressions(values, **expressions)}


def _expressions(values: Mapping[str, Any], **expressions: str) -> dict[str, Any]:
    names = {f"#{name}": name for name in re.findall(r"#(\w+)", " ".join(expressions.values()))}
    arguments: dict[str, Any] = {**expressions}
    if values:
        arguments["ExpressionAttributeValues"] = rows.encode(values)
    if names:
        arguments["ExpressionAttributeNames"] = names
    return arguments


def _take_items(
    operation_model: "OperationModel",
    response_dict: dict[str, Any],
    customized_response_dict: dict[str, Any],
    **_: Any,
) -> None:
    """Have a query's items be what stands in the answer's JSON.

    botocore would make the same of them, but for binary values, of which no row has any; it takes
    ten times as long, for it looks up each value's type in its model of the service.
    """
    protocol = operation_model.service_model.resolved_protocol
    if response_dict["status_code"] == HTTPStatus.OK and protocol == "json":
        answer = json.loads(response_dict["body"])
        customized_response_dict["Items"] = answer.pop("Items", [])
        response_dict["body"] = json.dumps(answer).encode()


def _retry_conflict(response: Any, attempts: int, **_: Any) -> float | None:
    """Have botocore repeat a transaction that met another one on the same counter, or too many.

    botocore's own retry modes leave these alone. Returns the seconds to wait, with full jitter.
    """
    error = response[1] if response else {}
    reasons = error.get("CancellationReasons", []) if isinstance(error, dict) else []
    codes = {reason.get("Code") for reason in reasons} - {"None", None}
    if not codes or codes - PASSING_REASONS or attempts > MAX_CONFLICTS:
        return None
    return random.uniform(0, CONFLICT_WAIT_SECONDS * 2 ** min(attempts, 7))  # noqa: S311
