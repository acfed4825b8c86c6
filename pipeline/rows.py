"""Runs and pages as DynamoDB items and back. Pure.

One table, keys `pk` and `sk`:

    RUNS                 <upload time>#<run id>      the list of runs, oldest first
    OPEN                 <run id>                    the runs that have not ended
    RUN#<run id>         RUN                         the run
    RUN#<run id>         JOB#<number>                one of its worker jobs
    RUN#<run id>#<shard> COUNT                       total, done and failed of the shard's pages,
                                                     whether they may still change, and which of
                                                     them failed last; until the run is sealed
                                                     how many are written, and for which opening
    RUN#<run id>#<shard> PAGE#<item>#<page>#<part>   one page
    ITEM#<export>#<item> OWNER                       the run that writes an item of an export
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from decimal import Decimal
from typing import Any, NamedTuple

from boto3.dynamodb.types import TypeSerializer

from pipeline.defaults import parse_defaults
from pipeline.geometry import Size
from pipeline.layout import Layout
from pipeline.message import Message
from pipeline.run import (
    Counts,
    Page,
    PageState,
    Plan,
    Run,
    RunState,
    Summary,
    TiledPage,
    Upload,
    Watch,
    WorkerJob,
)
from pipeline.task import parse_options

Item = dict[str, Any]

RUNS = "RUNS"
OPEN = "OPEN"
OWNER = "OWNER"
RUN = "RUN"
COUNT = "COUNT"
JOB = "JOB#"
PAGE = "PAGE#"
_SERIALIZER = TypeSerializer()
STALE = -1
"""In place of how many rows are written: there may be some of another opening."""


class Progress(NamedTuple):
    """How far the rows of a shard are written, of a run that is not sealed."""

    shard: int
    opening: str
    written: int


def encode(values: Mapping[str, Any]) -> Item:
    """Return the values as DynamoDB attributes."""
    return {name: _SERIALIZER.serialize(value) for name, value in values.items()}


def decode(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return a DynamoDB item's values, whole numbers as int."""
    return {name: _plain(value) for name, value in item.items()}


def run_key(run_id: str) -> Item:
    """Return the key of a run's row."""
    return encode({"pk": f"RUN#{run_id}", "sk": RUN})


def open_item(run_id: str) -> Item:
    """Return a run's entry in the list of those that have not ended; its own key."""
    return encode({"pk": OPEN, "sk": run_id})


def owner_key(export: str, item: str) -> Item:
    """Return the key of what tells an item's run."""
    return encode({"pk": f"ITEM#{export}#{item}", "sk": OWNER})


def owner_item(export: str, item: str, run_id: str) -> Item:
    """Return what tells an item's run."""
    return owner_key(export, item) | encode({"item": item, "run_id": run_id})


def parse_owner(item: Mapping[str, Any]) -> tuple[str, str]:
    """Return an item, and the id of its run."""
    values = decode(item)
    return values["item"], values["run_id"]


def shard_partition(run_id: str, shard: int) -> str:
    """Return the partition key of a run's shard."""
    return f"RUN#{run_id}#{shard:02d}"


def count_key(run_id: str, shard: int) -> Item:
    """Return the key of a shard's counter."""
    return encode({"pk": shard_partition(run_id, shard), "sk": COUNT})


def progress_item(run: Run, shard: int, written: int) -> Item:
    """Return what a shard's counter is until its run is sealed."""
    values = {"opening": run.opening, "written": written}
    return count_key(run.run_id, shard) | encode(values)


def parse_progress(item: Mapping[str, Any]) -> Progress | None:
    """Read what a shard's counter is until its run is sealed, and None from then on."""
    if is_counter(item):
        return None
    values = decode(item)
    shard = int(values["pk"].rpartition("#")[2])
    return Progress(shard, values["opening"], values["written"])


def is_counter(item: Mapping[str, Any]) -> bool:
    """Tell whether a shard's counter counts already, as from the seal on."""
    return "total" in item


def key_of(item: Mapping[str, Any]) -> Item:
    """Return the key of an item."""
    return {name: item[name] for name in ("pk", "sk")}


def page_key(page: Page) -> Item:
    """Return the key of a page's row."""
    message = page.message
    return encode(
        {
            "pk": shard_partition(message.run_id, page.shard),
            "sk": f"{PAGE}{message.item}#{message.page:07d}#{message.part:05d}",
        }
    )


def jobs_partition(run_id: str) -> str:
    """Return the partition key of a run's worker jobs; their sort keys begin with JOB."""
    return f"RUN#{run_id}"


def job_key(run_id: str, index: int) -> Item:
    """Return the key of a worker job's row; their order is that of `index`."""
    return encode({"pk": jobs_partition(run_id), "sk": f"{JOB}{index:07d}"})


def job_item(run_id: str, index: int, job_id: str) -> Item:
    """Return a worker job's row."""
    return job_key(run_id, index) | encode({"job_id": job_id})


def parse_job(item: Mapping[str, Any]) -> WorkerJob:
    """Read a worker job's row."""
    values = decode(item)
    index = int(values["sk"].removeprefix(JOB))
    return WorkerJob(index, values["job_id"], values.get("retired", False))


