"""What the stages ask of the ledger. `pipeline.dynamo_ledger` is the real one."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Protocol

from pipeline.run import (
    SHARDS,
    Counts,
    Page,
    PageState,
    Run,
    RunState,
    Summary,
    Watch,
    WorkerJob,
)


def go_on() -> None:
    """Let it go on."""


class Ledger(Protocol):
    """What the stages ask of the ledger."""

    def open_run(self, run: Run) -> bool:
        """Write a run that is new, or was cut off before it was sealed; tell whether it was.

        Under another `opening` than before, its pages are to be recorded from the beginning.
        """

    def note_dispatch(self, run_id: str, since: int) -> bool:
        """Note since when a run is being dispatched; tell whether it is. 0 hands it over."""

    def note_sent(self, run_id: str, shards: int) -> bool:
        """Note of how many shards, from the first on, all messages are sent; tell whether it was.

        It is not where somebody has got further, or the run is not being dispatched any more.
        """

    def load_run(self, run_id: str) -> Run | None:
        """Return a run, or None where there is none."""

    def runs(self) -> Iterator[str]:
        """Yield the ids of all runs, newest first."""

    def run_of_upload(self, bucket: str, key: str, since: str) -> str | None:
        """Return the id of an upload's run, or None where there is none yet; of several the newest.

        Looks only at runs that were uploaded at `since` (ISO 8601, UTC) or later.
        """

    def open_runs(self) -> Iterator[str]:
        """Yield the ids of the runs that have not ended."""

    def take_items(self, run_id: str, export: str, items: Sequence[str]) -> frozenset[str]:
        """Make a run the one that writes items of an export.

        Return the ids of runs under way that have some of them; then the run has none. What
        belongs to a run that has ended is taken over.
        """

    def owners(self, export: str, items: Sequence[str]) -> dict[str, str]:
        """Return the ids of the runs that write items of an export, by item."""

    def note_waiting(self, run_id: str, other: str) -> bool:
        """Note which run has items of a run that is not sealed."""

    def record_pages(
        self,
        run_id: str,
        pages: Iterable[Page],
        opening: str = "",
        checkpoint: Callable[[], None] = go_on,
    ) -> bool:
        """Write the queued rows of a run that is not sealed; tell whether all are written.

        `pages` are all of the run, in the same order for the same `opening`: it goes on where it
        was cut off. Rows of other openings are removed first. After some have been written
        `checkpoint` is called, which may raise. This and the next are refused where the run was
        opened again, as another `opening`.
        """

    def seal(self, run_id: str, pages: Iterable[Page], opening: str = "") -> bool:
        """Set the run's totals, once: from here on its rows change by outcomes alone.

        It is refused unless all `pages` have been recorded.
        """

    def add_worker_job(self, run_id: str, index: int, job_id: str) -> bool:
        """Note the run's worker job number `index`, from 0; tell whether there was none yet."""

    def worker_jobs(self, run_id: str) -> tuple[WorkerJob, ...]:
        """Return the run's worker jobs, in the order of their numbers."""

    def retire_worker(self, run_id: str, index: int) -> bool:
        """Ask worker job number `index` to take no more pages; tell whether nobody had yet."""

    def is_retired(self, run_id: str, index: int) -> bool:
        """Tell whether worker job number `index` is to take no more pages."""

    def want_workers(self, run_id: str, number: int) -> bool:
        """Note how many workers a run is to have; tell whether it had not ended."""

    def advance(self, run_id: str, before: RunState, after: RunState) -> bool:
        """Move a run from one state to another; tell whether it was in the first."""

    def pages(
        self, run_id: str, state: PageState | None = None, first_shard: int = 0
    ) -> Iterator[Page]:
        """Yield a run's pages, shard by shard from one on; with `state`, those that are in it."""

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
        """Take back a failure whose message was replayed.

        Tell whether there was one, in a run whose counts are open: neither built nor being built.
        """

    def reopen(
        self,
        run_id: str,
        states: Collection[RunState],
        *,
        trickles: bool,
        requeued: Page | None = None,
    ) -> bool:
        """Set a sealed run that is in one of the states to tiling, and open its counts.

        With `requeued`, take back that failure in the same moment, for a run that is tiling
        without a queued page is as good as complete. Tell whether the run was in one of the
        states, or tiling already, and that page failed. `trickles` tells that nobody knows how
        many failures will be taken back.
        """

    def restart(self, run_id: str) -> bool:
        """Set a cancelled run that is not sealed to dispatching; tell whether it was that.

        Nobody dispatches it: the reconciler's next pass does.
        """

    def cancel(self, run_id: str, now: float) -> bool:
        """Cancel a run; tell whether it had not ended."""

    def note_watch(self, run_id: str, watch: Watch) -> bool:
        """Keep the reconciler's memory of a run that is tiling."""

    def counts(self, run_id: str) -> Counts:
        """Return how many pages of a run stand where."""

    def shard_counts(
        self, run_id: str, shards: Collection[int] = range(SHARDS)
    ) -> tuple[Counts, ...]:
        """Return the counts of shards, in their order; none for a run that is not sealed."""

    def last_failures(self, run_id: str) -> tuple[Page, ...]:
        """Return the last failed page of each shard, newest first, that still is one.

        Costs two requests, however many pages there are.
        """

    def claim_final_job(
        self, run_id: str, shards: Sequence[Counts], now: float, *, is_quiet: bool = False
    ) -> bool:
        """Take the right to submit the final job of a run that is tiling, and close its counts.

        Tell whether it was to be had: the counts must still be those of `shards`, and if the run
        trickles, somebody must have seen that it is quiet.
        """

    def reclaim_final_job(
        self, run_id: str, dead: str | None, now: float, stale_before: float
    ) -> bool:
        """Take the right to submit the final job once more; tell whether it was to be had.

        It is where the run is building, its claim was made before `stale_before` (seconds since
        the epoch), and its job is `dead`: None where none was noted.
        """

    def claim_rebuild(self, run_id: str, now: float, *, with_gaps: bool) -> bool:
        """Take the right to submit the final job of a run that was built; tell whether it was.

        `with_gaps` tells whether items with failed pages are published, from now on.
        """

    def note_final_job(self, run_id: str, job_id: str) -> None:
        """Note the final job that was submitted."""

    def note_fault(self, run: Run, fault: str) -> bool:
        """Note why a run that is building could not be built, under the claim that `run` has."""

    def finish(self, run: Run, state: RunState, summary: Summary) -> bool:
        """End a run that is building; tell whether it was, under the claim that `run` has."""
