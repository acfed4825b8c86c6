"""One process dies, or is overtaken, at each call that any of them makes in a whole story."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.run import RunState
from tests.protocol.fuse import Fuse
from tests.protocol.machine import INTERLUDES, IS_THOROUGH, Drawn, Protocol
from tests.protocol.worlds import MemoryWorld

MAX_CALLS = 400
"""More than any of the stories takes."""


class Story(Protocol):
    """The processes, one after another, past one fuse; whoever comes after a death has none."""

    new_world = MemoryWorld
    shared = Fuse()

    @contextmanager
    def fused(self, drawn: Drawn) -> Iterator[Fuse]:
        with super().fused(None) as fuse:
            if self.shared.is_blown:
                yield fuse
            else:
                yield self.shared

    def build_it(self) -> None:
        """Have the final job submitted, should it be the reconciler that does it, and run."""
        for _ in range(2):
            self.world.pass_time(400)
            self.reconcile(None)
        if self.world.jobs.claims:
            self.build(0, True, None)

    def all_is_well(self) -> None:
        self.upload("all.json", None)
        self.serve(0, "tiled", 8, None)
        self.build_it()

    def dispatched_in_pieces(self) -> None:
        self.upload("all.json", None, 0)
        for looks in (0, 1, 40, 1, 0):
            self.dispatch(0, None, looks)
        for _ in range(2):
            self.world.pass_time(10)
            self.reconcile(None)
        self.serve(0, "tiled", 8, None)
        self.build_it()

    def one_fails_and_is_replayed(self) -> None:
        self.upload("all.json", None)
        self.serve(0, "damaged", 1, None)
        self.serve(0, "throttled", 1, None)
        self.serve(0, "tiled", 8, None)
        self.world.pass_time(60)
        self.serve(0, "tiled", 8, None)
        self.build_it()
        self.operate("replay", 0, None)
        self.serve(0, "tiled", 8, None)
        self.build_it()

    def two_want_the_same_item(self) -> None:
        self.upload("map.json", None)
        self.upload("all.json", None)
        self.serve(0, "damaged", 1, None)
        self.build_it()
        self.operate("replay", 1, None)
        self.reconcile(None)
        self.serve(0, "tiled", 8, None)
        self.build_it()
        self.reconcile(None)
        self.serve(0, "tiled", 8, None)
        self.build_it()

    def cancelled_and_resumed(self) -> None:
        self.upload("all.json", None)
        self.serve(0, "tiled", 2, None)
        self.operate("cancel", 0, None)
        self.world.pass_time(20)
        self.serve(0, "tiled", 2, None)
        self.operate("resume", 0, None)
        self.serve(0, "tiled", 8, None)
        self.build_it()
        self.operate("manifests", 0, None)
        self.build_it()

    def scaled_up_and_down(self) -> None:
        self.upload("all.json", None)
        self.operate("scale_up", 0, None)
        self.serve(0, "tiled", 1, None)
        self.operate("scale_down", 0, None)
        self.serve(0, "tiled", 2, None)
        self.end_jobs(0)
        self.reconcile(None)
        self.serve(0, "tiled", 8, None)
        self.build_it()

    def resumed_while_another_waits(self) -> None:
        self.upload("all.json", None)
        self.serve(0, "tiled", 1, None)
        self.operate("cancel", 0, None)
        self.upload("all.json", None)
        self.world.pass_time(200)
        self.operate("resume", 1, None)
        for _ in range(3):
            self.serve(0, "tiled", 12, None)
            self.build_it()

    def given_up_by_the_queue(self) -> None:
        self.upload("map.json", None)
        self.kill_all(0)
        self.world.receive()
        self.reconcile(None)
        self.build_it()
        self.redrive(5)
        self.serve(0, "tiled", 3, None)
        self.build_it()


STORIES: list[Callable[[Story], None]] = [
    Story.all_is_well,
    Story.dispatched_in_pieces,
    Story.one_fails_and_is_replayed,
    Story.two_want_the_same_item,
    Story.cancelled_and_resumed,
    Story.scaled_up_and_down,
    Story.resumed_while_another_waits,
    Story.given_up_by_the_queue,
]
OFTEN = ("before", "serve_again")
"""To die after a call is to die before the next."""
ENDS = ("before", "after", *INTERLUDES) if IS_THOROUGH else OFTEN


def meet_everywhere(story: Callable[[Story], None], ends: str) -> None:
    """Tell a story as often as it has calls; each time another of them is met."""
    step = 1 if IS_THOROUGH or ends == "before" else 2
    for at in range(0, MAX_CALLS, step):
        machine = Story()
        happens = machine.interlude(ends) if ends in INTERLUDES else ends
        machine.shared = Fuse(at, happens)
        try:
            story(machine)
            machine.promises.check()
        finally:
            machine.teardown()
        if machine.shared.calls <= at:
            return
    raise AssertionError("the story is longer than it is told")


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("story", STORIES, ids=lambda story: str(story.__name__))
def test_wherever_it_is_met_all_ends_well(
    story: Callable[[Story], None], ends: str, folder: Path
) -> None:
    Story.folder = folder
    meet_everywhere(story, ends)


def test_no_run_is_resumed_into_items_that_another_takes_at_that_moment(folder: Path) -> None:
    Story.folder = folder
    meet_everywhere(Story.resumed_while_another_waits, "dispatch")


def test_the_stories_go_where_they_should(folder: Path) -> None:
    Story.folder = folder
    for story in STORIES:
        machine = Story()
        machine.shared = Fuse()
        story(machine)
        states = {run.state for run in machine.runs}
        machine.teardown()
        assert states <= {RunState.DONE, RunState.DONE_WITH_FAILURES}, story