def run_item(run: Run) -> Item:
    """Return a run's row."""
    values = asdict(run)
    values["errors"] = list(run.errors)
    return run_key(run.run_id) | encode(values)


def summary_values(summary: Summary) -> dict[str, Any]:
    """Return a summary as a DynamoDB map's values."""
    values = asdict(summary)
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in values.items()
    }


def parse_summary(values: Mapping[str, Any]) -> Summary:
    """Read a summary."""
    known = _known(Summary, values).items()
    given: dict[str, Any] = {n: tuple(v) if isinstance(v, list) else v for n, v in known}
    return Summary(**given)


def listed_item(run: Run) -> Item:
    """Return a run's entry in the list of runs."""
    upload = {"bucket": run.upload.bucket, "key": run.upload.key}
    return encode(
        {"pk": RUNS, "sk": f"{run.upload.time}#{run.run_id}", "run_id": run.run_id, **upload}
    )


def parse_run(item: Mapping[str, Any]) -> Run:
    """Read a run's row; what one of an earlier version lacks has its default."""
    values = decode(item)
    plan, summary, watch = (values.get(name) for name in ("plan", "summary", "watch"))
    nested = {
        "upload": Upload(**values["upload"]),
        "state": RunState(values["state"]),
        "plan": plan and _parse_plan(plan),
        "errors": tuple(values["errors"]),
        "summary": summary and parse_summary(summary),
        "watch": watch and _parse_watch(watch),
    }
    return Run(**{f.name: values[f.name] for f in fields(Run) if f.name in values} | nested)


def page_item(page: Page) -> Item:
    """Return a page's row."""
    values = page.message.values() | {"state": page.state.value, "parts": page.parts}
    return page_key(page) | encode(values | outcome_values(page))


def outcome_values(page: Page) -> dict[str, Any]:
    """Return what a page's outcome adds to its row."""
    values: dict[str, Any] = {}
    if page.tiled is not None:
        tiled = asdict(page.tiled)
        tiled["sizes"] = [list(size) for size in page.tiled.sizes]
        values["tiled"] = tiled | {"seconds": Decimal(f"{page.tiled.seconds:.3f}")}
    if page.reason is not None:
        values["reason"] = page.reason
    return values | {"attempts": page.attempts, "ended_at": page.ended_at}


def parse_page(item: Mapping[str, Any]) -> Page:
    """Read a page's row."""
    values = decode(item)
    tiled = values.get("tiled")
    if tiled is not None:
        sizes = tuple(Size(*size) for size in tiled["sizes"])
        tiled = TiledPage(**tiled | {"sizes": sizes, "seconds": float(tiled["seconds"])})
    return Page(
        message=Message(**{name: values[name] for name in Message.__annotations__}),
        state=PageState(values["state"]),
        tiled=tiled,
        reason=values.get("reason"),
        parts=values["parts"],
        attempts=values["attempts"],
        ended_at=values["ended_at"],
    )


def parse_counts(item: Mapping[str, Any]) -> Counts:
    """Read a shard's counter."""
    values = decode(item)
    return Counts(values["total"], values["done"], values["failed"])


def failure_values(page: Page) -> dict[str, Any]:
    """Return what its shard's counter keeps of a failed page: where its row is."""
    return {"failed_row": decode(page_key(page))["sk"]}


def last_failed_keys(counters: Iterable[Mapping[str, Any]]) -> list[Item]:
    """Return the keys of the rows that shards' counters name as those that failed last."""
    named = (decode(item) for item in counters)
    return [
        encode({"pk": values["pk"], "sk": values["failed_row"]})
        for values in named
        if values["failed"] > 0 and "failed_row" in values
    ]


def count_values(counts: Counts) -> dict[str, int]:
    """Return a shard's counts as they stand in its row."""
    return {"total": counts.total, "done": counts.done, "failed": counts.failed}


def watch_values(watch: Watch) -> dict[str, Any]:
    """Return the reconciler's memory as a DynamoDB map's values."""
    return asdict(watch)


def _parse_watch(values: Mapping[str, Any]) -> Watch:
    return Watch(**{**values, "counts": Counts(**values["counts"])})


def _parse_plan(values: Mapping[str, Any]) -> Plan:
    nested = {
        "layout": Layout(**values["layout"]),
        "options": parse_options(values["options"]),
        "defaults": parse_defaults(values["defaults"]),
    }
    return Plan(**{**_known(Plan, values), **nested})


def _known(kind: type[Plan] | type[Summary], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that this version knows: while one is deployed, both read the rows."""
    return {f.name: values[f.name] for f in fields(kind) if f.name in values}


def _plain(attribute: Mapping[str, Any]) -> Any:
    # boto3's own conversion makes a Decimal of every number, and takes four times as long.
    ((kind, value),) = attribute.items()
    match kind:
        case "S" | "BOOL":
            return value
        case "N":
            return _number(value)
        case "L":
            return [_plain(entry) for entry in value]
        case "M":
            return {name: _plain(entry) for name, entry in value.items()}
        case "NULL":
            return None
    raise TypeError(f"no row holds a value of the type {kind}")


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        value = Decimal(text)
        return int(value) if value == value.to_integral_value() else float(value)
