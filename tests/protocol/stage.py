"""The processes of the protocol, run by the real code, each past a fuse of its own."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from console.cancel import cancel
from console.rebuild import rebuild
from console.replay import Choice, Chosen, remove_letters, replay
from console.resume import resume
from console.scale import scale
from dispatcher.check import StoreForms
from dispatcher.deadline import NEVER, Deadline
from dispatcher.dispatch import Dispatcher
from dispatcher.reconcile import Limits, Reconciler
from manifest_builder.build import finish_run
from pipeline.errors import BadImage, TransientError
from pipeline.message import Message
from pipeline.run import Run, TiledPage, Upload
from tests.builders import ENVIRONMENT, task_body
from tests.fakes import SMALL, MemoryTaskFiles, OneByOne, ScriptedTiler
from tests.protocol.fuse import Fuse, Process
from tests.protocol.worlds import World
from worker.closing import AtOnce, Closer
from worker.desk import Desk
from worker.fate import Fate
from worker.inbox import Delivery
from worker.loop import FIRST_RETURN_SECONDS
from worker.work import PageWork

SOURCES = ("book/Access/p1.tif", "book/Access/p2.tif", "Other/map/Access/p1.tif")
PARTS = {("book", 2): 3}
"""Images of the sources that have several."""
TASKS = {
    "all.json": task_body(workers=2),
    "map.json": task_body({"ACCESS_DIR": f"{ENVIRONMENT['ACCESS_DIR']}/Other"}, workers=1),
}
"""Both have the item `map`."""
ALL_LETTERS = 10_000


@dataclass
class InHand:
    """A message in a worker's hand, and how far it has got."""

    worker: "Worker"
    delivery: Delivery
    message: Message
    fate: Fate | None = None
    came_cancelled: bool = False


class Worker:
    """One slot of a worker, with the desk of a process of its own."""

    def __init__(self, stage: "Stage") -> None:
        self.stage, self.process = stage, stage.process()
        self.tiler = ScriptedTiler()
        self.wired = self.process.wire(self.tiler)
        self.desk = Desk(
            self.process.ledger,
            self.process.outbox,
            self.process.dead_letters,
            AtOnce(Closer(self.process.ledger, self.process.jobs, OneByOne())),
            timer=lambda: stage.world.time,
        )

    def read(self, delivery: Delivery) -> InHand | None:
        message = self.desk.read(self.process.delivery(delivery))
        return None if message is None else InHand(self, delivery, message)

    def attempt(self, hand: InHand, outcome: str) -> None:
        self.tiler.script = lambda work: self.stage.tile(work, outcome)
        hand.fate = self.desk.attempt(hand.message, hand.delivery.attempt, self.wired)

    def settle(self, hand: InHand, *, loses_delete: bool = False) -> None:
        """Carry out the fate, and give back what breaks, as a slot does."""
        assert hand.fate is not None
        delivery = self.process.delivery(hand.delivery, loses_delete=loses_delete)
        try:
            self.desk.settle(delivery, hand.message, hand.fate)
        except TransientError:
            delivery.release(FIRST_RETURN_SECONDS)


def _tile(work: PageWork) -> TiledPage:
    message = work.message
    parts = PARTS.get((message.item, message.page), 1) if message.part == 1 else 1
    return replace(SMALL, parts=parts)


def _see_another_file(work: PageWork) -> TiledPage:
    return replace(SMALL, parts=_tile(work).parts + (work.message.part == 1))


def _raising(error: Exception) -> Callable[[PageWork], TiledPage]:
    def tile(_work: PageWork) -> TiledPage:
        raise error

    return tile


OUTCOMES: dict[str, Callable[[PageWork], TiledPage]] = {
    "tiled": _tile,
    "damaged": _raising(BadImage("damaged")),
    "throttled": _raising(TransientError("throttled")),
    "replaced": _see_another_file,
}


