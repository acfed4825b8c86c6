"""Places where moto 5.2 is too slow for real runs, or loses what others write meanwhile.

Private names: `pyproject.toml` pins moto, and `tests/console/test_cloud.py` tries what is promised.
"""

import copy
from collections.abc import Callable, Mapping
from typing import Any

from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table
from moto.sqs import models as sqs

from console.cloud.queues import FairQueue

INDEX_NAME = 6
"""Its place among the arguments of a query, after the key."""

Entry = Mapping[str, Mapping[str, Any]]


def patch_moto() -> None:
    """Apply the patches; call once, before the server starts."""
    _patch_dynamodb()
    _patch_sqs()


def _patch_sqs() -> None:
    sqs.Queue = FairQueue  # type: ignore[misc]
    sqs.SQSBackend.receive_message = _receive_message  # type: ignore[assignment,method-assign]
    sqs.SQSBackend.change_message_visibility = _lease  # type: ignore[assignment,method-assign]
    sqs.SQSBackend.purge_queue = _purge  # type: ignore[assignment,method-assign]


def _receive_message(
    backend: sqs.SQSBackend,
    queue_name: str,
    count: int,
    *rest: Any,
) -> list[sqs.Message]:
    wait_seconds, lease_seconds, message_attribute_names = rest
    messages = _queue(backend, queue_name).receive(count, wait_seconds, lease_seconds)
    for message in messages:
        sqs._filter_message_attributes(message, message_attribute_names)  # noqa: SLF001
    return messages


def _lease(
    backend: sqs.SQSBackend, queue_name: str, receipt_handle: str, visibility_timeout: int
) -> None:
    _queue(backend, queue_name).lease(receipt_handle, int(visibility_timeout))


def _purge(backend: sqs.SQSBackend, queue_name: str) -> None:
    _queue(backend, queue_name).purge()


def _queue(backend: sqs.SQSBackend, name: str) -> FairQueue:
    queue = backend.get_queue(name)
    assert isinstance(queue, FairQueue)  # noqa: S101  # there are no others
    return queue


def _patch_dynamodb() -> None:
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
    Table.query = _query_one_partition(Table.query)  # type: ignore[method-assign]
    Table.__deepcopy__ = lambda table, _memo: table  # type: ignore[attr-defined]


def _query_one_partition(query: Callable[..., Any]) -> Callable[..., Any]:
    """Return a query that looks at one partition; moto's sorts the whole table."""

    def query_partition(table: Table, hash_key: DynamoType, *rest: Any, **options: Any) -> Any:
        index_name = rest[INDEX_NAME : INDEX_NAME + 1]
        if any(index_name) or "index_name" in options or not table.has_range_key:
            return query(table, hash_key, *rest, **options)
        part = copy.copy(table)
        part.items = {hash_key: table.items[hash_key]}  # type: ignore[assignment]
        return query(part, hash_key, *rest, **options)

    return query_partition


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
