"""The ledger in DynamoDB: every change is a guarded transition, so repeating one changes nothing.

Rows are described in `pipeline.rows`. All reads are strongly consistent. Adapter: takes a client.
"""

import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pipeline import rows
from pipeline.run import SHARDS, Counts, Page, PageState, Run, RunState, Summary

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

MAX_TRANSACTION_ENTRIES = 100
"""https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html"""
PASSING_REASONS = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}
"""Why a transaction may be cancelled and succeed when repeated: it met another, or too many."""
MAX_CONFLICTS = 12
CONFLICT_WAIT_SECONDS = 0.01

UNSEALED = "#state = :dispatching AND #recorded = :no"
UNSEALED_VALUES = {":dispatching": RunState.DISPATCHING.value, ":no": False}
IS_NEW = "attribute_not_exists(pk)"
QUEUED_HERE = "#state = :queued AND #replays = :replays AND #parts = :parts"


class DynamoLedger:
    """The ledger, in one DynamoDB table; fulfils `pipeline.ledger.Ledger`."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table
        client.meta.events.register(
            "needs-retry.dynamodb.TransactWriteItems",
            _retry_conflict,  # type: ignore[arg-type]  # the stubs know no answers of handlers
            "tilepool-conflicts",
        )

    def open_run(self, run: Run) -> bool:
        opening = self._put(rows.run_item(run))
        opening["Put"] |= _expressions(
            UNSEALED_VALUES, ConditionExpression=f"{IS_NEW} OR ({UNSEALED})"
        )
        return self._transact([opening, self._put(rows.listed_item(run))])

    def load_run(self, run_id: str) -> Run | None:
        item = self._get(rows.run_key(run_id))
        return rows.parse_run(item) if item else None

    def runs(self) -> Iterator[str]:
        for item in self._query(rows.RUNS, "", newest_first=True):
            yield rows.decode(item)["run_id"]

    def record_pages(self, run_id: str, pages: Sequence[Page]) -> bool:
        return self._transact_unsealed(run_id, [self._put(rows.page_item(page)) for page in pages])

    def discard_pages(self, run_id: str, pages: Sequence[Page]) -> bool:
        keys = (rows.page_key(page) for page in pages)
        return self._transact_unsealed(
            run_id, [{"Delete": {"TableName": self._table, "Key": key}} for key in keys]
        )

    def seal(self, run_id: str, pages: Iterable[Page]) -> bool:
        totals = Counter(page.shard for page in pages)
        sealing = self._update(
            rows.run_key(run_id),
            UpdateExpression="SET #recorded = :yes",
            ConditionExpression=UNSEALED,
            values={**UNSEALED_VALUES, ":yes": True},
        )
        counters = [
            self._put(
                rows.count_key(run_id, shard)
                | rows.encode({"total": totals[shard], "done": 0, "failed": 0})
            )
            for shard in range(SHARDS)
        ]
        return self._transact([sealing, *counters])

    def add_worker_job(self, run_id: str, index: int, job_id: str) -> bool:
        is_next = "size(#worker_jobs) = :index"
        return self._change_run(
            run_id,
            UpdateExpression="SET #worker_jobs = list_append(#worker_jobs, :job)",
            ConditionExpression=is_next,
            values={":index": index, ":job": [job_id]},
        )

    def advance(self, run_id: str, before: RunState, after: RunState) -> bool:
        return self._change_run(
            run_id,
            UpdateExpression="SET #state = :after",
            ConditionExpression="#state = :before",
            values={":before": before.value, ":after": after.value},
        )

    def pages(self, run_id: str, state: PageState | None = None) -> Iterator[Page]:
        for shard in range(SHARDS):
            for item in self._query(rows.shard_partition(run_id, shard), rows.PAGE):
                page = rows.parse_page(item)
                if state is None or page.state is state:
                    yield page

    def load_page(self, page: Page) -> Page | None:
        item = self._get(rows.page_key(page))
        return rows.parse_page(item) if item else None

    def expand(self, page: Page, parts: int) -> bool:
        return self._transact(
            [
                self._update(
                    rows.page_key(page),
                    UpdateExpression="SET #parts = :counted",
                    ConditionExpression=QUEUED_HERE,
                    values={**_queued_here(replace(page, parts=1)), ":counted": parts},
                ),
                self._count(page, "total", parts - 1),
            ]
        )

    def add_parts(self, pages: Sequence[Page]) -> None:
        # What has been settled meanwhile must not be written over.
        puts = [self._put(rows.page_item(page), ConditionExpression=IS_NEW) for page in pages]
        for start in range(0, len(puts), MAX_TRANSACTION_ENTRIES):
            entries = puts[start : start + MAX_TRANSACTION_ENTRIES]
            if not self._transact(entries):
                for entry in entries:
                    self._transact([entry])

    def settle(self, page: Page) -> bool:
        outcome = rows.outcome_values(page)
        update = ", ".join(f"#{name} = :{name}" for name in ("state", *outcome))
        return self._transact(
            [
                self._update(
                    rows.page_key(page),
                    UpdateExpression=f"SET {update}",
                    ConditionExpression=QUEUED_HERE,
                    values={
                        **_queued_here(page),
                        ":state": page.state.value,
                        **{f":{name}": value for name, value in outcome.items()},
                    },
                ),
                self._count(page, page.state.value, 1),
            ]
        )

    def requeue(self, page: Page) -> bool:
        has_failed_before = "#state = :failed AND #replays < :replays"
        return self._transact(
            [
                self._update(
                    rows.page_key(page),
                    UpdateExpression="SET #state = :queued, #replays = :replays REMOVE #reason",
                    ConditionExpression=has_failed_before,
                    values={
                        ":failed": PageState.FAILED.value,
                        ":queued": PageState.QUEUED.value,
                        ":replays": page.message.replays,
                    },
                ),
                self._count(page, PageState.FAILED.value, -1),
                self._update(
                    rows.run_key(page.message.run_id),
                    UpdateExpression="SET #state = :tiling",
                    ConditionExpression="#state = :tiling OR #state = :done_with_failures",
                    values={
                        ":tiling": RunState.TILING.value,
                        ":done_with_failures": RunState.DONE_WITH_FAILURES.value,
                    },
                ),
            ]
        )

    def counts(self, run_id: str, shard: int | None = None) -> Counts:
        shards = range(SHARDS) if shard is None else [shard]
        wanted = [rows.count_key(run_id, number) for number in shards]
        found: list[Any] = []
        while wanted:
            answer = self._client.batch_get_item(
                RequestItems={self._table: {"Keys": wanted, "ConsistentRead": True}}
            )
            found += answer["Responses"].get(self._table, [])
            left: Mapping[str, Any] = answer.get("UnprocessedKeys", {})
            wanted = left[self._table]["Keys"] if left else []
        return sum(map(rows.parse_counts, found), Counts())

    def claim_final_job(self, run_id: str, now: float, stale_before: float) -> bool:
        is_tiling = "#state = :tiling"
        claim_is_stale = "#state = :building AND #final_job = :none AND #claimed_at < :stale"
        return self._change_run(
            run_id,
            UpdateExpression=("SET #state = :building, #claimed_at = :now, #final_job = :none"),
            ConditionExpression=f"{is_tiling} OR ({claim_is_stale})",
            values={
                ":tiling": RunState.TILING.value,
                ":building": RunState.BUILDING.value,
                ":none": None,
                ":now": int(now),
                ":stale": int(stale_before),
            },
        )

    def note_final_job(self, run_id: str, job_id: str) -> None:
        # A transaction too, for a plain write is refused while another's is under way.
        self._change_run(
            run_id,
            UpdateExpression="SET #final_job = :job",
            ConditionExpression="#state = :building",
            values={":job": job_id, ":building": RunState.BUILDING.value},
        )

    def finish(self, run_id: str, state: RunState, summary: Summary) -> bool:
        return self._change_run(
            run_id,
            UpdateExpression="SET #state = :state, #summary = :summary",
            ConditionExpression="#state = :building",
            values={
                ":state": state.value,
                ":summary": rows.summary_values(summary),
                ":building": RunState.BUILDING.value,
            },
        )

    def _get(self, key: rows.Item) -> Mapping[str, Any] | None:
        answer = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        return answer.get("Item")

    def _query(self, partition: str, prefix: str, *, newest_first: bool = False) -> Iterator[Any]:
        condition, values = "pk = :pk", {":pk": partition}
        if prefix:
            condition, values = f"{condition} AND begins_with(sk, :sk)", {**values, ":sk": prefix}
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression=condition,
            ExpressionAttributeValues=rows.encode(values),
            ConsistentRead=True,
            ScanIndexForward=not newest_first,
        )
        for page in pages:
            yield from page["Items"]

    def _put(self, item: rows.Item, **expressions: Any) -> dict[str, Any]:
        return {"Put": {"TableName": self._table, "Item": item, **expressions}}

    def _update(self, key: rows.Item, **expression: Any) -> dict[str, Any]:
        return {"Update": self._on(key, **expression)}

    def _change_run(self, run_id: str, **expression: Any) -> bool:
        return self._transact([self._update(rows.run_key(run_id), **expression)])

    def _count(self, page: Page, name: str, change: int) -> dict[str, Any]:
        return self._update(
            rows.count_key(page.message.run_id, page.shard),
            UpdateExpression=f"ADD #{name} :change",
            values={":change": change},
        )

    def _on(self, key: rows.Item, values: Mapping[str, Any], **expressions: str) -> dict[str, Any]:
        return {"TableName": self._table, "Key": key, **_expressions(values, **expressions)}

    def _transact_unsealed(self, run_id: str, entries: Sequence[Mapping[str, Any]]) -> bool:
        """Write entries, a transaction's worth at a time, as long as the run is not sealed."""
        unsealed = self._on(
            rows.run_key(run_id), ConditionExpression=UNSEALED, values=UNSEALED_VALUES
        )
        step = MAX_TRANSACTION_ENTRIES - 1
        return all(
            self._transact([{"ConditionCheck": unsealed}, *entries[start : start + step]])
            for start in range(0, len(entries), step)
        )

    def _transact(self, entries: Sequence[Mapping[str, Any]]) -> bool:
        """Write all entries or none; tell whether the conditions held."""
        try:
            self._client.transact_write_items(TransactItems=entries)  # type: ignore[arg-type]
        except self._client.exceptions.TransactionCanceledException as error:
            reasons = {reason.get("Code") for reason in error.response["CancellationReasons"]}
            if "ConditionalCheckFailed" in reasons:
                return False
            raise
        return True


