"""Two places where moto 5.2 is too slow for real runs.

Private names: `pyproject.toml` pins moto, and `tests/console/test_cloud.py` tries what is promised.
"""

import copy
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table
from moto.sqs import models as sqs

MILLISECONDS = 1000

Entry = Mapping[str, Mapping[str, Any]]


def patch_moto() -> None:
    """Apply the patches; call once, before the server starts."""
    transact = DynamoDBBackend.transact_write_items

    def transact_write_items(self: DynamoDBBackend, transact_items: list[dict[str, Any]]) -> None:
        before = [_snapshot(self, entry) for entry in transact_items]
        try:
            transact(self, transact_items)
        except Exception:
            for table, key, item in before:
                _restore(table, key, item)
            raise

    # moto copies the whole table for every entry of a transaction, and puts the copies back when
    # it fails. Here it copies, and puts back, only the items that the transaction touches.
    DynamoDBBackend.transact_write_items = transact_write_items  # type: ignore[method-assign]
    Table.__deepcopy__ = lambda table, _memo: table  # type: ignore[attr-defined]
    # Called for every message in the queue on every receive.
    sqs.unix_time_millis = _now_in_milliseconds  # type: ignore[attr-defined]


def _now_in_milliseconds(dt: datetime | None = None) -> float:
    return dt.timestamp() * MILLISECONDS if dt else time.time() * MILLISECONDS


def _snapshot(
    backend: DynamoDBBackend, entry: Entry
) -> tuple[Table, tuple[DynamoType, DynamoType], Item | None]:
    (operation,) = entry.values()
    table = backend.get_table(operation["TableName"])
    values = operation.get("Key") or operation["Item"]
    key = DynamoType(values[table.hash_key_attr]), DynamoType(values[table.range_key_attr])
    return table, key, copy.deepcopy(table.get_item(*key))


def _restore(table: Table, key: tuple[DynamoType, DynamoType], item: Item | None) -> None:
    partition, sort = key
    if item is None:
        table.items[partition].pop(sort, None)
    else:
        table.items[partition][sort] = item
