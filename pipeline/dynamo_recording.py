"""Recording a run's pages in DynamoDB, once, by any number of processes that may be cut off.

Until a run is sealed, the counter of each shard tells instead under which opening its rows are
written, and how many are. Each transaction writes some rows and moves this number on, on the
condition that it is where the rows begin: so whoever comes next knows to the row what is there,
and nobody writes for an opening that is over. Shards have nothing in common but the seal, hence
may be written at once; two transactions that looked at the run's row would refuse each other.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from pipeline import rows
from pipeline.dynamo_runs import UNSEALED_BY_ME, UNSEALED_VALUES
from pipeline.dynamo_table import MAX_TRANSACTION_ENTRIES, DynamoTable, Entry
from pipeline.ledger import go_on
from pipeline.run import SHARDS, Counts, Page
from pipeline.threads import call_all

MAX_PAGES_IN_HAND = 30_000
"""About 470 for each shard, so that nearly all of its transactions are full."""
AS_FAR = "#opening = :opening AND #written = :before"


class DynamoRecording:
    """The part of `pipeline.ledger.Ledger` that is about a run's way to its seal."""

    def __init__(self, table: DynamoTable) -> None:
        self._table = table

    def record_pages(
        self,
        run_id: str,
        pages: Iterable[Page],
        opening: str = "",
        checkpoint: Callable[[], None] = go_on,
    ) -> bool:
        recording = _Recording(self._table, run_id, opening)
        written = recording.written(range(SHARDS))
        if len(written) < SHARDS:
            return False
        stale = [shard for shard, count in written.items() if count == rows.STALE]
        if not all(call_all(recording.clear, stale)):
            return False
        for parts in _missing(pages, written):
            if not all(call_all(recording.write, parts)):
                return False
            checkpoint()
        return True

    def seal(self, run_id: str, pages: Iterable[Page], opening: str = "") -> bool:
        totals = Counter(page.shard for page in pages)
        sealing = self._table.update(
            rows.run_key(run_id),
            {**UNSEALED_VALUES, ":yes": True, ":opening": opening},
            UpdateExpression="SET #recorded = :yes",
            ConditionExpression=UNSEALED_BY_ME,
        )
        counters = [
            self._table.put(
                rows.count_key(run_id, shard)
                | rows.encode(rows.count_values(Counts(total=totals[shard])) | {"open": True}),
                {":opening": opening, ":before": totals[shard]},
                ConditionExpression=AS_FAR,
            )
            for shard in range(SHARDS)
        ]
        return self._table.transact(sealing, *counters)


@dataclass(frozen=True, slots=True)
class _Part:
    """Pages of one shard, of which `start` come before these."""

    shard: int
    start: int
    pages: Sequence[Page]


@dataclass(frozen=True, slots=True)
class _Recording:
    """Writes rows of a run under an opening."""

    table: DynamoTable
    run_id: str
    opening: str

    def written(self, shards: Iterable[int]) -> dict[int, int]:
        """Return how many rows of shards are written, without those of another opening."""
        keys = [rows.count_key(self.run_id, shard) for shard in shards]
        found = map(rows.parse_progress, self.table.get_all(keys))
        return {one.shard: one.written for one in found if one and one.opening == self.opening}

    def clear(self, shard: int) -> bool:
        """Remove the rows of another opening; tell whether that is done, by whomever."""
        keys = self.table.query(rows.shard_partition(self.run_id, shard), rows.PAGE)
        deletes = (self.table.delete(rows.key_of(item)) for item in keys)
        is_mine = all(
            self.table.transact(self._check(shard, rows.STALE), *entries)
            for entries in _chunks(deletes, MAX_TRANSACTION_ENTRIES - 1)
        ) and self.table.transact(self._move(shard, rows.STALE, 0))
        return is_mine or self.written([shard]).get(shard, rows.STALE) != rows.STALE

    def write(self, part: _Part) -> bool:
        """Write rows; tell whether they are written, by whomever."""
        start, pages = part.start, part.pages
        while pages:
            most = MAX_TRANSACTION_ENTRIES - 1
            puts = [self.table.put(rows.page_item(page)) for page in pages[:most]]
            end = start + len(puts)
            if not self.table.transact(self._move(part.shard, start, end), *puts):
                # Either somebody else writes the same, and has got further, or something else.
                end = self.written([part.shard]).get(part.shard, rows.STALE)
                if end < start:
                    return False
            pages, start = pages[end - start :], end
        return True

    def _check(self, shard: int, before: int) -> Entry:
        return self.table.check(
            rows.count_key(self.run_id, shard),
            {":opening": self.opening, ":before": before},
            ConditionExpression=AS_FAR,
        )

    def _move(self, shard: int, before: int, after: int) -> Entry:
        return self.table.update(
            rows.count_key(self.run_id, shard),
            {":opening": self.opening, ":before": before, ":after": after},
            UpdateExpression="SET #written = :after",
            ConditionExpression=AS_FAR,
        )


def _missing(pages: Iterable[Page], written: dict[int, int]) -> Iterator[list[_Part]]:
    """Yield what is not written yet, some of each shard at a time."""
    seen: Counter[int] = Counter()
    for some in _chunks(pages, MAX_PAGES_IN_HAND):
        missing: dict[int, list[Page]] = defaultdict(list)
        for page in some:
            seen[page.shard] += 1
            if seen[page.shard] > written[page.shard]:
                missing[page.shard].append(page)
        if missing:
            yield [_Part(s, seen[s] - len(found), found) for s, found in missing.items()]


def _chunks(entries: Iterable, size: int) -> Iterator[list]:  # type: ignore[type-arg]
    left = iter(entries)
    while chunk := list(islice(left, size)):
        yield chunk
