"""A pool of workers in virtual time: `worker.__main__` itself, on simulated services.

Imported only where time is virtual already (`benchmarks.simulation.scenario`), for modules of the
worker keep the clock that they find when they are imported.
"""

import pkgutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import boto3
import structlog

import worker
from benchmarks.simulation.batch import Batch, Jobs
from benchmarks.simulation.clock import Clock
from benchmarks.simulation.dynamodb import DynamoDb, Table
from benchmarks.simulation.scenario import Scenario
from benchmarks.simulation.service import Bucket, World
from benchmarks.simulation.sqs import Queue, Sqs
from benchmarks.simulation.tiling import Machine, StandIn, Store
from pipeline.batch import BatchJobs
from pipeline.dynamo_ledger import DynamoLedger
from pipeline.layout import Layout
from pipeline.message import Message
from pipeline.outbox import SqsOutbox
from pipeline.run import Counts, Page, Plan, Run, RunState, Upload
from pipeline.task import Options
from worker import __main__ as entry_point
from worker.settings import Settings, read_settings

RUN = "pool-0123456789ab"
TABLE, QUEUE, DEAD_LETTERS = "table", "queue", "dead"
ITEM_PAGES = 100
MAX_TAKEN = 50
PLAN = Plan(
    collection="Letters",
    job_queue="tilepool",
    job_definition="tilepool",
    source_store="s3://scans",
    dest_store="s3://exports",
    csv_key="archive/Letters/csv/letters.csv",
    layout=Layout("iiif/archive/Letters", "https://images.example.org"),
    options=Options(),
    workers=1_000,
)
UPLOAD = Upload("batch", "tasks/task.json", "0055AED6DCD90281E5", "2026-03-01T12:00:00.000Z")


class Pool:
    """The services, a run in them, and its workers."""

    def __init__(self, clock: Clock, scenario: Scenario) -> None:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
        self.clock, self.scenario = clock, scenario
        self.world = World(clock, scenario.aws)
        self.store = Store(self.world)
        self.machines: list[Machine] = []
        self.left = 0
        submits = scenario.aws.batch.submits_per_second
        self._table, self.jobs = Table(), Jobs(Bucket(submits, submits, clock.now))
        self._queues = {QUEUE: Queue(clock), DEAD_LETTERS: Queue(clock)}
        for module in pkgutil.iter_modules(worker.__path__, "worker."):
            import_module(module.name)  # in this thread, whose stack is large
        # As a worker makes its own: by service, and what it wants of retries.
        library: Any = boto3
        library.client = self.client
        self.ledger = DynamoLedger(self.client("dynamodb"), TABLE)
        self.batch = BatchJobs(self.client("batch"))

    def client(self, service: str, config: Any = None) -> Any:
        """Return a client of a service."""
        match service:
            case "dynamodb":
                return DynamoDb(self.world, self._table, config)
            case "sqs":
                return Sqs(self.world, self._queues, config)
        return Batch(self.world, self.jobs, config)

    @contextmanager
    def still(self) -> Iterator[None]:
        """Have calls take no time meanwhile, and none of them count."""
        self.world.still = True
        try:
            yield
        finally:
            self.world.still = False
            self.world.meter.reset()

    def dispatch(self, pages: int) -> None:
        """Record and send a run of so many pages."""
        messages = [_message(number) for number in range(pages)]
        found = [Page(message) for message in messages]
        items = sorted({message.item for message in messages})
        self.ledger.open_run(Run(RUN, UPLOAD, RunState.DISPATCHING, PLAN))
        for start in range(0, len(items), MAX_TAKEN):
            self.ledger.take_items(RUN, PLAN.export, items[start : start + MAX_TAKEN])
        self.ledger.record_pages(RUN, found)
        self.ledger.seal(RUN, found)
        SqsOutbox(self.client("sqs"), QUEUE).send(messages)
        self.ledger.advance(RUN, RunState.DISPATCHING, RunState.TILING)

    def start(self) -> None:
        """Start all workers, as far apart as an image's time has it."""
        for index in range(self.scenario.workers):
            self.clock.spawn(lambda index=index: self._work(index))  # type: ignore[misc]

    def _work(self, index: int) -> None:
        scenario = self.scenario
        self.clock.sleep(self.world.chance.uniform(0, scenario.start_seconds))
        machine = Machine(
            self.world, self.store, scenario.cpus, scenario.image_seconds, scenario.tiles
        )
        self.machines.append(machine)
        hands: Any = [StandIn(machine) for _ in range(scenario.cpus * scenario.in_hand)]
        stop: Any = threading.Event()
        entry_point._serve(_settings(index, len(hands)), hands, stop)  # noqa: SLF001  # all of a worker but its process
        self.left += 1

    def counts(self) -> Counts:
        """Return how many pages stand where."""
        with _unseen(self.world):
            return self.ledger.counts(RUN)


@contextmanager
def _unseen(world: World) -> Iterator[None]:
    """Look without a trace."""
    world.still, before, world.meter = True, world.meter, type(world.meter)()
    try:
        yield
    finally:
        world.still, world.meter = False, before


def _message(number: int) -> Message:
    item, page = f"letter-{number // ITEM_PAGES:05d}", number % ITEM_PAGES + 1
    key = f"archive/Letters/{item}/Access/{item}_{page:04d}.tif"
    return Message(RUN, item, page, key, f'"{number:032x}"', 36_000_000)


def _settings(index: int, processes: int) -> Settings:
    variables = {
        "AWS_DEFAULT_REGION": "us-east-1",
        "TILEPOOL_TABLE": TABLE,
        "TILEPOOL_QUEUE_URL": QUEUE,
        "TILEPOOL_DEAD_LETTER_QUEUE_URL": DEAD_LETTERS,
        "TILEPOOL_RUN_ID": RUN,
        "TILEPOOL_WORKER": str(index),
    }
    return read_settings(variables, processes)
