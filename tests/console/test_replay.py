"""Replay: exactly the chosen pages are tried again, and no letter is lost or doubled on the way."""

import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from rich.console import Console

from console.errors import ConsoleError, ExitCode
from console.replay import Choice, Replayed
from console.replaying import Replaying
from pipeline.completion import Completion, complete_run
from pipeline.dead_letters import letter_attributes
from pipeline.errors import TransientError
from pipeline.message import Message
from pipeline.outbox import Depth
from pipeline.run import Page, PageState, Run, RunState
from tests.builders import a_message, a_plan
from tests.site import Site, a_replay

FAILED, QUEUED, DONE = PageState.FAILED, PageState.QUEUED, PageState.DONE


def replaying(site: Site, choice: Choice | None = None, workers: int | None = None) -> Replaying:
    return Replaying(site, Console(file=io.StringIO(), width=200), choice or Choice(), workers)


def replay(site: Site, run: Run, choice: Choice | None = None, **options: int) -> Replayed:
    return replaying(site, choice, **options).replay_run(run)


def told(asked: Replaying) -> str:
    assert isinstance(asked.console.file, io.StringIO)
    return asked.console.file.getvalue()


def test_failed_pages_are_queued_and_their_letters_are_gone(site: Site) -> None:
    run = site.ended({"a": ["", "damaged", "missing"], "b": ["damaged"]})
    assert len(site.letters()) == 3
    replayed = replay(site, run)
    assert (replayed.pages, replayed.workers) == (3, 3)
    assert site.run(run.run_id).state is RunState.TILING
    assert site.ledger.counts(run.run_id).pending == 3
    assert site.letters() == []
    sent = site.queued()
    assert sorted(message.place for message in sent) == [("a", 2, 1), ("a", 3, 1), ("b", 1, 1)]
    rows = {page.message.place: page.message for page in site.ledger.pages(run.run_id)}
    assert all(message == rows[message.place] for message in sent)
    assert {message.replays for message in sent} == {1}


def test_the_run_ends_when_its_replayed_pages_have_and_the_final_job_runs_once(
    site: Site,
) -> None:
    run = site.ended({"a": ["damaged"] * 5})
    finals = len(site.jobs.finals)
    replay(site, run)
    for number, message in enumerate(site.queued(), 1):
        site.settle(message)
        complete_run(run.run_id, site.ledger, site.jobs)
        assert (len(site.jobs.finals) > finals) == (number == 5)
    assert site.run(run.run_id).state is RunState.BUILDING


def test_a_page_that_fails_again_can_be_replayed_again(site: Site) -> None:
    run = site.ended({"a": ["damaged"]})
    for replays in (1, 2, 3):
        replay(site, run)
        (message,) = site.queued()
        assert message.replays == replays
        site.settle(message, "still damaged")
        run = site.finish(run)
        (letter,) = site.letters()
        assert letter.message == a_replay(message)


@pytest.mark.parametrize(
    ("choice", "places"),
    [
        (Choice(frozenset({"a"})), {("a", 1), ("a", 2)}),
        (Choice(frozenset({"a", "c"})), {("a", 1), ("a", 2), ("c", 1)}),
        (Choice(reason="timed OUT"), {("a", 2), ("b", 1)}),
        (Choice(frozenset({"a"}), "timed out"), {("a", 2)}),
    ],
)
def test_only_what_is_chosen_is_replayed(
    site: Site, choice: Choice, places: set[tuple[str, int]]
) -> None:
    run = site.ended({"a": ["damaged", "S3 timed out"], "b": ["Timed out"], "c": ["missing"]})
    assert replay(site, run, choice).pages == len(places)
    assert {(message.item, message.page) for message in site.queued()} == places
    states = site.states(run)
    assert {place for place, state in states.items() if state is QUEUED} == places
    left = {
        (letter.message.item, letter.message.page) for letter in site.letters() if letter.message
    }
    assert left == {place for place, state in states.items() if state is FAILED}


