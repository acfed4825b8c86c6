"""What `tilepool replay` does and says, for one run and for all that have dead letters."""

from collections import Counter
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from console.dlq import look_at_letters
from console.errors import ConsoleError, ExitCode
from console.failures import failure_of, line
from console.parts import Parts
from console.plain import counted, say, spoken
from console.replay import Choice, Chosen, Place, Replayed, check_replayable, remove_letters, replay
from console.runs import find_run
from pipeline.dead_letters import MAX_IN_HAND
from pipeline.pool import living_jobs
from pipeline.run import Run, RunState

if TYPE_CHECKING:
    from rich.console import Console

MAX_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Replaying:
    """A replay that was asked for; `workers` of None means as many as the task asked for."""

    parts: Parts
    console: "Console"
    choice: Choice
    workers: int | None = None

    def replay_run(self, run: Run) -> Replayed:
        """Replay the chosen pages of a run, and say so; raises ConsoleError where none is."""
        chosen = self._chosen(run)
        replayed, places = self._replay(chosen)
        if replayed.pages == 0 and replayed.queued == 0:
            self._refuse(run, replayed.taken)
        self._tell_missed(chosen)
        self._tell_letters(replayed.pages, remove_letters(places, self.parts))
        return replayed

    def replay_all(self) -> list[Replayed]:
        """Replay every run that has dead letters, except those that cannot be just now."""
        survey = look_at_letters(self.parts.dead_letters, self.parts.ledger, MAX_IN_HAND)
        places: dict[Place, int] = {}
        replayed: list[Replayed] = []
        for run_id in survey.runs:
            run = find_run(self.parts.ledger, run_id)
            reason = _unfit(run)
            if reason is not None:
                say(self.console, f"{run_id}: left alone, {reason}")
                continue
            done, of_run = self._replay(self._chosen(run))
            places |= of_run
            if done.pages:
                replayed.append(done)
        if survey.unknown:
            letters = counted(survey.unknown, "letter")
            say(self.console, f"{letters} that no run knows: left there (`tilepool dlq`)")
        if replayed:
            pages = sum(done.pages for done in replayed)
            self._tell_letters(pages, remove_letters(places, self.parts))
        else:
            say(self.console, survey.nothing_to_replay)
        return replayed

    def show_run(self, run: Run) -> ExitCode:
        """List the pages of a run that would be replayed; change nothing.

        Raises ConsoleError where none is, as replaying them would.
        """
        chosen = self._chosen(run)
        if self._show(chosen) == 0:
            self._refuse(run, chosen.taken)
        self._tell_missed(chosen)
        return ExitCode.DONE

    def _chosen(self, run: Run) -> Chosen:
        return Chosen(run, self.choice, self.parts.ledger)

    def _show(self, chosen: Chosen) -> int:
        """List pages; return how many."""
        run = chosen.run
        check_replayable(run)
        pages = chosen.pages()
        shown = list(islice(pages, MAX_SHOWN))
        for page in sorted(shown, key=lambda page: page.message.place):
            say(self.console, f"  {line(failure_of(page))}")
        number = len(shown) + sum(1 for _ in pages)
        if number > len(shown):
            say(self.console, f"  … and {number - len(shown):,} more")
        say(self.console, f"{run.run_id}: {counted(number, 'page')} would be replayed")
        self._tell_taken(chosen.taken)
        if run.state is RunState.CANCELLED and number:
            pending = self.parts.ledger.counts(run.run_id).pending
            say(self.console, f"  and as it is cancelled, {pending:,} others tiled")
        return number

    def show_all(self) -> ExitCode:
        """List the pages of all runs with dead letters that would be replayed."""
        survey = look_at_letters(self.parts.dead_letters, self.parts.ledger, MAX_IN_HAND)
        for run_id in survey.runs:
            run = find_run(self.parts.ledger, run_id)
            reason = _unfit(run)
            if reason is None:
                self._show(self._chosen(run))
            else:
                say(self.console, f"{run_id}: would be left alone, {reason}")
        if not survey.runs:
            say(self.console, survey.nothing_to_replay)
        return ExitCode.DONE

    def _replay(self, chosen: Chosen) -> tuple[Replayed, dict[Place, int]]:
        replayed, places = replay(chosen, self.parts, self.workers)
        if replayed.pages or replayed.queued:
            pages = counted(replayed.pages, "page")
            workers = counted(replayed.workers, "worker")
            say(self.console, f"{replayed.run_id}: {pages} replayed, {workers} started")
        if replayed.queued:
            say(self.console, f"  and {replayed.queued:,} that were queued when it was cancelled")
        self._tell_taken(replayed.taken)
        return replayed, places

    def _tell_letters(self, pages: int, letters: int) -> None:
        if letters < pages:
            without = counted(pages - letters, "page")
            say(
                self.console,
                f"  {without} had no letter in the dead-letter queue (expired, or in another"
                " command's hand), and were sent by the ledger's row",
            )

    def _tell_taken(self, taken: Counter[str]) -> None:
        for owner, pages in taken.items():
            which = counted(pages, "failed page")
            say(self.console, f"  {which} left alone: the items belong to a later run, {owner}")

    def _tell_missed(self, chosen: Chosen) -> None:
        for item in sorted(self.choice.items - chosen.items):
            say(self.console, f"  {item!r} has no such page in {chosen.run.run_id}")

    def _refuse(self, run: Run, taken: Counter[str]) -> None:
        """Say that nothing is chosen, and why.

        It is no error where no page has failed, and workers are at the others, if any.
        """
        run_id = run.run_id
        if taken:
            raise ConsoleError(f"run {run_id}: nothing that was chosen is this run's any more")
        pending = self.parts.ledger.counts(run_id).pending
        is_at_work = living_jobs(run_id, self.parts.ledger, self.parts.jobs)
        if self.choice == Choice() and pending and not is_at_work:
            verb = f"resume {run_id}" if run.state is RunState.CANCELLED else "reconcile"
            raise ConsoleError(
                f"run {run_id}: no page has failed, but {counted(pending, 'page')} still to do:"
                f" `tilepool {verb}` goes on with them"
            )
        if self.choice == Choice():
            more = f" so far, and {counted(pending, 'page')} still to do" if pending else ""
            return say(self.console, f"{run_id}: no page has failed{more}")
        raise ConsoleError(
            f"run {run_id}: no failed page is chosen by --item and --reason;"
            f" `tilepool failed {run_id}` lists them",
            ExitCode.USAGE,
        )


def _unfit(run: Run) -> str | None:
    """Return why a run is not replayed with all others, if so."""
    if run.state is RunState.CANCELLED:
        return f"it is cancelled (`tilepool resume {run.run_id}`)"
    if run.state in {RunState.BUILDING, RunState.DISPATCHING, RunState.REJECTED}:
        return f"it is {spoken(run.state.value)}"
    return None