def lay_out(folder: Path) -> None:
    """Put the sources of all tasks into a folder."""
    source = folder / "source"
    csv = source / ENVIRONMENT["CSV_PATH"] / ENVIRONMENT["CSV_NAME"]
    csv.parent.mkdir(parents=True)
    csv.write_text("Identifier,Title\nbook,A book\nmap,A map\n")
    for name in SOURCES:
        file = source / ENVIRONMENT["ACCESS_DIR"] / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"image")


class Stage:
    """A world, the folders, and what operators and processes do there."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world, self.source, self.dest = world, folder / "source", folder / "dest"
        self.dest.mkdir()
        self.mixed: list[Message] = []
        """Pages that were tiled while their item belonged to another run, or to none."""

    def close(self) -> None:
        shutil.rmtree(self.dest)
        self.world.close()

    def tile(self, work: PageWork, outcome: str) -> TiledPage:
        """Tile a page in one of OUTCOMES, and look whose it is."""
        message = work.message
        owners = self.world.ledger.owners(work.plan.export, [message.item])
        if owners.get(message.item) != message.run_id:
            self.mixed.append(message)
        return OUTCOMES[outcome](work)

    def process(self, fuse: Fuse | None = None) -> Process:
        """Return a new process."""
        world = self.world
        process = Process(world.ledger, world.outbox, world.dead_letters, world.jobs)
        process.fuse = fuse or Fuse()
        return process

    def dispatcher(self, process: Process, deadline: Deadline = NEVER) -> Dispatcher:
        stores = StoreForms(self.source.as_uri(), self.dest.as_uri())
        return Dispatcher(
            MemoryTaskFiles(TASKS),
            process.ledger,
            process.outbox,
            process.jobs,
            stores,
            deadline=deadline,
        )

    def dispatch(self, process: Process, upload: Upload, deadline: Deadline = NEVER) -> None:
        self.dispatcher(process, deadline).dispatch(upload)

    def reconcile(self, process: Process, *, by_hand: bool = False) -> None:
        Reconciler(
            dispatcher=self.dispatcher(process),
            ledger=process.ledger,
            outbox=process.outbox,
            dead_letters=process.dead_letters,
            jobs=process.jobs,
            limits=Limits(tries_anew=by_hand),
            now=lambda: self.world.time,
        ).reconcile()

    def build(self, process: Process, run_id: str) -> None:
        finish_run(run_id, process.ledger)

    def manifests(self, process: Process, run_id: str) -> None:
        rebuild(self.run(process, run_id), process, with_gaps=False)

    def finalize(self, process: Process, run_id: str) -> None:
        rebuild(self.run(process, run_id), process, with_gaps=True)

    def cancel(self, process: Process, run_id: str) -> None:
        cancel(self.run(process, run_id), process)

    def resume(self, process: Process, run_id: str) -> None:
        resume(self.run(process, run_id), process)

    def scale_up(self, process: Process, run_id: str) -> None:
        scale(self.run(process, run_id), 3, process)

    def scale_down(self, process: Process, run_id: str) -> None:
        scale(self.run(process, run_id), 1, process)

    def retired_jobs(self) -> Iterator[str]:
        """Yield the jobs of all workers that are to take no more pages."""
        for run in self.runs():
            for job in self.world.ledger.worker_jobs(run.run_id):
                if job.retired:
                    yield job.job_id

    def replay(self, process: Process, run_id: str) -> None:
        chosen = Chosen(self.run(process, run_id), Choice(), process.ledger)
        _, places = replay(chosen, process)
        remove_letters(places, process)

    def run(self, process: Process, run_id: str) -> Run:
        run = process.ledger.load_run(run_id)
        assert run is not None
        return run

    def redrive(self, process: Process, most: int) -> None:
        """Move some letters back as they are: the button of the AWS console."""
        with process.dead_letters.take(most) as hand:
            for letter in hand.letters():
                self.world.put(letter.body, letter.group)
                hand.remove(letter)

    def runs(self) -> Iterator[Run]:
        """Yield all runs as they are."""
        for run_id in self.world.ledger.runs():
            run = self.world.ledger.load_run(run_id)
            if run is not None:
                yield run
