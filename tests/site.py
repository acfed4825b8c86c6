"""A deployment's parts for the operator's verbs, in memory or embedded, and runs in any state."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pipeline.completion import complete_run
from pipeline.dead_letters import DeadLetter, DeadLetters, letter_attributes
from pipeline.ledger import Ledger
from pipeline.message import Message, parse_message
from pipeline.pool import start_workers
from pipeline.run import Page, PageState, Plan, Run, RunState, Summary
from tests.builders import a_message, a_plan, a_run, done, failed, new_run_id
from tests.fakes import MemoryJobs, MemoryQueue
from tests.queues import SqsQueue

SUMMARY = Summary("https://images.example.org/c.json", 1, 0, 0, 9, 1)


@dataclass
class Site:
    """The parts, with side doors."""

    ledger: Ledger
    outbox: MemoryQueue | SqsQueue
    jobs: MemoryJobs = field(default_factory=MemoryJobs)
    store: str = field(default_factory=lambda: f"s3://{uuid.uuid4()}")
    """Of its own: an item of an export belongs to one run, and all sites share a table."""

    @property
    def dead_letters(self) -> DeadLetters:
        return self.outbox.dead_letters

    def tiling(self, outcomes: Mapping[str, Sequence[str | None]], plan: Plan | None = None) -> Run:
        """Bring a run to tiling.

        `outcomes` has for each item what became of its pages: "" done, None queued still, else
        the reason of a failure, whose letter is buried.
        """
        run_id = new_run_id()
        messages = {
            item: [a_message(run_id, item, page) for page in range(1, len(pages) + 1)]
            for item, pages in outcomes.items()
        }
        rows = [Page(message) for of_item in messages.values() for message in of_item]
        plan = replace(plan or a_plan(workers=3), dest_store=self.store)
        opened = a_run(run_id, plan)
        assert self.ledger.open_run(opened)
        assert not self.ledger.take_items(run_id, plan.export, list(outcomes))
        assert self.ledger.record_pages(run_id, rows)
        assert self.ledger.seal(run_id, rows)
        assert self.ledger.advance(run_id, RunState.DISPATCHING, RunState.TILING)
        for item, of_item in messages.items():
            for message, outcome in zip(of_item, outcomes[item], strict=True):
                if outcome is not None:
                    self.settle(message, outcome)
        return self.run(run_id)

    def settle(self, message: Message, reason: str = "") -> None:
        """End a page as a worker does: done, or failed for a reason."""
        if reason:
            replayed = a_replay(message)
            attributes = letter_attributes(replayed, reason, 2)
            self.dead_letters.bury(replayed.to_json(), attributes, message.run_id)
            assert self.ledger.settle(failed(message, reason))
        else:
            assert self.ledger.settle(done(message))

    def ended(self, outcomes: Mapping[str, Sequence[str | None]], plan: Plan | None = None) -> Run:
        """Bring a run to its end."""
        return self.finish(self.tiling(outcomes, plan))

    def finish(self, run: Run) -> Run:
        """End a run that has no page left."""
        complete_run(run.run_id, self.ledger, self.jobs)
        building = self.run(run.run_id)
        assert building.state is RunState.BUILDING
        any_failed = self.ledger.counts(run.run_id).failed
        state = RunState.DONE_WITH_FAILURES if any_failed else RunState.DONE
        assert self.ledger.finish(building, state, SUMMARY)
        self.jobs.ended |= self.jobs.ids
        return self.run(run.run_id)

    def cancelled(self, outcomes: Mapping[str, Sequence[str | None]]) -> Run:
        """Cancel a run that had two workers."""
        run = self.tiling(outcomes)
        start_workers(run, 2, self.ledger, self.jobs)
        assert self.ledger.cancel(run.run_id, 1)
        self.jobs.ended |= self.jobs.ids
        return self.run(run.run_id)

    def run(self, run_id: str) -> Run:
        run = self.ledger.load_run(run_id)
        assert run is not None
        return run

    def states(self, run: Run) -> dict[tuple[str, int], PageState]:
        """Return the states of a run's pages, by item and page."""
        pages = self.ledger.pages(run.run_id)
        return {(page.message.item, page.message.page): page.state for page in pages}

    def queued(self) -> list[Message]:
        """Take everything out of the queue."""
        return list(self._taken())

    def _taken(self) -> Iterator[Message]:
        while delivery := self.outbox.receive(0):
            yield parse_message(delivery.body)
            delivery.complete()

    def letters(self) -> list[DeadLetter]:
        """Return what lies in the dead-letter queue."""
        with self.dead_letters.take(1_000) as hand:
            return list(hand.letters())


def a_replay(message: Message) -> Message:
    """Return a message as it goes to the dead letters: on its next journey."""
    return replace(message, replays=message.replays + 1)
