"""The pages' rows in DynamoDB and their counters, one for each of a run's shards.

An outcome is one transaction: the row, under a condition on its old state, and the counter of its
shard. The run's own row is not touched: a thousand workers would meet there.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from pipeline import rows
from pipeline.dynamo_runs import requeue_row
from pipeline.dynamo_table import IS_NEW, MAX_TRANSACTION_ENTRIES, DynamoTable, Entry
from pipeline.run import SHARDS, Counts, Page, PageState

NOTHING: Mapping[str, Any] = MappingProxyType({})
QUEUED_HERE = "#state = :queued AND #replays = :replays AND #parts = :parts"


class DynamoPages:
    """The part of `pipeline.ledger.Ledger` that is about pages and their counts."""

    def __init__(self, table: DynamoTable) -> None:
        self._table = table

    def pages(
        self, run_id: str, state: PageState | None = None, first_shard: int = 0
    ) -> Iterator[Page]:
        for shard in range(first_shard, SHARDS):
            for item in self._table.query(rows.shard_partition(run_id, shard), rows.PAGE):
                page = rows.parse_page(item)
                if state is None or page.state is state:
                    yield page

    def load_page(self, page: Page) -> Page | None:
        item = self._table.get(rows.page_key(page))
        return rows.parse_page(item) if item else None

    def expand(self, page: Page, parts: int) -> bool:
        fixing = self._table.update(
            rows.page_key(page),
            {**_queued_here(replace(page, parts=1)), ":counted": parts},
            UpdateExpression="SET #parts = :counted",
            ConditionExpression=QUEUED_HERE,
        )
        return self._table.transact(fixing, self._count(page, "total", parts - 1))

    def add_parts(self, pages: Sequence[Page]) -> None:
        # What has been settled meanwhile must not be written over.
        puts = [self._table.put(rows.page_item(p), ConditionExpression=IS_NEW) for p in pages]
        for start in range(0, len(puts), MAX_TRANSACTION_ENTRIES):
            entries = puts[start : start + MAX_TRANSACTION_ENTRIES]
            if not self._table.transact(*entries):
                for entry in entries:
                    self._table.transact(entry)

    def settle(self, page: Page) -> bool:
        outcome = rows.outcome_values(page)
        update = ", ".join(f"#{name} = :{name}" for name in ("state", *outcome))
        settling = self._table.update(
            rows.page_key(page),
            {
                **_queued_here(page),
                ":state": page.state.value,
                **{f":{name}": value for name, value in outcome.items()},
            },
            UpdateExpression=f"SET {update}",
            ConditionExpression=QUEUED_HERE,
        )
        failure = rows.failure_values(page) if page.state is PageState.FAILED else {}
        return self._table.transact(settling, self._count(page, page.state.value, 1, failure))

    def requeue(self, page: Page) -> bool:
        counting = self._table.update(
            rows.count_key(page.message.run_id, page.shard),
            {":change": -1, ":yes": True},
            UpdateExpression="ADD #failed :change",
            ConditionExpression="#open = :yes",
        )
        return self._table.transact(requeue_row(self._table, page), counting)

    def counts(self, run_id: str) -> Counts:
        return sum(self.shard_counts(run_id), Counts())

    def shard_counts(
        self, run_id: str, shards: Collection[int] = range(SHARDS)
    ) -> tuple[Counts, ...]:
        items = self._counters(run_id, shards)
        if not all(map(rows.is_counter, items)):
            return ()
        # The answer is in no order; the keys of shards sort as their numbers do.
        ordered = sorted(items, key=lambda item: rows.decode(item)["pk"])
        return tuple(map(rows.parse_counts, ordered))

    def last_failures(self, run_id: str) -> tuple[Page, ...]:
        named = rows.last_failed_keys(self._counters(run_id))
        pages = map(rows.parse_page, self._table.get_all(named))
        # What was replayed meanwhile is no failure any more, or not yet again.
        failed = [page for page in pages if page.state is PageState.FAILED]
        return tuple(sorted(failed, key=lambda page: page.ended_at, reverse=True))

    def _counters(self, run_id: str, shards: Collection[int] = range(SHARDS)) -> list[rows.Item]:
        return self._table.get_all([rows.count_key(run_id, shard) for shard in shards])

    def _count(
        self, page: Page, name: str, change: int, also: Mapping[str, Any] = NOTHING
    ) -> Entry:
        setting = ", ".join(f"#{other} = :{other}" for other in also)
        return self._table.update(
            rows.count_key(page.message.run_id, page.shard),
            {":change": change, **{f":{other}": value for other, value in also.items()}},
            UpdateExpression=(f"SET {setting} " if also else "") + f"ADD #{name} :change",
        )


def _queued_here(page: Page) -> dict[str, Any]:
    return {
        ":queued": PageState.QUEUED.value,
        ":replays": page.message.replays,
        ":parts": page.parts,
    }
