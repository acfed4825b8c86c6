"""The ledger on the benchmarks' simulated table, which must do what DynamoDB does."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.simulation.clock import Clock
from benchmarks.simulation.dynamodb import DynamoDb, Table
from benchmarks.simulation.limits import Aws
from benchmarks.simulation.service import World
from pipeline.dynamo_ledger import DynamoLedger


class RealThreads(DynamoDb):
    """A client for threads of real time, of which the simulation knows none."""

    lock = threading.Lock()

    def _transact(self, entries: Sequence[Mapping[str, Any]]) -> list[Any] | None:
        with self.lock:
            return super()._transact(entries)


def new_simulated_ledger() -> DynamoLedger:
    """Return a ledger whose calls take no time."""
    client: Any = RealThreads(World(Clock(0), Aws()), Table())
    return DynamoLedger(client, "ledger")
