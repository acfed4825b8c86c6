"""Which run writes an item of an export, in DynamoDB: two runs at once would mix their tiles."""

import time
from collections.abc import Iterator, Sequence

from pipeline import rows
from pipeline.dynamo_runs import DynamoRuns
from pipeline.dynamo_table import IS_NEW, MAX_TRANSACTION_ENTRIES


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
        others = frozenset(owners.values()) - {run_id}
        blocking = frozenset(other for other in others if self._holds_items(other))
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
        if self._table.transact(*puts):
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

    def _holds_items(self, run_id: str) -> bool:
        run = self.load_run(run_id)
        return run is not None and run.holds_items(time.time())


def _chunks(items: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(items), MAX_TRANSACTION_ENTRIES):
        yield items[start : start + MAX_TRANSACTION_ENTRIES]
