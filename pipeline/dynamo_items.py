"""Which run writes an item of an export, in DynamoDB: two runs at once would mix their tiles."""

import time
from collections.abc import Iterator, Mapping, Sequence

from pipeline import rows
from pipeline.dynamo_runs import DynamoRuns
from pipeline.dynamo_table import IS_NEW, MAX_TRANSACTION_ENTRIES, Entry
from pipeline.errors import TransientError
from pipeline.run import Run

MAX_ITEMS = MAX_TRANSACTION_ENTRIES // 2
"""Each may have had an owner of its own, whose row is looked at in the same transaction."""
MAX_LOOKS = 10


class DynamoItems(DynamoRuns):
    """The part of `pipeline.ledger.Ledger` that is about runs, and the items they write."""

    def owners(self, export: str, items: Sequence[str]) -> dict[str, str]:
        found = self._table.get_all([rows.owner_key(export, item) for item in items])
        return dict(map(rows.parse_owner, found))

    def take_items(self, run_id: str, export: str, items: Sequence[str]) -> frozenset[str]:
        owners = self.owners(export, items)
        blocking = _under_way(self._others(run_id, owners))
        taken: Sequence[str] = [item for item, owner in owners.items() if owner == run_id]
        if not blocking:
            # Not before it seems to be free: who waits for hours writes nothing meanwhile.
            taken = items
            blocking = self._take_all(run_id, export, items)
        if blocking:
            self._give_back(run_id, export, taken)
        return blocking

    def _take_all(self, run_id: str, export: str, items: Sequence[str]) -> frozenset[str]:
        for chunk in _chunks(items):
            blocking = self._take(run_id, export, chunk)
            if blocking:
                return blocking
        return frozenset()

    def _take(self, run_id: str, export: str, items: Sequence[str]) -> frozenset[str]:
        for _ in range(MAX_LOOKS):
            owners = self.owners(export, items)
            others = self._others(run_id, owners)
            blocking = _under_way(others)
            if blocking or self._put(run_id, export, items, owners, others):
                return blocking
            # Somebody was quicker, and may have let go again.
        raise TransientError(f"{run_id}: its items keep changing hands")

    def _others(self, run_id: str, owners: Mapping[str, str]) -> dict[str, Run]:
        runs = {other: self.load_run(other) for other in {*owners.values()} - {run_id}}
        return {other: run for other, run in runs.items() if run is not None}

    def _put(
        self,
        run_id: str,
        export: str,
        items: Sequence[str],
        owners: Mapping[str, str],
        others: Mapping[str, Run],
    ) -> bool:
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
        ended = [self._is_as_read(run) for run in others.values()]
        return self._table.transact(*puts, *ended)

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


def _under_way(others: Mapping[str, Run]) -> frozenset[str]:
    now = time.time()
    return frozenset(other for other, run in others.items() if run.holds_items(now))


def _chunks(items: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(items), MAX_ITEMS):
        yield items[start : start + MAX_ITEMS]
