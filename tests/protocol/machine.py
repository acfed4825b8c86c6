"""The protocol as a state machine: whoever may do something does it, dies, or is overtaken."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from console.errors import ConsoleError
from dispatcher.reconcile import MAX_FINAL_JOBS, MAX_RESENDS, MAX_RESTARTS
from pipeline.errors import TransientError
from pipeline.run import CANCEL_SECONDS, Run, RunState, Upload
from tests.builders import deadline_after
from tests.protocol.fuse import Crash, Fuse
from tests.protocol.promises import Promises, check_rest
from tests.protocol.stage import InHand, Stage, Worker
from tests.protocol.worlds import World
from worker.desk import RUN_SECONDS
from worker.fate import Dropped

IS_THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
MAX_UPLOADS = 3
MAX_RECEIVES = 10
INTERLUDES = (
    *("serve", "serve_again", "fail_again", "replay", "redrive", "reconcile"),
    *("dispatch", "build", "cancel", "resume", "rebuild", "minute", "hour"),
    *("scale_up", "scale_down"),
)
ends = st.sampled_from(["before", "after"]) | st.sampled_from(INTERLUDES)
places = st.sampled_from([0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 6, 7, 8, 9, 12, 15, 18])
"""At which of its calls a process is met; most make few."""
fuses = st.none() | st.tuples(places, ends) | st.tuples(places, ends)
outcomes = st.sampled_from(["tiled", "tiled", "damaged", "throttled", "replaced"])
tasks = st.sampled_from(["all.json", "all.json", "map.json"])
numbers = st.integers(0, 5)
LONG = 10_000
patience = st.sampled_from([LONG, LONG, 0, 1, 2, 5, 30, 80])
"""How many looks at the clock an invocation of the dispatcher has time for."""
TROUBLES = ("lapse", "lapse", "send_twice", "kill_all", "redrive", "end_jobs", "die")
VERBS = (
    *("replay", "replay", "replay", "cancel", "resume", "resume", "manifests", "finalize"),
    *("scale_up", "scale_down"),
)
Drawn = tuple[int, str] | None


class Protocol(RuleBasedStateMachine):
    """The rules; what they run against is `new_world`."""

    new_world: Callable[[], World]
    folder: Path
    looks_every = 1
    """Steps from one look at the promises to the next."""

    def __init__(self) -> None:
        super().__init__()
        self.stage = Stage(type(self).new_world(), type(self).folder)
        self.world = self.stage.world
        self.promises = Promises(self.stage)
        self.steps = 0
        self.uploads: list[Upload] = []
        self.workers = [Worker(self.stage), Worker(self.stage)]
        self.hands: list[InHand] = []
        self.clock = pytest.MonkeyPatch()
        self.clock.setattr("time.time", lambda: self.world.time)

    # What may break off or be overtaken

    @contextmanager
    def fused(self, drawn: Drawn) -> Iterator[Fuse]:
        """Give the fuse of a process that does something now."""
        fuse = Fuse()
        if drawn is not None:
            at, happens = drawn
            fuse = Fuse(at, self.interlude(happens) if happens in INTERLUDES else happens)
        self.world.pass_time(1)
        try:
            yield fuse
        except Crash:
            return
        except (ConsoleError, TransientError, ExceptionGroup) as error:
            assert_passing(error)

    def interlude(self, name: str) -> Callable[[], None]:
        """Return what other processes do in the meantime."""

        def meanwhile() -> None:
            try:
                getattr(self, f"do_{name}")()
            except (ConsoleError, TransientError, ExceptionGroup) as error:
                assert_passing(error)

        return meanwhile

    def do_serve(self, outcome: str = "tiled") -> None:
        """Have a worker of its own take the next message from the queue to its fate."""
        delivery = self.world.receive()
        if delivery is not None:
            worker = Worker(self.stage)
            hand = worker.read(delivery)
            if hand is not None:
                worker.attempt(hand, outcome)
                worker.settle(hand)

    def do_serve_again(self) -> None:
        """Let all leases run out, and the next message be served."""
        for hand in self.hands:
            self.world.lapse(hand.delivery)
        self.do_serve()

    def do_fail_again(self) -> None:
        for hand in self.hands:
            self.world.lapse(hand.delivery)
        self.do_serve("damaged")

    def do_replay(self) -> None:
        for run in self.stage.runs():
            with suppress(ConsoleError):
                self.stage.replay(self.stage.process(), run.run_id)
        self.do_serve_again()

    def do_redrive(self) -> None:
        self.stage.redrive(self.stage.process(), 100)

    def do_reconcile(self) -> None:
        self.stage.reconcile(self.stage.process())

    def do_dispatch(self) -> None:
        for upload in self.uploads[-1:]:
            self.stage.dispatch(self.stage.process(), upload)

    def do_build(self) -> None:
        for job_id in sorted(self.world.jobs.claims.keys() - self.world.jobs.ended):
            self.stage.build(self.stage.process(), self.world.jobs.claims[job_id].run_id)
            self.world.jobs.ended.add(job_id)

    def do_cancel(self) -> None:
        for run in self.runs[1:]:
            with suppress(ConsoleError):
                self.stage.cancel(self.stage.process(), run.run_id)

    def do_resume(self) -> None:
        for run in self.runs:
            with suppress(ConsoleError):
                self.stage.resume(self.stage.process(), run.run_id)

    def do_rebuild(self) -> None:
        for run in self.runs:
            with suppress(ConsoleError):
                self.stage.finalize(self.stage.process(), run.run_id)

    def do_scale_up(self) -> None:
        for run in self.runs:
            with suppress(ConsoleError):
                self.stage.scale_up(self.stage.process(), run.run_id)

    def do_scale_down(self) -> None:
        for run in self.runs:
            with suppress(ConsoleError):
                self.stage.scale_down(self.stage.process(), run.run_id)

    def do_minute(self) -> None:
        self.world.pass_time(61)

    def do_hour(self) -> None:
        self.world.pass_time(3600)

    @property
    def runs(self) -> list[Run]:
        return list(self.stage.runs())

    # The dispatcher

    @initialize(task=tasks, looks=patience, drawn=fuses)
    def upload_first(self, task: str, looks: int, drawn: Drawn) -> None:
        self.upload(task, drawn, looks)

    @precondition(lambda self: len(self.uploads) < MAX_UPLOADS)
    @rule(task=tasks, looks=patience, drawn=fuses)
    def upload_another(self, task: str, looks: int, drawn: Drawn) -> None:
        self.upload(task, drawn, looks)

    def upload(self, task: str, drawn: Drawn, looks: int = LONG) -> None:
        number = len(self.uploads)
        time = f"2026-03-01T12:00:{number:02d}.000Z"
        self.uploads.append(Upload("batch", task, f"{number:02d}", time))
        self.dispatch(number, drawn, looks)

    @rule(number=numbers, looks=patience, drawn=fuses)
    def dispatch_again(self, number: int, looks: int, drawn: Drawn) -> None:
        self.dispatch(number, drawn, looks)

    def dispatch(self, number: int, drawn: Drawn, looks: int) -> None:
        """Dispatch an upload, until the time is over at one of the looks at the clock."""
        with self.fused(drawn) as fuse:
            upload = self.uploads[number % len(self.uploads)]
            self.stage.dispatch(self.stage.process(fuse), upload, deadline_after(looks))

    # Workers

    @rule(number=numbers, drawn=fuses)
    def receive(self, number: int, drawn: Drawn) -> None:
        delivery = self.world.receive()
        worker = self.workers[number % len(self.workers)]
        if delivery is not None:
            with self.working(worker, drawn):
                hand = worker.read(delivery)
                if hand is not None:
                    self.hands.append(hand)

    @precondition(lambda self: self.hands)
    @rule(number=numbers, outcome=outcomes, drawn=fuses)
    def attempt(self, number: int, outcome: str, drawn: Drawn) -> None:
        hand = self.hands[number % len(self.hands)]
        run = self.world.ledger.load_run(hand.message.run_id)
        assert run is not None
        since = run.cancelled_at if run.state is RunState.CANCELLED else None
        noticed = since is not None and since + RUN_SECONDS < self.world.time
        with self.working(hand.worker, drawn):
            hand.worker.attempt(hand, outcome)
            now = self.world.ledger.load_run(hand.message.run_id)
            if noticed and now == run:
                assert_nothing_was_tiled(hand)

    @precondition(lambda self: any(hand.fate for hand in self.hands))
    @rule(number=numbers, loses_delete=st.booleans(), drawn=fuses)
    def settle(self, number: int, loses_delete: bool, drawn: Drawn) -> None:
        ready = [hand for hand in self.hands if hand.fate]
        hand = ready[number % len(ready)]
        self.hands.remove(hand)
        with self.working(hand.worker, drawn):
            hand.worker.settle(hand, loses_delete=loses_delete)

    @rule(number=numbers, outcome=outcomes, count=st.integers(1, 8), drawn=fuses)
    def serve_some(self, number: int, outcome: str, count: int, drawn: Drawn) -> None:
        self.serve(number, outcome, count, drawn)

    @rule(number=numbers, outcome=outcomes, count=st.integers(1, 8), drawn=fuses)
    def serve_more(self, number: int, outcome: str, count: int, drawn: Drawn) -> None:
        self.serve(number, outcome, count, drawn)

    @rule(outcome=outcomes)
    def serve_all_alike(self, outcome: str) -> None:
        """Let time pass, and serve whatever there is, to one outcome."""
        self.world.pass_time(120)
        self.serve(0, outcome, 12, None)

    def serve(self, number: int, outcome: str, count: int, drawn: Drawn) -> None:
        """Serve some messages; the fuse is that of the first."""
        for _ in range(count):
            self.receive(number, None)
            if self.hands:
                self.attempt(len(self.hands) - 1, outcome, drawn)
            if self.hands and self.hands[-1].fate:
                hand = self.hands.pop()
                with self.working(hand.worker, drawn):
                    hand.worker.settle(hand)
            drawn = None

    @contextmanager
    def working(self, worker: Worker, drawn: Drawn) -> Iterator[None]:
        """Let a worker do something; if it dies, another takes its place."""
        with self.fused(drawn) as fuse:
            worker.process.fuse = fuse
            yield
        if fuse.is_blown:
            self.die(self.workers.index(worker))

    def die(self, number: int) -> None:
        worker = self.workers[number % len(self.workers)]
        self.workers[number % len(self.workers)] = Worker(self.stage)
        self.hands = [hand for hand in self.hands if hand.worker is not worker]

    @rule(seconds=st.sampled_from([5, 16, 61, 200, 400, 1000]))
    def wait(self, seconds: int) -> None:
        self.world.pass_time(seconds)

    # The queue, and other troubles

    @rule(what=st.sampled_from(TROUBLES), number=numbers)
    def trouble(self, what: str, number: int) -> None:
        getattr(self, what)(number)

    def lapse(self, number: int) -> None:
        """Let a lease run out while its holder goes on."""
        if self.hands:
            self.world.lapse(self.hands[number % len(self.hands)].delivery)

    def send_twice(self, _number: int) -> None:
        """Put a message into the queue that is there already."""
        delivery = self.world.receive()
        if delivery is not None:
            self.world.put(delivery.body, delivery.group)
            self.world.lapse(delivery)

    def kill_all(self, _number: int) -> None:
        """Deliver a message to workers that die of it, until the queue itself gives it up."""
        for _ in range(MAX_RECEIVES):
            delivery = self.world.receive()
            if delivery is None:
                return
            self.world.lapse(delivery)

    def redrive(self, number: int) -> None:
        self.stage.redrive(self.stage.process(), number + 1)

    def end_jobs(self, _number: int) -> None:
        self.world.jobs.ended |= self.world.jobs.ids

    # Jobs and the reconciler

    @precondition(lambda self: self.world.jobs.claims)
    @rule(number=numbers, ends=st.booleans(), drawn=fuses)
    def build(self, number: int, ends: bool, drawn: Drawn) -> None:
        """Run a final job that was ever submitted; Batch starts again one that died."""
        jobs = sorted(self.world.jobs.claims)
        job_id = jobs[-1 - number % len(jobs)]
        with self.fused(drawn) as fuse:
            self.stage.build(self.stage.process(fuse), self.world.jobs.claims[job_id].run_id)
        if ends:
            self.world.jobs.ended.add(job_id)

    @rule(drawn=fuses)
    def reconcile(self, drawn: Drawn) -> None:
        with self.fused(drawn) as fuse:
            self.stage.reconcile(self.stage.process(fuse))

    # Operators

    @rule(verb=st.sampled_from(VERBS), number=numbers, drawn=fuses)
    def operate(self, verb: str, number: int, drawn: Drawn) -> None:
        """Have an operator do something with a run."""
        runs = self.runs
        if runs:
            with self.fused(drawn) as fuse:
                run_id = runs[number % len(runs)].run_id
                getattr(self.stage, verb)(self.stage.process(fuse), run_id)

    # What holds

    @invariant()
    def promises_hold(self) -> None:
        self.steps += 1
        if self.steps % self.looks_every == 0:
            self.promises.check()

    def teardown(self) -> None:
        try:
            self.promises.check()
            self.come_to_rest()
            self.promises.check()
            check_rest(self.stage)
        finally:
            self.clock.undo()
            self.stage.close()

    def come_to_rest(self) -> None:
        """Let everything go its way, without another death, until nothing changes."""
        self.hands.clear()
        still, before = 0, None
        for _ in range(MAX_ROUNDS):
            self.world.pass_time(CANCEL_SECONDS + 600)
            self.serve_all()
            self.do_build()
            self.interlude("reconcile")()
            self.help_what_was_given_up()
            now = self.runs, self.world.outbox.depth(), self.world.dead_letters.depth()
            still = still + 1 if now == before else 0
            before = now
            if still == STILL_ROUNDS:
                return
        raise AssertionError("it does not come to rest")

    def help_what_was_given_up(self) -> None:
        """Do as an operator does, after workers or final jobs died in vain."""
        if any(map(_is_given_up, self.runs)):
            self.stage.reconcile(self.stage.process(), by_hand=True)

    def serve_all(self) -> None:
        """Have living workers serve all messages; then they end, for the queue stays empty.

        Those that are retired take none.
        """
        jobs = self.world.jobs
        if jobs.ids - jobs.claims.keys() - jobs.ended - set(self.stage.retired_jobs()):
            worker = Worker(self.stage)
            for _ in range(MAX_SERVED):
                delivery = self.world.receive()
                if delivery is None:
                    break
                hand = worker.read(delivery)
                if hand is not None:
                    worker.attempt(hand, "tiled")
                    worker.settle(hand)
        jobs.ended |= jobs.ids - jobs.claims.keys()


def _is_given_up(run: Run) -> bool:
    if run.state is RunState.BUILDING:
        return run.final_jobs >= MAX_FINAL_JOBS
    watch = run.watch if run.state is RunState.TILING else None
    return watch is not None and (watch.restarts >= MAX_RESTARTS or watch.resends >= MAX_RESENDS)


MAX_ROUNDS = 60
STILL_ROUNDS = 4
MAX_SERVED = 500


def assert_passing(error: Exception) -> None:
    """Check that an error is of those that pass; whoever meets it is called again."""
    if isinstance(error, ExceptionGroup):
        for inner in error.exceptions:
            assert_passing(inner)
    elif not isinstance(error, ConsoleError | TransientError):
        raise error


def assert_nothing_was_tiled(hand: InHand) -> None:
    assert isinstance(hand.fate, Dropped), hand