def test_a_look_at_any_moment_does_not_complete_a_run_that_is_being_replayed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = site.ended({"a": ["damaged"] * 3})
    looks: Counter[str] = Counter()
    for name in ("reopen", "requeue"):
        real = getattr(site.ledger, name)

        def look(*asked: Any, name: str = name, real: Any = real, **more: Any) -> Any:
            answer = real(*asked, **more)
            looks[name] += 1
            assert complete_run(run.run_id, site.ledger, site.jobs) is Completion.PENDING
            return answer

        monkeypatch.setattr(site.ledger, name, look)
    assert replay(site, run).pages == 3
    assert looks == {"reopen": 1, "requeue": 2}
    assert len(site.queued()) == 3


def test_a_cancelled_run_with_failures_is_replayed_without_doubling_a_message(site: Site) -> None:
    run = site.cancelled({"a": ["damaged", "damaged", None]})
    replayed = replay(site, run)
    assert (replayed.pages, replayed.queued) == (2, 1)
    assert sorted(message.page for message in site.queued()) == [1, 2, 3]


def test_what_has_no_letter_any_more_is_replayed_from_its_row(site: Site) -> None:
    run = site.ended({"a": ["damaged", "damaged"]})
    with site.dead_letters.take(1) as hand:
        hand.remove(next(hand.letters()))
    asked = replaying(site)
    assert asked.replay_run(run).pages == 2
    assert "1 page had no letter" in told(asked)
    assert len(site.queued()) == 2
    assert site.letters() == []


def test_doubled_and_older_letters_of_a_replayed_page_are_removed(site: Site) -> None:
    run = site.ended({"a": ["damaged"]})
    (letter,) = site.letters()
    assert letter.message is not None
    site.dead_letters.bury(letter.body, letter.attributes, letter.group)
    raw = replace(letter.message, replays=0)
    site.dead_letters.bury(raw.to_json(), {}, letter.group)
    replay(site, run)
    assert len(site.queued()) == 1
    assert site.letters() == []


def test_letters_of_other_runs_and_of_nobody_stay(site: Site) -> None:
    other = site.ended({"z": ["damaged"]})
    run = site.ended({"a": ["damaged"]})
    stranger = a_message("unknown-run")
    site.dead_letters.bury("Dear reader", {}, "none")
    site.dead_letters.bury(stranger.to_json(), letter_attributes(stranger, "x", 1), "unknown-run")
    replay(site, run)
    bodies = Counter(letter.body for letter in site.letters())
    assert len(bodies) == 3
    assert bodies["Dear reader"] == bodies[stranger.to_json()] == 1
    assert site.run(other.run_id).state is RunState.DONE_WITH_FAILURES


def test_a_page_whose_item_belongs_to_a_later_run_stays_failed(site: Site) -> None:
    run = site.ended({"a": ["damaged"], "b": ["damaged"]})
    later = site.ended({"a": [""]})
    asked = replaying(site)
    assert asked.replay_run(run).pages == 1
    assert [message.item for message in site.queued()] == ["b"]
    assert site.states(run) == {("a", 1): FAILED, ("b", 1): QUEUED}
    assert [letter.message and letter.message.item for letter in site.letters()] == ["a"]
    assert f"1 failed page left alone: the items belong to a later run, {later.run_id}" in told(
        asked
    )


def test_a_run_that_has_nothing_of_its_own_left_is_not_reopened(site: Site) -> None:
    run = site.ended({"a": ["damaged"]})
    site.ended({"a": [""]})
    with pytest.raises(ConsoleError, match="nothing that was chosen is this run's"):
        replay(site, run)
    assert site.run(run.run_id).state is RunState.DONE_WITH_FAILURES


def test_where_nothing_has_failed_nothing_is_done(site: Site) -> None:
    run = site.ended({"a": [""]})
    asked = replaying(site)
    assert asked.replay_run(run).pages == 0
    assert "no page has failed" in told(asked)
    assert site.run(run.run_id).state is RunState.DONE


def test_a_choice_that_takes_nothing_is_a_mistake_of_the_users(site: Site) -> None:
    run = site.ended({"a": ["damaged"]})
    with pytest.raises(ConsoleError, match="no failed page is chosen") as caught:
        replay(site, run, Choice(frozenset({"b"})))
    assert caught.value.exit_code is ExitCode.USAGE
    assert site.run(run.run_id).state is RunState.DONE_WITH_FAILURES
    assert len(site.letters()) == 1


