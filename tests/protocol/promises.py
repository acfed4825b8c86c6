"""What holds at every moment, whoever dies whenever; and what holds when all has come to rest."""

from collections import Counter
from dataclasses import dataclass, field

from pipeline.errors import BadMessage
from pipeline.message import Message, parse_message
from pipeline.run import SHARDS, Counts, Page, PageState, Run, RunState
from tests.protocol.stage import Stage
from tests.protocol.worlds import all_letters

Place = tuple[str, int, int]


@dataclass
class Promises:
    """Looks at a stage, and remembers what must not change."""

    stage: Stage
    done: dict[tuple[str, Place], Page] = field(default_factory=dict)

    def check(self) -> None:
        """Check what holds at every moment."""
        assert not self.stage.mixed, "tiled what belongs to another run"
        messages = self._messages()
        for run in self.stage.runs():
            if run.recorded:
                rows = list(self.stage.world.ledger.pages(run.run_id))
                self._check_counts(run, rows)
                self._check_state(run, rows)
                self._check_done(run, rows)
                if messages is not None:
                    check_failures(run, rows, messages)

    def _messages(self) -> list[Message] | None:
        """Return what lies in both queues."""
        bodies = self.stage.world.bodies()
        if bodies is None:
            return None
        letters = [letter.body for letter in all_letters(self.stage.world)]
        return [message for body in (*bodies, *letters) if (message := _parsed(body)) is not None]

    def _check_counts(self, run: Run, rows: list[Page]) -> None:
        """Check that each shard's counts are those of its rows, each image counted once."""
        shards = self.stage.world.ledger.shard_counts(run.run_id)
        assert len(shards) == SHARDS
        found = [Counts()] * SHARDS
        for page in rows:
            # The further images of a source are counted before their rows are written.
            total = page.parts if page.message.part == 1 else 0
            done, failed = page.state is PageState.DONE, page.state is PageState.FAILED
            found[page.shard] += Counts(total, done, failed)
        assert shards == tuple(found)
        assert len(rows) <= sum(counts.total for counts in shards)

    def _check_state(self, run: Run, rows: list[Page]) -> None:
        states = Counter(page.state for page in rows)
        if run.state in {RunState.BUILDING, RunState.DONE, RunState.DONE_WITH_FAILURES}:
            assert states[PageState.QUEUED] == 0
            assert len(rows) == sum(page.parts for page in rows if page.message.part == 1)
        if run.state is RunState.DONE:
            assert states[PageState.FAILED] == 0
        if run.state is RunState.DONE_WITH_FAILURES:
            assert states[PageState.FAILED] > 0
        is_open = run.run_id in set(self.stage.world.ledger.open_runs())
        assert is_open is not run.state.ended

    def _check_done(self, run: Run, rows: list[Page]) -> None:
        for page in rows:
            if page.state is PageState.DONE:
                known = self.done.setdefault((run.run_id, page.message.place), page)
                assert page == known
        found = {(run.run_id, page.message.place) for page in rows if page.state is PageState.DONE}
        assert {key for key in self.done if key[0] == run.run_id} == found


def check_failures(run: Run, rows: list[Page], messages: list[Message]) -> None:
    """Check that each failure can be replayed: some message goes beyond it."""
    for page in rows:
        if page.state is PageState.FAILED:
            mine = [
                message
                for message in messages
                if (message.run_id, message.place) == (run.run_id, page.message.place)
            ]
            assert any(message.replays > page.message.replays for message in mine)


def check_rest(stage: Stage) -> None:
    """Check what holds when nothing moves any more."""
    assert stage.world.outbox.depth() == (0, 0)
    failures: Counter[tuple[str, Place]] = Counter()
    for run in stage.runs():
        assert run.state.ended, run
        rows = list(stage.world.ledger.pages(run.run_id))
        for page in rows:
            if run.state is not RunState.CANCELLED:
                assert page.state is not PageState.QUEUED
            if page.state is PageState.FAILED:
                failures[run.run_id, page.message.place] += 1
    letters = Counter(
        (letter.message.run_id, letter.message.place)
        for letter in all_letters(stage.world)
        if letter.message is not None
    )
    assert letters == failures


def _parsed(body: str) -> Message | None:
    try:
        return parse_message(body)
    except BadMessage:
        return None
