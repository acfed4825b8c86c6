"""What the stages ask of the ledger. `pipeline.dynamo_ledger` is the real one."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from pipeline.run import Counts, Page, PageState, Run, RunState, Summary


class Ledger(Protocol):
    """What the stages ask of the ledger."""

    def open_run(self, run: Run) -> bool:
        """Write a run that is new, or was cut off before it was sealed; tell whether it was."""

    def load_run(self, run_id: str) -> Run | None:
        """Return a run, or None where there is none."""

    def runs(self) -> Iterator[str]:
        """Yield the ids of all runs, newest first."""

    def record_pages(self, run_id: str, pages: Sequence[Page]) -> bool:
        """Write the queued rows of a run that is not sealed; tell whether all were written."""

    def discard_pages(self, run_id: str, pages: Sequence[Page]) -> bool:
        """Remove rows of a run that is not sealed; tell whether all were removed."""

    def seal(self, run_id: str, pages: Iterable[Page]) -> bool:
        """Set the run's totals, once: from here on its rows change by outcomes alone."""

    def add_worker_job(self, run_id: str, index: int, job_id: str) -> bool:
        """Note the run's worker job number `index`; tell whether it was the next."""

    def advance(self, run_id: str, before: RunState, after: RunState) -> bool:
        """Move a run from one state to another; tell whether it was in the first."""

    def pages(self, run_id: str, state: PageState | None = None) -> Iterator[Page]:
        """Yield a run's pages, in no order, optionally those in one state."""

    def load_page(self, page: Page) -> Page | None:
        """Return a page as the ledger has it."""

    def expand(self, page: Page, parts: int) -> bool:
        """Fix how many images the source of a queued page has, and count them, once.

        `page` is the source's first. Tell whether it was queued and the number not yet fixed.
        """

    def add_parts(self, pages: Sequence[Page]) -> None:
        """Write the queued rows of an expanded source's further images, where there are none."""

    def settle(self, page: Page) -> bool:
        """Record a queued page as done or failed and count it.

        Tell whether it was queued, and of as many parts as `page` says.
        """

    def requeue(self, page: Page) -> bool:
        """Take back a failure whose message was replayed, and reopen its run.

        Tell whether there was one, in a run that is tiling or done with failures.
        """

    def counts(self, run_id: str, shard: int | None = None) -> Counts:
        """Return how many pages stand where, in a run or in one of its shards."""

    def claim_final_job(self, run_id: str, now: float, stale_before: float) -> bool:
        """Take the right to submit the final job; tell whether it was to be had.

        It is, for a run that is tiling, and for one whose claim is older than `stale_before`
        (seconds since the epoch) and has no job.
        """

    def note_final_job(self, run_id: str, job_id: str) -> None:
        """Note the final job that was submitted."""

    def finish(self, run_id: str, state: RunState, summary: Summary) -> bool:
        """End a run that is building; tell whether it was."""
