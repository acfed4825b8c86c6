"""Which run writes an item of an export, in DynamoDB: two runs at once would mix their tiles."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

from pipeline import rows
from pipeline.dynamo_runs import DynamoRuns
from pipeline.dynamo_table import IS_NEW, MAX_TRANSACTION_ENTRIES, Entry
from pipeline.errors import TransientError
from pipeline.run import Run
from pipeline.threads import call_all

MAX_ITEMS = MAX_TRANSACTION_ENTRIES // 2
"""Each may have had an owner of its own, whose row is looked at in the same transaction."""
MAX_LOOKS = 10


class DynamoItems(DynamoRuns):
    """The part of `pipeline.ledger.Ledger` that is about runs, and the items they write."""

    def owners(self, export: str, items: Sequence[str]) -> dict[str, str]:
        found = self._table.get_all([rows.owner_key(export, item) for item in items])
        return dict(map(rows.parse_owner, found))

    def take_items(self, run_id: str, export: str, items: Sequence[str]) -> frozenset[str]:
        taken: list[str] = []
        others: set[str] = set()
        missing: list[Sequence[str]] = []
        for chunk, owners in self._look(export, _chunks(items)):
            mine = [item for item in chunk if owners.get(item) == run_id]
            taken += mine
            others |= set(owners.values())
            if len(mine) < len(chunk):
                missing.append(chunk)
        blocking = _under_way(self._load(others - {run_id}))
        if not blocking:
            # Not before it seems to be free: who waits for hours writes nothing meanwhile.
            taken = list(items)
            blocking = self._take_all(run_id, export, missing)
        if blocking:
            self._give_back(run_id, export, taken)
        return blocking

    def _look(
        self, export: str, chunks: Iterable[Sequence[str]]
    ) -> Iterator[tuple[Sequence[str], dict[str, str]]]:
        """Yield items, some at a time, with their owners; the next are looked up meanwhile."""
        return call_all(lambda chunk: (chunk, self.owners(export, chunk)), chunks)

    def _take_all(
        self, run_id: str, export: str, chunks: Iterable[Sequence[str]]
    ) -> frozenset[str]:
        # One transaction after another: all look at the run that had the items, if there was one.
        for chunk, owners in self._look(export, chunks):
            blocking = self._take(run_id, export, chunk, owners)
            if blocking:
                return blocking
        return frozenset()

    def _take(
        self, run_id: str, export: str, items: Sequence[str], owners: dict[str, str]
    ) -> frozenset[str]:
        for _ in range(MAX_LOOKS):
            others = self._load({*owners.values()} - {run_id})
            blocking = _under_way(others)
            if blocking or self._put(run_id, export, items, owners, others):
                return blocking
            # Somebody was quicker, and may have let go again.
            owners = self.owners(export, items)
        raise TransientError(f"{run_id}: its items keep changing hands")

    def _load(self, others: AbstractSet[str]) -> dict[str, Run]:
        runs = {other: self.load_run(other) for other in others}
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
        deletes = (
            self._table.delete(
                rows.owner_key(export, item), {":me": run_id}, ConditionExpression=is_mine
            )
            for item in items
        )
        for _ in call_all(self._table.transact, deletes):
            pass

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
