"""The ledger's table on the embedded cloud: its rows as text, to be saved, and back.

moto's own rows are slow to make and to write out: a saved row is made when it is first asked for,
and only what has changed is written out again.
"""

import json
from collections.abc import Iterator, Mapping, ValuesView
from typing import Any

from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table

from console.cloud.child_environment import REGION
from console.cloud.resources import ACCOUNT, TABLE
from console.cloud.state import Texts


class _Partitions(dict[DynamoType, dict[DynamoType, Item]]):
    """What moto keeps rows in; partitions that were saved are made when they are asked for."""

    def __init__(self, saved: Texts) -> None:
        super().__init__()
        self._saved = {partition: dict(texts) for partition, texts in saved.items()}

    def __missing__(self, key: DynamoType) -> dict[DynamoType, Item]:
        texts = self._saved.pop(key.value, {}) if key.type == "S" else {}
        made = self[key] = {}
        for sort, text in texts.items():
            range_key = DynamoType({"S": sort})
            made[range_key] = Item(key, range_key, json.loads(text))
        return made

    def values(self) -> ValuesView[dict[DynamoType, Item]]:  # type: ignore[override]
        for partition in list(self._saved):
            self[DynamoType({"S": partition})]
        return super().values()


class LedgerTable:
    """The rows of the ledger's table. The caller holds the lock of DynamoDB's requests."""

    def __init__(self) -> None:
        self._texts: Texts = {}
        self._touched: set[tuple[str, str]] = set()

    def restore(self, texts: Texts) -> None:
        """Fill the table, which is new."""
        self._texts = texts
        self._table.items = _Partitions(texts)  # type: ignore[assignment]

    def notice(self, action: str, request: Mapping[str, Any]) -> bool:
        """Take note of the rows that a request may write; tell whether there are any."""
        keys = [
            (key["pk"]["S"], key["sk"]["S"])
            for table, key in _written(action, request)
            if table == TABLE
        ]
        self._touched.update(keys)
        return bool(keys)

    def texts(self) -> Texts:
        """Return all rows."""
        for partition, sort in self._touched:
            item = self._table.get_item(DynamoType({"S": partition}), DynamoType({"S": sort}))
            rows = self._texts.setdefault(partition, {})
            if item is None:
                rows.pop(sort, None)
            else:
                rows[sort] = json.dumps(item.to_json()["Attributes"], separators=(",", ":"))
        self._touched.clear()
        return {partition: dict(rows) for partition, rows in self._texts.items()}

    @property
    def _table(self) -> Table:
        return dynamodb_backends[ACCOUNT][REGION].get_table(TABLE)


def _written(action: str, request: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield table and key of all that a request may write; an item holds its key."""
    if action in ("PutItem", "UpdateItem", "DeleteItem"):
        yield request["TableName"], request.get("Key") or request["Item"]
    elif action == "TransactWriteItems":
        for entry in request["TransactItems"]:
            for operation in entry.values():
                yield operation["TableName"], operation.get("Key") or operation["Item"]
    elif action == "BatchWriteItem":
        for table, entries in request["RequestItems"].items():
            for entry in entries:
                for operation in entry.values():
                    yield table, operation.get("Key") or operation["Item"]