def test_a_run_under_way_is_replayed_while_it_goes_on(site: Site) -> None:
    run = site.tiling({"a": ["damaged", None]})
    assert replay(site, run).pages == 1
    assert site.ledger.counts(run.run_id).pending == 2


def test_a_run_that_builds_its_manifests_is_left_alone(site: Site) -> None:
    run = site.tiling({"a": ["damaged"]})
    complete_run(run.run_id, site.ledger, site.jobs)
    with pytest.raises(ConsoleError, match="is building its manifests"):
        replay(site, site.run(run.run_id))
    assert len(site.letters()) == 1


def test_a_run_that_begins_to_build_at_that_moment_keeps_its_letters(site: Site) -> None:
    seen = site.tiling({"a": ["damaged"]})
    complete_run(seen.run_id, site.ledger, site.jobs)
    with pytest.raises(ConsoleError, match="has begun to build"):
        replay(site, seen)
    assert (len(site.letters()), site.queued()) == (1, [])


def test_a_cancelled_run_is_taken_up_with_what_was_queued(site: Site) -> None:
    run = site.cancelled({"a": ["damaged", None, ""], "b": [None]})
    replayed = replay(site, run)
    assert (replayed.pages, replayed.queued, replayed.workers) == (1, 2, 3)
    assert sorted(message.place for message in site.queued()) == [
        ("a", 1, 1),
        ("a", 2, 1),
        ("b", 1, 1),
    ]
    assert site.run(run.run_id).state is RunState.TILING


@pytest.mark.parametrize(
    ("workers", "pages", "living", "started"),
    [
        (None, 5, 0, 3),
        (None, 2, 0, 2),
        (None, 5, 2, 1),
        (None, 5, 3, 1),
        (4, 5, 3, 4),
        (9, 2, 0, 2),
    ],
)
def test_workers_are_as_many_as_wanted_less_those_that_live(
    site: Site, workers: int | None, pages: int, living: int, started: int
) -> None:
    run = site.ended({"a": ["damaged"] * pages}, a_plan(workers=3))
    for number in range(living):
        assert site.ledger.add_worker_job(run.run_id, number, f"at-work-{number}")
        site.jobs.ids.add(f"at-work-{number}")
    assert replaying(site, workers=workers).replay_run(run).workers == started


@dataclass
class Broken:
    """A queue that takes so many messages and then breaks."""

    site: Site
    good: int

    def send(self, messages: Iterable[Message]) -> int:
        wanted = list(messages)
        if self.good <= 0:
            raise TransientError("SQS is away")
        self.good -= 1
        return self.site.outbox.send(wanted)

    def depth(self) -> Depth:
        return self.site.outbox.depth()


@dataclass
class Parts:
    """The parts of a site with another outbox."""

    site: Site
    outbox: Broken

    def __getattr__(self, name: str) -> object:
        return getattr(self.site, name)


