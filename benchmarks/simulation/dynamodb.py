"""DynamoDB as the ledger's client sees it: transactions that refuse each other, and limits."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from zlib import crc32

from botocore.config import Config
from botocore.exceptions import ClientError

from benchmarks.simulation.expressions import Item, parse_condition, update
from benchmarks.simulation.service import Bucket, Client, World, refusal
from benchmarks.units import item_size, read_units, write_units

Key = tuple[str, str]
TRANSACT = "TransactWriteItems"
NONE = {"Code": "None"}


class TransactionCanceledException(ClientError):
    """A transaction was refused; the answer has a reason for each entry."""


@dataclass
class Table:
    """The items, by partition; those in a transaction's hand; what each partition may yet take."""

    items: dict[str, dict[str, Item]] = field(default_factory=lambda: defaultdict(dict))
    held: set[Key] = field(default_factory=set)
    buckets: dict[tuple[str, str], Bucket] = field(default_factory=dict)

    def get(self, key: Key) -> Item | None:
        """Return an item."""
        return self.items[key[0]].get(key[1])


class DynamoDb(Client):
    """A client of one table."""

    def __init__(self, world: World, table: Table, config: Config | None = None) -> None:
        super().__init__(world, "dynamodb", config)
        self._table = table
        self._limits = world.aws.dynamodb
        self._retry: Callable[..., float | None] = lambda *_, **__: None
        self.meta = SimpleNamespace(events=SimpleNamespace(register=self._register))
        self.exceptions = SimpleNamespace(TransactionCanceledException=TransactionCanceledException)

    def _register(self, event: str, handler: Callable[..., Any], unique_id: str = "") -> None:
        if event != f"needs-retry.dynamodb.{TRANSACT}":
            raise ValueError(f"nobody tells of {event}")
        self._retry = handler

    def get_item(self, TableName: str, Key: Item, ConsistentRead: bool) -> Any:  # noqa: FBT001, N803
        """Return an item."""

        def serve() -> Any:
            item = self._read(_key(Key))
            return {} if item is None else {"Item": item}

        return self._call("GetItem", self._limits.read_seconds, serve)

    def batch_get_item(self, RequestItems: Mapping[str, Any]) -> Any:  # noqa: N803
        """Return those of some items that there are."""
        ((name, request),) = RequestItems.items()

        def serve() -> Any:
            found = [self._read(_key(key)) for key in request["Keys"]]
            return {"Responses": {name: [item for item in found if item is not None]}}

        return self._call("BatchGetItem", self._limits.read_seconds, serve)

    def get_paginator(self, operation: str) -> Any:
        """Return the paginator of a query, which has one page."""
        if operation != "query":
            raise ValueError(f"not simulated: {operation}")
        return SimpleNamespace(paginate=self._query)

    def _query(self, **call: Any) -> Iterator[Any]:
        condition = parse_condition(call["KeyConditionExpression"])
        values = call["ExpressionAttributeValues"]
        partition = self._table.items[values[":pk"]["S"]]

        def serve() -> Any:
            found = [i for _, i in sorted(partition.items()) if condition(i, {}, values)]
            units = read_units(sum(map(item_size, found)))
            self._use("read", (values[":pk"]["S"], ""), units)
            return {"Items": found if call["ScanIndexForward"] else found[::-1]}

        yield self._call("Query", self._limits.read_seconds, serve)

    def transact_write_items(self, TransactItems: Sequence[Mapping[str, Any]]) -> Any:  # noqa: N803
        """Write all entries or none; repeat it as the handler of botocore's event says."""
        world, attempts = self._world, 0
        while True:
            attempts += 1
            world.meter.call(f"dynamodb.{TRANSACT}", world.clock.now)
            reasons = self._transact(TransactItems)
            if reasons is None:
                return {}
            response = refusal("TransactionCanceledException", TRANSACT)
            response["CancellationReasons"] = reasons
            wait = self._retry(response=(None, response), attempts=attempts)
            if wait is None:
                codes = {reason["Code"] for reason in reasons} - {"None"}
                if "ConditionalCheckFailed" not in codes:
                    world.meter.given_up[", ".join(sorted(codes))] += 1
                raise TransactionCanceledException(response, TRANSACT)
            world.clock.sleep(wait)

    def _transact(self, entries: Sequence[Mapping[str, Any]]) -> list[Any] | None:
        """Try a transaction; return why it was refused. It costs as much, whatever becomes of it.

        It has its items in hand from when it comes until it is done. AWS does not tell for how
        long that is; all the time is the worst.
        """
        world, table = self._world, self._table
        writes = [next(iter(entry.items())) for entry in entries]
        keys = [_key(write.get("Key") or write["Item"]) for _, write in writes]
        met = [{"Code": "TransactionConflict"} if key in table.held else NONE for key in keys]
        mine = set(keys) - table.held
        table.held |= mine
        try:
            world.take(self._limits.transaction_seconds)
            return self._write(writes, keys, met)
        finally:
            table.held -= mine

    def _write(
        self, writes: Sequence[Any], keys: Sequence[Key], met: list[Any]
    ) -> list[Any] | None:
        before = [self._table.get(key) for key in keys]
        after = [
            _written(kind, write, item) for (kind, write), item in zip(writes, before, strict=True)
        ]
        sizes = [
            max(item_size(old or {}), item_size(new or {}))
            for old, new in zip(before, after, strict=True)
        ]
        try:
            for key, size in zip(keys, sizes, strict=True):
                self._use("write", key, write_units(size))
        except ClientError:
            self._world.meter.throttled[TRANSACT] += 1
            return [{"Code": "ThrottlingError"}, *[NONE] * (len(keys) - 1)]
        if any(reason is not NONE for reason in met):
            self._world.meter.conflicts += 1
            return met
        holds = [_holds(write, item) for (_, write), item in zip(writes, before, strict=True)]
        if not all(holds):
            return [NONE if held else {"Code": "ConditionalCheckFailed"} for held in holds]
        for (partition, place), item in zip(keys, after, strict=True):
            if item is None:
                self._table.items[partition].pop(place, None)
            else:
                self._table.items[partition][place] = item
        return None

    def _read(self, key: Key) -> Item | None:
        item = self._table.get(key)
        self._use("read", key, read_units(item_size(item or {})))
        return item

    def _use(self, kind: str, key: Key, units: int) -> None:
        """Take units of an item and its partition; raises where there are no more."""
        world, limits = self._world, self._limits
        if world.still:
            return
        now, partition = world.clock.now, key[0]
        if limits.partitions is not None:
            partition = str(crc32(partition.encode()) % limits.partitions)
        most = limits.partition_write_units if kind == "write" else limits.partition_read_units
        bucket = self._table.buckets.setdefault((kind, partition), Bucket(most, most, now))
        if not bucket.take(units, now):
            code = "ProvisionedThroughputExceededException"
            raise ClientError(refusal(code, kind), kind)
        spent = world.meter.written if kind == "write" else world.meter.read
        spent[" ".join(key), int(now)] += units


def _key(key: Item) -> Key:
    return key["pk"]["S"], key["sk"]["S"]


def _holds(write: Mapping[str, Any], item: Item | None) -> bool:
    text = write.get("ConditionExpression")
    if text is None:
        return True
    names = write.get("ExpressionAttributeNames", {})
    return parse_condition(text)(item or {}, names, write.get("ExpressionAttributeValues", {}))


def _written(kind: str, write: Mapping[str, Any], item: Item | None) -> Item | None:
    """Return what an entry makes of an item."""
    match kind:
        case "Put":
            return dict(write["Item"])
        case "Update":
            names = write.get("ExpressionAttributeNames", {})
            values = write.get("ExpressionAttributeValues", {})
            try:
                return update(item or write["Key"], write["UpdateExpression"], names, values)
            except TypeError:
                return item  # of an item that is not there: its condition fails
        case "Delete":
            return None
        case "ConditionCheck":
            return item
    raise ValueError(f"not simulated: {kind}")
