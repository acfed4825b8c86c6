"""DynamoDB as the ledger's client sees it: transactions that refuse each other, and limits."""

from collections import Counter, defaultdict
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
PARSING = "before-parse.dynamodb.Query"
"""Of no meaning here: answers are values already."""
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

    def put(self, items: Mapping[Key, Item | None]) -> None:
        """Write items; None removes one."""
        for (partition, place), item in items.items():
            if item is None:
                self.items[partition].pop(place, None)
            else:
                self.items[partition][place] = item


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
        if event == PARSING:
            return
        if event != f"needs-retry.dynamodb.{TRANSACT}":
            raise ValueError(f"nobody tells of {event}")
        self._retry = handler

    def get_item(self, TableName: str, Key: Item, ConsistentRead: bool) -> Any:  # noqa: FBT001, N803
        """Return an item."""

        def serve() -> Any:
            found = self._read([_key(Key)])
            return {"Item": found[0]} if found else {}

        return self._call("GetItem", self._limits.read_seconds, serve)

    def batch_get_item(self, RequestItems: Mapping[str, Any]) -> Any:  # noqa: N803
        """Return those of some items that there are."""
        ((name, request),) = RequestItems.items()

        def serve() -> Any:
            return {"Responses": {name: self._read([_key(key) for key in request["Keys"]])}}

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
            self._use("read", {(values[":pk"]["S"], ""): units})
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
        """Try a transaction; return why it was refused. A refusal takes as long as a success.

        One for which there are no units costs none, and is in nobody's way. Any other costs its
        units, and has its items in hand from when it comes until it ends. AWS does not tell for how
        long that is; all the time is the worst.
        """
        world, table = self._world, self._table
        writes = [next(iter(entry.items())) for entry in entries]
        keys = [_key(write.get("Key") or write["Item"]) for _, write in writes]
        before = [table.get(key) for key in keys]
        after = [_written(*write, item) for write, item in zip(writes, before, strict=True)]
        try:
            self._use("write", dict(zip(keys, map(_units, before, after), strict=True)))
        except ClientError:
            world.take(self._limits.transaction_seconds)
            world.meter.throttled[TRANSACT] += 1
            return [{"Code": "ThrottlingError"}, *[NONE] * (len(keys) - 1)]
        met = [{"Code": "TransactionConflict"} if key in table.held else NONE for key in keys]
        mine = set(keys) - table.held
        table.held |= mine
        world.take(self._limits.transaction_seconds)
        table.held -= mine
        if any(reason is not NONE for reason in met):
            world.meter.conflicts += 1
            return met
        holds = [_holds(write, item) for (_, write), item in zip(writes, before, strict=True)]
        if not all(holds):
            return [NONE if held else {"Code": "ConditionalCheckFailed"} for held in holds]
        table.put(dict(zip(keys, after, strict=True)))
        return None

    def _read(self, keys: Sequence[Key]) -> list[Item]:
        items = {key: self._table.get(key) for key in keys}
        self._use("read", {key: read_units(item_size(i or {})) for key, i in items.items()})
        return [item for item in items.values() if item is not None]

    def _use(self, kind: str, units: Mapping[Key, int]) -> None:
        """Take units of items' partitions, all or none; raises where one has no more."""
        world, limits = self._world, self._limits
        if world.still:
            return
        now = world.clock.now
        most = limits.partition_write_units if kind == "write" else limits.partition_read_units
        wanted: Counter[str] = Counter()
        for (partition, _), number in units.items():
            wanted[self._partition(partition)] += number
        buckets = [
            (self._table.buckets.setdefault((kind, name), Bucket(most, most, now)), number)
            for name, number in wanted.items()
        ]
        if not all(bucket.holds(number, now) for bucket, number in buckets):
            code = "ProvisionedThroughputExceededException"
            raise ClientError(refusal(code, kind), kind)
        spent = world.meter.written if kind == "write" else world.meter.read
        for bucket, number in buckets:
            bucket.tokens -= number
        for key, number in units.items():
            spent[" ".join(key), int(now)] += number

    def _partition(self, name: str) -> str:
        """Return the partition of the table that a partition key lies in."""
        partitions = self._limits.partitions
        return name if partitions is None else str(crc32(name.encode()) % partitions)


def _units(before: Item | None, after: Item | None) -> int:
    return write_units(max(item_size(before or {}), item_size(after or {})))


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