@pytest.mark.parametrize("good", [0, 1])
def test_a_fault_on_the_way_loses_no_letter(
    site: Site, good: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.replay.ROWS_AT_ONCE", 2)
    run = site.ended({"a": ["damaged"] * 5})
    parts: object = Parts(site, Broken(site, good))
    asked = Replaying(parts, Console(file=io.StringIO()), Choice())  # type: ignore[arg-type]
    with pytest.raises(TransientError):
        asked.replay_run(run)
    counts = site.ledger.counts(run.run_id)
    assert len(site.letters()) == 5
    assert counts.pending + counts.failed == 5
    # What is queued without a message is sent again by the reconciler, which needs the run open.
    assert site.run(run.run_id).state is RunState.TILING
    assert complete_run(run.run_id, site.ledger, site.jobs).name == "PENDING"


def test_a_dry_run_lists_pages_and_changes_nothing(site: Site) -> None:
    run = site.ended({"a": ["damaged", "missing"]})
    asked = replaying(site, Choice(reason="damaged"))
    assert asked.show_run(run) is ExitCode.DONE
    assert "a, page 1 (archive/Letters/a/Access/p1.tif): damaged" in told(asked)
    assert "1 page would be replayed" in told(asked)
    assert site.run(run.run_id) == run
    assert (len(site.letters()), site.queued()) == (2, [])


def test_a_dry_run_that_chooses_nothing_ends_as_a_replay_would(site: Site) -> None:
    run = site.ended({"a": ["damaged"]})
    for choice in (Choice(frozenset({"b"})), Choice(reason="missing")):
        for act in (replaying(site, choice).show_run, replaying(site, choice).replay_run):
            with pytest.raises(ConsoleError, match="no failed page is chosen") as refused:
                act(run)
            assert refused.value.exit_code is ExitCode.USAGE


def test_an_item_without_a_failed_page_is_named(site: Site) -> None:
    run = site.ended({"a": ["damaged"], "c": [""]})
    asked = replaying(site, Choice(frozenset({"a", "b", "c"})))
    asked.show_run(run)
    asked.replay_run(run)
    for item in ("b", "c"):
        assert told(asked).count(f"'{item}' has no such page in {run.run_id}") == 2


@pytest.mark.parametrize(("is_cancelled", "verb"), [(False, "reconcile"), (True, "resume")])
def test_a_run_with_pages_to_do_and_none_that_failed_is_not_said_to_be_well(
    site: Site, is_cancelled: bool, verb: str
) -> None:
    pages: dict[str, list[str | None]] = {"a": ["", None]}
    run = site.cancelled(pages) if is_cancelled else site.tiling(pages)
    with pytest.raises(ConsoleError, match=f"1 page still to do: `tilepool {verb}"):
        replaying(site).replay_run(run)


def test_a_dry_run_shows_some_pages_of_many(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.replaying.MAX_SHOWN", 2)
    asked = replaying(site)
    asked.show_run(site.ended({"a": ["damaged"] * 5}))
    assert told(asked).count("damaged") == 2
    assert "… and 3 more" in told(asked)
    assert "5 pages would be replayed" in told(asked)


def test_all_runs_with_letters_are_replayed_but_those_that_may_not(site: Site) -> None:
    one = site.ended({"a": ["damaged"]})
    two = site.ended({"b": ["missing", ""]})
    cancelled = site.cancelled({"c": ["damaged", None]})
    building = site.tiling({"d": ["damaged"]})
    complete_run(building.run_id, site.ledger, site.jobs)
    site.dead_letters.bury("Dear reader", {}, "none")
    asked = replaying(site)
    replayed = asked.replay_all()
    assert {done.run_id for done in replayed} == {one.run_id, two.run_id}
    assert {message.item for message in site.queued()} == {"a", "b"}
    assert len(site.letters()) == 3
    assert site.run(cancelled.run_id).state is RunState.CANCELLED
    assert f"{cancelled.run_id}: left alone, it is cancelled" in told(asked)
    assert f"{building.run_id}: left alone, it is building" in told(asked)
    assert "1 letter that no run knows: left there" in told(asked)


def test_where_there_is_no_letter_replaying_all_does_nothing(site: Site) -> None:
    asked = replaying(site)
    assert asked.replay_all() == []
    assert told(asked) == "Nothing to replay\n"


def test_a_page_of_a_file_with_several_images_is_replayed_alone(site: Site) -> None:
    run = site.tiling({"a": [None]})
    (first,) = site.ledger.pages(run.run_id)
    assert site.ledger.expand(first, 3)
    others = [Page(replace(first.message, part=part)) for part in (2, 3)]
    site.ledger.add_parts(others)
    site.settle(others[0].message)
    site.settle(others[1].message, "damaged")
    row = site.ledger.load_page(first)
    assert row is not None
    assert site.ledger.settle(replace(row, state=PageState.FAILED, reason="odd"))
    run = site.finish(run)
    assert replay(site, run).pages == 2
    assert sorted(message.place for message in site.queued()) == [("a", 1, 1), ("a", 1, 3)]
