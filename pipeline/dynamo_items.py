"""Which run writes an item of an export, in DynamoDB: two runs at once would mix their tiles."""

import time
from collections.abc import Iterator, Sequence

from pipeline import rows
from pipeline.dynamo_runs import DynamoRuns
from pipeline.dynamo_table import IS_NEW, MAX_TRANSACTION_ENTRIES, Entry
from pipeline.run import Run

MAX_ITEMS = MAX_TRANSACTION_ENTRIES // 2
"""Each may have had an owner of its own, whose row is looked at in the same transaction."""


class DynamoItems(DynamoRuns):
    """The part of `pipeline.ledger.Ledger` that is about runs, and the items they write."""

    def owners(self, export: str, items: Sequence[str]) -> dict[str, str]:
        found = self._table.get_all([rows.owner_key(export, item) for item in items])
        return dict(map(rows.parse_owner, found))

    def take_items(self, run_id: str, export: str, items: Sequence[str]) -> frozenset[str]:
        for chunk in _chunks(items):
            blocking = self._take(run_id, export, chunk)
            if blocking:
                self._give_back(run_id, export, items)
                return blocking
        return frozenset()

    def _take(self, run_id: str, export: str, items: Sequence[str]) -> frozenset[str]:
        owners = self.owners(export, items)
        others = {other: self.load_run(other) for other in {*owners.values()} - {run_id}}
        now = time.time()
        blocking = frozenset(
            other for other, run in others.items() if run is not None and run.holds_items(now)
        )
        if blocking:
            return blocking
        owner_is_as_read = f"{IS_NEW} OR #run_id = :owner OR #run_id = :me"
        puts = [
            self._table.put(
                rows.owner_item(export, item, run_id),
                {":owner": owners.get(item, run_id), ":me": run_id},
                ConditionExpression=owner_is_as_read,
            )
            for item in items
        ]
        # Who has ended may be reopened at this moment: both would be under way.
        ended = [self._is_as_read(run) for run in others.values() if run is not None]
        if self._table.transact(*puts, *ended):
            return frozenset()
        # Somebody was quicker: whoever has the items now is the one to wait for.
        return frozenset(self.owners(export, items).values()) - {run_id}

    def _give_back(self, run_id: str, export: str, items: Sequence[str]) -> None:
        is_mine = "#run_id = :me"
        for item in items:
            key = rows.owner_key(export, item)
            self._table.transact(
                self._table.delete(key, {":me": run_id}, ConditionExpression=is_mine)
            )

    def _is_as_read(self, run: Run) -> Entry:
        return self._table.check(
            rows.run_key(run.run_id),
            {":state": run.state.value, ":cancelled": run.cancelled_at},
            ConditionExpression="#state = :state AND #cancelled_at = :cancelled",
        )


def _chunks(items: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(items), MAX_ITEMS):
        yield items[start : start + MAX_ITEMS]