def _queued_here(page: Page) -> dict[str, Any]:
    return {
        ":queued": PageState.QUEUED.value,
        ":replays": page.message.replays,
        ":parts": page.parts,
    }


def _expressions(values: Mapping[str, Any], **expressions: str) -> dict[str, Any]:
    """Return the arguments of expressions; `#name` in them stands for the attribute `name`.

    Every name is written so, for DynamoDB reserves hundreds of words.
    """
    names = {f"#{name}": name for name in re.findall(r"#(\w+)", " ".join(expressions.values()))}
    arguments: dict[str, Any] = {"ExpressionAttributeValues": rows.encode(values), **expressions}
    return arguments | ({"ExpressionAttributeNames": names} if names else {})


def _retry_conflict(response: Any, attempts: int, **_: Any) -> float | None:
    """Have botocore repeat a transaction that met another one on the same counter, or too many.

    botocore's own retry modes leave these alone. Returns the seconds to wait, with full jitter.
    """
    error = response[1] if response else {}
    reasons = error.get("CancellationReasons", []) if isinstance(error, dict) else []
    codes = {reason.get("Code") for reason in reasons} - {"None", None}
    if not codes or codes - PASSING_REASONS or attempts > MAX_CONFLICTS:
        return None
    return random.uniform(0, CONFLICT_WAIT_SECONDS * 2 ** min(attempts, 7))  # noqa: S311
