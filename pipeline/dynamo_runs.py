"""The runs' rows in DynamoDB: their states, each change a guarded transition.

A run that has not ended has an entry in the list of open runs, kept in the same transactions.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from pipeline import rows
from pipeline.dynamo_table import IS_NEW, DynamoTable, Entry
from pipeline.run import SHARDS, Counts, Page, PageState, Run, RunState, Summary, Watch, WorkerJob

UNSEALED = "#state = :dispatching AND #recorded = :no"
UNSEALED_BY_ME = f"{UNSEALED} AND #opening = :opening"
UNSEALED_VALUES = {":dispatching": RunState.DISPATCHING.value, ":no": False}

UNDER_WAY = (RunState.DISPATCHING, RunState.TILING, RunState.BUILDING)
BUILT = (RunState.DONE, RunState.DONE_WITH_FAILURES)


class DynamoRuns:
    """The part of `pipeline.ledger.Ledger` that is about runs as a whole."""

    def __init__(self, table: DynamoTable) -> None:
        self._table = table

    def open_run(self, run: Run) -> bool:
        if run.state.ended:
            return self._open(run, f"{IS_NEW} OR ({UNSEALED})", UNSEALED_VALUES)
        mine = UNSEALED_VALUES | {":opening": run.opening}
        return (
            self._open(run, IS_NEW, {}, 0)
            or self._open(run, f"{UNSEALED} AND #opening <> :opening", mine, rows.STALE)
            or self._open(run, UNSEALED_BY_ME, mine)
        )

    def _open(
        self, run: Run, condition: str, values: Mapping[str, Any], written: int | None = None
    ) -> bool:
        """Write a run's row; with `written`, its pages are to be recorded from the beginning."""
        opening = self._table.put(rows.run_item(run), values, ConditionExpression=condition)
        is_open = self._unlisted_open if run.state.ended else self._listed_open
        progress = [
            self._table.put(rows.progress_item(run, shard, written))
            for shard in range(SHARDS)
            if written is not None
        ]
        listed = self._table.put(rows.listed_item(run))
        return self._table.transact(opening, listed, is_open(run.run_id), *progress)

    def note_dispatch(self, run_id: str, since: int) -> bool:
        return self._change(
            run_id,
            {":since": since, ":dispatching": RunState.DISPATCHING.value},
            UpdateExpression="SET #dispatched_at = :since",
            ConditionExpression="#state = :dispatching",
        )

    def note_sent(self, run_id: str, shards: int) -> bool:
        return self._change(
            run_id,
            {":shards": shards, ":dispatching": RunState.DISPATCHING.value},
            UpdateExpression="SET #sent = :shards",
            ConditionExpression="#state = :dispatching AND #sent < :shards",
        )

    def load_run(self, run_id: str) -> Run | None:
        item = self._table.get(rows.run_key(run_id))
        return rows.parse_run(item) if item else None

    def runs(self) -> Iterator[str]:
        for item in self._table.query(rows.RUNS, newest_first=True):
            yield rows.decode(item)["run_id"]

    def run_of_upload(self, bucket: str, key: str, since: str) -> str | None:
        for item in self._table.query(rows.RUNS, since=since, newest_first=True):
            listed = rows.decode(item)
            if (listed["bucket"], listed["key"]) == (bucket, key):
                run_id: str = listed["run_id"]
                return run_id
        return None

    def open_runs(self) -> Iterator[str]:
        for item in self._table.query(rows.OPEN):
            yield rows.decode(item)["sk"]

    def note_waiting(self, run_id: str, other: str) -> bool:
        return self._change(
            run_id,
            UNSEALED_VALUES | {":other": other},
            UpdateExpression="SET #waits_for = :other",
            ConditionExpression=UNSEALED,
        )

    def add_worker_job(self, run_id: str, index: int, job_id: str) -> bool:
        # An item of its own: a thousand ids in the run's row would be written anew for each.
        noting = self._table.put(rows.job_item(run_id, index, job_id), ConditionExpression=IS_NEW)
        return self._table.transact(noting)

    def worker_jobs(self, run_id: str) -> tuple[WorkerJob, ...]:
        items = self._table.query(rows.jobs_partition(run_id), rows.JOB)
        return tuple(map(rows.parse_job, items))

    def retire_worker(self, run_id: str, index: int) -> bool:
        is_there_and_stays = "attribute_exists(pk) AND attribute_not_exists(#retired)"
        retiring = self._table.update(
            rows.job_key(run_id, index),
            {":yes": True},
            UpdateExpression="SET #retired = :yes",
            ConditionExpression=is_there_and_stays,
        )
        return self._table.transact(retiring)

    def is_retired(self, run_id: str, index: int) -> bool:
        item = self._table.get(rows.job_key(run_id, index))
        return item is not None and rows.parse_job(item).retired

    def want_workers(self, run_id: str, number: int) -> bool:
        is_under_way, states = _one_of(UNDER_WAY)
        return self._change(
            run_id,
            states | {":number": number},
            UpdateExpression="SET #wanted_workers = :number",
            ConditionExpression=is_under_way,
        )

    def advance(self, run_id: str, before: RunState, after: RunState) -> bool:
        return self._change(
            run_id,
            {":before": before.value, ":after": after.value},
            UpdateExpression="SET #state = :after",
            ConditionExpression="#state = :before",
        )

    def cancel(self, run_id: str, now: float) -> bool:
        is_under_way, states = _one_of(UNDER_WAY)
        return self._change(
            run_id,
            states | {":cancelled": RunState.CANCELLED.value, ":now": int(now)},
            self._unlisted_open(run_id),
            UpdateExpression="SET #state = :cancelled, #cancelled_at = :now",
            ConditionExpression=is_under_way,
        )

    def restart(self, run_id: str) -> bool:
        return self._change(
            run_id,
            UNSEALED_VALUES | {":cancelled": RunState.CANCELLED.value, ":never": 0},
            self._listed_open(run_id),
            UpdateExpression="SET #state = :dispatching, #dispatched_at = :never",
            ConditionExpression="#state = :cancelled AND #recorded = :no",
        )

    def reopen(
        self,
        run_id: str,
        states: Collection[RunState],
        *,
        trickles: bool,
        requeued: Page | None = None,
    ) -> bool:
        may_be_reopened, values = _one_of((RunState.TILING, *states))
        opened = [
            self._table.update(
                rows.count_key(run_id, shard), {":yes": True}, UpdateExpression="SET #open = :yes"
            )
            for shard in range(SHARDS)
        ]
        if requeued is not None:
            # A transaction has each item once.
            opened[requeued.shard] = self._table.update(
                rows.count_key(run_id, requeued.shard),
                {":yes": True, ":change": -1},
                UpdateExpression="SET #open = :yes ADD #failed :change",
            )
            opened.append(requeue_row(self._table, requeued))
        return self._change(
            run_id,
            values
            | {":tiling": RunState.TILING.value, ":yes": True, ":none": None}
            | {":trickles": trickles},
            self._listed_open(run_id),
            *opened,
            UpdateExpression="SET #state = :tiling, #watch = :none, #trickles = :trickles",
            ConditionExpression=f"{may_be_reopened} AND #recorded = :yes",
        )

    def note_watch(self, run_id: str, watch: Watch) -> bool:
        return self._change(
            run_id,
            {":watch": rows.watch_values(watch), ":tiling": RunState.TILING.value},
            UpdateExpression="SET #watch = :watch",
            ConditionExpression="#state = :tiling",
        )

    def claim_final_job(
        self, run_id: str, shards: Sequence[Counts], now: float, *, is_quiet: bool = False
    ) -> bool:
        counts_are_these = "#total = :total AND #done = :done AND #failed = :failed"
        closed = [
            self._table.update(
                rows.count_key(run_id, shard),
                {f":{name}": value for name, value in rows.count_values(counts).items()}
                | {":no": False},
                UpdateExpression="SET #open = :no",
                ConditionExpression=counts_are_these,
            )
            for shard, counts in enumerate(shards)
        ]
        is_tiling, is_whole = "#state = :tiling", "#trickles = :no"
        return self._change(
            run_id,
            _claim(now) | {":tiling": RunState.TILING.value, ":one": 1},
            *closed,
            UpdateExpression=f"{CLAIM}, #final_jobs = :one",
            ConditionExpression=is_tiling if is_quiet else f"{is_tiling} AND {is_whole}",
        )

    def claim_rebuild(self, run_id: str, now: float, *, with_gaps: bool) -> bool:
        is_built, states = _one_of(BUILT)
        return self._change(
            run_id,
            states | _claim(now) | {":gaps": with_gaps, ":one": 1},
            self._listed_open(run_id),
            UpdateExpression=f"{CLAIM}, #final_jobs = :one, #with_gaps = :gaps",
            ConditionExpression=is_built,
        )

    def reclaim_final_job(
        self, run_id: str, dead: str | None, now: float, stale_before: float
    ) -> bool:
        claim_is_stale = "#state = :building AND #final_job = :dead AND #claimed_at < :stale"
        return self._change(
            run_id,
            _claim(now)
            | {":dead": dead, ":stale": int(stale_before)}
            # A claim whose maker died before it submitted a job has led to none.
            | {":more": 0 if dead is None else 1},
            UpdateExpression=f"{CLAIM}, #final_jobs = #final_jobs + :more",
            ConditionExpression=claim_is_stale,
        )

    def note_final_job(self, run_id: str, job_id: str) -> None:
        # A transaction too, for a plain write is refused while another's is under way.
        self._change(
            run_id,
            {":job": job_id, ":building": RunState.BUILDING.value},
            UpdateExpression="SET #final_job = :job",
            ConditionExpression="#state = :building",
        )

    def note_fault(self, run: Run, fault: str) -> bool:
        return self._change(
            run.run_id,
            {
                ":building": RunState.BUILDING.value,
                ":claimed": run.claimed_at,
                ":fault": fault,
            },
            UpdateExpression="SET #fault = :fault",
            ConditionExpression=CLAIM_IS_THE_SAME,
        )

    def finish(self, run: Run, state: RunState, summary: Summary) -> bool:
        return self._change(
            run.run_id,
            {
                ":building": RunState.BUILDING.value,
                ":claimed": run.claimed_at,
                ":state": state.value,
                ":summary": rows.summary_values(summary),
                ":none": None,
            },
            self._unlisted_open(run.run_id),
            UpdateExpression="SET #state = :state, #summary = :summary, #fault = :none",
            ConditionExpression=CLAIM_IS_THE_SAME,
        )

    def _change(
        self, run_id: str, values: Mapping[str, Any], *others: Entry, **expressions: str
    ) -> bool:
        change = self._table.update(rows.run_key(run_id), values, **expressions)
        return self._table.transact(change, *others)

    def _listed_open(self, run_id: str) -> Entry:
        return self._table.put(rows.open_item(run_id))

    def _unlisted_open(self, run_id: str) -> Entry:
        return self._table.delete(rows.open_item(run_id))


CLAIM_IS_THE_SAME = "#state = :building AND #claimed_at = :claimed"
CLAIM = "SET #state = :building, #claimed_at = :now, #final_job = :none, #trickles = :no"


def requeue_row(table: DynamoTable, page: Page) -> Entry:
    """Return the entry that queues a failed page again, on a journey that is new to it."""
    return table.update(
        rows.page_key(page),
        {
            ":failed": PageState.FAILED.value,
            ":queued": PageState.QUEUED.value,
            ":replays": page.message.replays,
            ":never": 0,
        },
        UpdateExpression=(
            "SET #state = :queued, #replays = :replays, #attempts = :never, #ended_at = :never"
            " REMOVE #reason"
        ),
        ConditionExpression="#state = :failed AND #replays < :replays",
    )


def _claim(now: float) -> dict[str, Any]:
    return {":building": RunState.BUILDING.value, ":now": int(now), ":none": None, ":no": False}


def _one_of(states: Collection[RunState]) -> tuple[str, dict[str, str]]:
    """Return the condition that a run is in one of the states, and its values."""
    values = {f":is_{state.value}": state.value for state in states}
    return f"#state IN ({', '.join(values)})", values
