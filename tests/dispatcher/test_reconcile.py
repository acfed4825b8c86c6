"""A run that is stuck, wherever a process died, is brought forward by the next pass or two."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace

import pytest
from structlog.testing import capture_logs

from dispatcher.reconcile import (
    CONFIRM_SECONDS,
    DISPATCH_SECONDS,
    MAX_FAILED_WORKERS,
    MAX_FINAL_JOBS,
    MAX_RESENDS,
    MAX_RESTARTS,
    MAX_SENT_AGAIN,
    MAX_TRIED_RUNS,
    Limits,
    Reconciler,
)
from pipeline.completion import CLAIM_SECONDS
from pipeline.dead_letters import Hand
from pipeline.message import Message, parse_message
from pipeline.pool import start_workers
from pipeline.run import Counts, Page, PageState, Run, RunState, Summary, Upload
from tests.builders import a_message, a_plan, a_run, an_upload, done, failed, new_run_id
from tests.fakes import MemoryJobs, MemoryLedger, MemoryQueue

SUMMARY = Summary("https://x/c.json", 1, 0, 0, 9, 1)


@dataclass
class Uploads:
    """A dispatcher that remembers what it was asked to take up."""

    taken_up: list[Upload] = field(default_factory=list)

    def dispatch(self, upload: Upload) -> str:
        self.taken_up.append(upload)
        return "run"


class Scene:
    """Runs on in-memory twins, and a clock that the test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.time = 1_000_000.0
        monkeypatch.setattr("time.time", lambda: self.time)
        self.ledger, self.jobs, self.uploads = MemoryLedger(), MemoryJobs(), Uploads()
        self.queue = MemoryQueue(now=lambda: self.time)

    def reconcile(self, limits: Limits | None = None) -> list[str]:
        """Do one pass; return the names of the events that it logged."""
        reconciler = Reconciler(
            dispatcher=self.uploads,
            ledger=self.ledger,
            outbox=self.queue,
            dead_letters=self.queue.dead_letters,
            jobs=self.jobs,
            limits=limits or Limits(),
            now=lambda: self.time,
        )
        with capture_logs() as logs:
            reconciler.reconcile()
        return [entry["event"] for entry in logs]

    def tiling(self, pages: int) -> list[Message]:
        """Bring a run to tiling, its messages lost and its workers never started."""
        run_id = new_run_id()
        messages = [a_message(run_id, page=number) for number in range(1, pages + 1)]
        rows = [Page(message) for message in messages]
        self.ledger.open_run(a_run(run_id, opened_at=int(self.time)))
        self.ledger.record_pages(run_id, rows)
        self.ledger.seal(run_id, rows)
        self.ledger.advance(run_id, RunState.DISPATCHING, RunState.TILING)
        return messages

    def building(self) -> Run:
        """Bring a run to the claim of its final job."""
        (message,) = self.tiling(1)
        self.ledger.settle(done(message))
        shards = self.ledger.shard_counts(message.run_id)
        assert self.ledger.claim_final_job(message.run_id, shards, self.time)
        return self.run(message.run_id)

    def run(self, run_id: str) -> Run:
        run = self.ledger.load_run(run_id)
        assert run is not None
        return run

    def row(self, message: Message) -> Page:
        row = self.ledger.load_page(Page(message))
        assert row is not None
        return row

    @property
    def sent(self) -> list[Message]:
        return [parse_message(entry.body) for entry in self.queue.entries]


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(monkeypatch)


def test_where_nothing_is_stuck_nothing_is_done(scene: Scene) -> None:
    messages = scene.tiling(3)
    scene.queue.send(messages)
    start_workers(scene.run(messages[0].run_id), POOL, scene.ledger, scene.jobs)
    for _ in range(3):
        assert scene.reconcile() == []
        scene.time += CONFIRM_SECONDS + 1
    assert len(scene.sent) == 3
    assert len(scene.jobs.workers) == POOL


def test_a_run_cut_off_in_dispatching_is_taken_up_when_no_lambda_can_be_at_it(
    scene: Scene,
) -> None:
    run = a_run(new_run_id(), dispatched_at=int(scene.time), upload=an_upload("mine.json"))
    scene.ledger.open_run(run)
    scene.time += DISPATCH_SECONDS
    assert scene.reconcile() == []
    scene.time += 1
    assert scene.reconcile() == ["run_dispatched_again"]
    assert scene.uploads.taken_up == [run.upload]


def test_a_run_that_was_handed_over_is_taken_up_at_the_next_pass(scene: Scene) -> None:
    run = a_run(new_run_id(), dispatched_at=int(scene.time), upload=an_upload("mine.json"))
    scene.ledger.open_run(run)
    scene.ledger.note_dispatch(run.run_id, 0)
    assert scene.reconcile() == ["run_dispatched_again"]
    assert scene.uploads.taken_up == [run.upload]


def test_a_run_that_waits_for_another_is_tried_at_every_pass(scene: Scene) -> None:
    run = a_run(new_run_id(), dispatched_at=int(scene.time))
    scene.ledger.open_run(run)
    scene.ledger.note_waiting(run.run_id, "another")
    assert scene.reconcile() == ["run_dispatched_again"]


def test_a_run_that_waits_is_not_looked_at_as_long_as_the_other_is_at_work(
    scene: Scene,
) -> None:
    (message,) = scene.tiling(1)
    run = a_run(new_run_id(), dispatched_at=int(scene.time))
    scene.ledger.open_run(run)
    scene.ledger.note_waiting(run.run_id, message.run_id)
    assert scene.reconcile() == []
    scene.ledger.cancel(message.run_id, scene.time)
    assert scene.reconcile() == ["run_dispatched_again"]


def test_two_runs_that_wait_for_each_other_are_both_tried(scene: Scene) -> None:
    first, second = (a_run(new_run_id(), dispatched_at=int(scene.time)) for _ in range(2))
    scene.ledger.open_run(first)
    scene.ledger.open_run(second)
    scene.ledger.note_waiting(first.run_id, second.run_id)
    scene.ledger.note_waiting(second.run_id, first.run_id)
    assert scene.reconcile() == ["run_dispatched_again"] * 2


def test_a_run_without_pending_pages_gets_its_final_job(scene: Scene) -> None:
    (message,) = scene.tiling(1)
    scene.ledger.settle(done(message))
    assert scene.reconcile() == ["final_job_submitted", "run_completed"]
    assert scene.reconcile() == []
    assert scene.jobs.finals == [message.run_id]


def test_a_claim_whose_maker_died_is_made_again(scene: Scene) -> None:
    run = scene.building()
    assert scene.reconcile() == []
    scene.time += CLAIM_SECONDS + 1
    assert scene.reconcile() == ["final_job_submitted", "final_job_again"]
    assert scene.jobs.finals == [run.run_id]


def test_a_final_job_that_was_submitted_but_not_noted_is_found(scene: Scene) -> None:
    run = scene.building()
    job_id = scene.jobs.submit_final(run)
    scene.time += CLAIM_SECONDS + 1
    assert scene.reconcile() == ["final_job_again"]
    assert scene.run(run.run_id).final_job == job_id
    assert scene.jobs.finals == [run.run_id]


def test_a_final_job_that_died_is_submitted_again_a_few_times(scene: Scene) -> None:
    run_id = scene.building().run_id
    scene.ledger.note_final_job(run_id, scene.jobs.submit_final(scene.run(run_id)))
    scene.time += CLAIM_SECONDS + 1
    assert scene.reconcile() == []
    for tried in range(2, MAX_FINAL_JOBS + 1):
        scene.jobs.terminate([scene.run(run_id).final_job or ""], "killed")
        assert scene.reconcile() == ["final_job_submitted", "final_job_again"]
        assert scene.run(run_id).final_jobs == tried
        scene.time += CLAIM_SECONDS + 1
    scene.jobs.terminate([scene.run(run_id).final_job or ""], "killed")
    assert scene.reconcile() == ["final_job_given_up"]
    assert len(scene.jobs.finals) == MAX_FINAL_JOBS


def test_claims_without_a_job_do_not_use_up_the_final_jobs(scene: Scene) -> None:
    run = scene.building()
    for _ in range(MAX_FINAL_JOBS):
        scene.time += CLAIM_SECONDS + 1
        assert scene.ledger.reclaim_final_job(run.run_id, None, scene.time, scene.time)
    scene.ledger.note_final_job(run.run_id, scene.jobs.submit_final(scene.run(run.run_id)))
    scene.jobs.terminate([scene.run(run.run_id).final_job or ""], "killed")
    scene.time += CLAIM_SECONDS + 1
    assert scene.reconcile() == ["final_job_submitted", "final_job_again"]


def test_messages_that_wait_while_no_worker_lives_get_workers(scene: Scene) -> None:
    messages = scene.tiling(5)
    scene.queue.send(messages)
    assert scene.reconcile() == ["workers_started"]
    assert len(scene.jobs.workers) == 2
    assert scene.reconcile() == []


def test_no_more_workers_than_pages_are_started(scene: Scene) -> None:
    scene.queue.send(scene.tiling(1))
    scene.reconcile()
    assert len(scene.jobs.workers) == 1


def test_workers_that_do_no_good_are_not_started_for_ever(scene: Scene) -> None:
    first, *_ = messages = scene.tiling(3)
    scene.queue.send(messages)
    for _ in range(MAX_RESTARTS):
        assert scene.reconcile() == ["workers_started"]
        scene.jobs.terminate(scene.jobs.living(list(scene.jobs.ids)), "the image is broken")
    assert scene.reconcile() == ["workers_given_up"]
    scene.ledger.settle(done(first))  # by another run's worker
    assert scene.reconcile() == ["workers_started"]


def at_work(scene: Scene, pages: int, workers: int) -> list[Message]:
    """Bring a run to tiling, with its messages and so many workers."""
    messages = scene.tiling(pages)
    scene.queue.send(messages)
    start_workers(scene.run(messages[0].run_id), workers, scene.ledger, scene.jobs)
    return messages


def test_a_worker_that_ended_is_replaced_while_the_others_work(scene: Scene) -> None:
    at_work(scene, 5, POOL)
    scene.jobs.terminate(["worker-1"], "Spot wanted its machine back")
    assert scene.reconcile() == ["workers_started"]
    assert len(scene.jobs.workers) == POOL + 1
    assert scene.reconcile() == []


def test_as_many_workers_as_wanted_are_kept_up_not_as_many_as_planned(scene: Scene) -> None:
    (message, *_) = at_work(scene, 9, POOL)
    scene.ledger.want_workers(message.run_id, 5)
    assert scene.reconcile() == ["workers_started"]
    assert len(scene.jobs.workers) == 5
    scene.ledger.want_workers(message.run_id, 1)
    scene.jobs.ended |= scene.jobs.ids
    assert scene.reconcile() == ["workers_started"]
    assert len(scene.jobs.workers) == 6


def test_no_more_workers_join_others_than_messages_wait(scene: Scene) -> None:
    (message, *_) = at_work(scene, 9, 1)
    scene.ledger.want_workers(message.run_id, 9)
    for _ in range(7):
        assert scene.queue.receive(0) is not None
    scene.reconcile()
    assert len(scene.jobs.workers) == 1 + 2
    for _ in range(2):
        assert scene.queue.receive(0) is not None
    assert scene.reconcile() == []


def test_workers_that_are_about_to_start_are_reckoned_with(scene: Scene) -> None:
    (message, *_) = at_work(scene, 9, 3)
    scene.ledger.want_workers(message.run_id, 9)
    scene.jobs.held = {"worker-2", "worker-3"}
    for _ in range(6):
        assert scene.queue.receive(0) is not None
    scene.reconcile()
    assert len(scene.jobs.workers) == 3 + 1


def test_what_waits_gives_work_to_workers_of_several_runs_once(scene: Scene) -> None:
    for _ in range(3):
        (message, *_) = at_work(scene, 6, 1)
        scene.ledger.want_workers(message.run_id, 6)
    for _ in range(14):
        assert scene.queue.receive(0) is not None
    scene.reconcile()
    assert len(scene.jobs.workers) == 3 + 4


def test_a_run_whose_workers_are_all_retired_gets_others(scene: Scene) -> None:
    (message, *_) = at_work(scene, 5, POOL)
    for index in range(POOL):
        scene.ledger.retire_worker(message.run_id, index)
    assert scene.reconcile() == ["workers_started"]
    assert len(scene.jobs.workers) == 2 * POOL
    assert scene.jobs.ended == set()


def test_a_retired_worker_is_replaced_by_none_where_fewer_are_wanted(scene: Scene) -> None:
    (message, *_) = at_work(scene, 5, POOL)
    scene.ledger.want_workers(message.run_id, 1)
    scene.ledger.retire_worker(message.run_id, 1)
    assert scene.reconcile() == []


def test_replacing_workers_without_progress_ends_quietly_and_leaves_a_last_restart(
    scene: Scene,
) -> None:
    at_work(scene, 5, POOL)
    for _ in range(MAX_RESTARTS - 1):
        scene.jobs.terminate([max(scene.jobs.living(list(scene.jobs.ids)))], "Spot")
        assert scene.reconcile() == ["workers_started"]
    scene.jobs.terminate([max(scene.jobs.living(list(scene.jobs.ids)))], "Spot")
    assert scene.reconcile() == []
    scene.jobs.ended |= scene.jobs.ids
    assert scene.reconcile() == ["workers_started"]
    scene.jobs.ended |= scene.jobs.ids
    assert scene.reconcile() == ["workers_given_up"]


def test_a_run_that_is_scaled_down_or_cancelled_during_the_pass_gets_no_workers(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    (message, *_) = at_work(scene, 5, 1)
    scene.ledger.want_workers(message.run_id, 4)
    living = scene.jobs.living

    def scaled_meanwhile(job_ids: Sequence[str]) -> set[str]:
        scene.ledger.want_workers(message.run_id, 1)
        return living(job_ids)

    monkeypatch.setattr(scene.jobs, "living", scaled_meanwhile)
    assert scene.reconcile() == []

    def cancelled_meanwhile(job_ids: Sequence[str]) -> set[str]:
        scene.ledger.cancel(message.run_id, scene.time)
        return set()

    monkeypatch.setattr(scene.jobs, "living", cancelled_meanwhile)
    assert scene.reconcile() == []
    assert len(scene.jobs.workers) == 1


def test_rows_whose_message_is_nowhere_are_sent_again_when_that_is_sure(scene: Scene) -> None:
    first, second, third = messages = scene.tiling(3)
    scene.ledger.settle(done(first))
    assert scene.reconcile() == []
    scene.time += CONFIRM_SECONDS - 1
    assert scene.reconcile() == []
    scene.time += 1
    assert scene.reconcile() == ["messages_sent_again"]
    assert set(scene.sent) == {second, third}
    assert scene.reconcile() == ["workers_started"]
    scene.time += CONFIRM_SECONDS
    assert "messages_sent_again" not in scene.reconcile()
    assert len(messages) == 3


def test_a_run_that_moves_lacks_no_messages(scene: Scene) -> None:
    for message in scene.tiling(4):
        assert "messages_sent_again" not in scene.reconcile()
        scene.ledger.settle(done(message))
        scene.time += CONFIRM_SECONDS + 1


def test_messages_of_another_run_do_not_hide_that_some_are_lost(scene: Scene) -> None:
    scene.queue.send(scene.tiling(3))
    (lost,) = scene.tiling(1)
    scene.reconcile()
    scene.time += CONFIRM_SECONDS
    scene.reconcile()
    assert lost in scene.sent


def test_no_pass_sends_more_than_its_share(scene: Scene) -> None:
    scene.tiling(MAX_SENT_AGAIN + 5)
    scene.reconcile()
    scene.time += CONFIRM_SECONDS
    scene.reconcile()
    assert len(scene.sent) == MAX_SENT_AGAIN


def test_messages_that_vanish_again_and_again_start_no_workers_for_ever(scene: Scene) -> None:
    scene.tiling(2)
    for _ in range(30):
        scene.reconcile()
        scene.time += CONFIRM_SECONDS
        # One is there, but no worker takes it; the other is lost again.
        del scene.queue.entries[1:]
        scene.jobs.ended |= scene.jobs.ids
    starts = len(scene.jobs.workers)
    assert 0 < starts <= (MAX_RESENDS + 1) * MAX_RESTARTS
    scene.time += CONFIRM_SECONDS
    assert scene.reconcile() == ["workers_given_up", "messages_given_up"]


BY_HAND = Limits(tries_anew=True)
A_DAY_OF_PASSES = 288
POOL = a_plan().workers


def test_whoever_asks_by_hand_has_tried_anew_what_was_given_up(scene: Scene) -> None:
    messages = scene.tiling(1)
    scene.queue.send(messages)
    for _ in range(MAX_RESTARTS):
        scene.reconcile()
        scene.jobs.terminate(scene.jobs.ids, "its machine vanished")
    assert scene.reconcile() == ["workers_given_up"]
    assert scene.reconcile(BY_HAND) == ["workers_started"]
    assert len(scene.jobs.workers) == MAX_RESTARTS + 1


def test_a_final_job_that_was_given_up_is_tried_anew_by_hand(scene: Scene) -> None:
    run = scene.building()
    for _ in range(MAX_FINAL_JOBS):
        scene.time += CLAIM_SECONDS + 1
        scene.reconcile()
        scene.jobs.terminate(scene.jobs.ids, "its machine vanished")
    scene.time += CLAIM_SECONDS + 1
    assert scene.reconcile() == ["final_job_given_up"]
    assert scene.reconcile(BY_HAND) == ["final_job_submitted", "final_job_again"]
    assert len(scene.jobs.finals) == MAX_FINAL_JOBS + 1
    assert scene.run(run.run_id).state is RunState.BUILDING


def built(scene: Scene) -> str:
    """Bring a run to its end, with a failed page."""
    (message,) = scene.tiling(1)
    scene.ledger.settle(failed(message))
    run_id = message.run_id
    scene.ledger.claim_final_job(run_id, scene.ledger.shard_counts(run_id), 1)
    scene.ledger.finish(scene.run(run_id), RunState.DONE_WITH_FAILURES, SUMMARY)
    return run_id


def test_workers_that_nobody_expects_are_not_started_for_ever(scene: Scene) -> None:
    runs = [built(scene) for _ in range(MAX_TRIED_RUNS + 1)]
    scene.queue.put("moved back by hand")
    starts = []
    for _ in range(3):
        for _ in range(A_DAY_OF_PASSES):
            scene.reconcile()
            scene.jobs.terminate(scene.jobs.ids, "there is no such image")
            scene.time += CONFIRM_SECONDS
        starts.append(len(scene.jobs.workers))
    assert len(Counter(scene.jobs.workers)) == MAX_TRIED_RUNS
    assert starts[0] <= MAX_TRIED_RUNS * (POOL + MAX_FAILED_WORKERS + 1)
    # It does not stop for ever, for somebody may have mended what was broken.
    assert 0 < starts[2] - starts[1] <= 3 * MAX_TRIED_RUNS
    assert scene.reconcile() == ["messages_without_workers"]
    assert scene.reconcile(BY_HAND) == ["workers_started"]
    assert set(scene.jobs.workers) < set(runs)


def test_one_worker_that_ended_well_is_reason_enough_for_another(scene: Scene) -> None:
    run_id = built(scene)
    scene.queue.put("moved back by hand")
    for _ in range(POOL + MAX_RESTARTS):
        assert scene.reconcile() == ["workers_started"]
        scene.jobs.terminate(scene.jobs.ids, "its machine vanished")
    assert scene.reconcile() == ["messages_without_workers"]
    scene.time += CONFIRM_SECONDS + 1
    assert scene.reconcile() == ["workers_started"]
    scene.jobs.ended |= scene.jobs.ids
    assert scene.reconcile() == ["workers_started"]
    assert scene.jobs.workers == [run_id] * (POOL + MAX_RESTARTS + 2)


def test_letters_that_were_moved_back_by_hand_get_a_worker(scene: Scene) -> None:
    run_id = built(scene)
    assert scene.reconcile() == []
    scene.queue.put(a_message(run_id, replays=1).to_json())
    assert scene.reconcile() == ["workers_started"]
    assert scene.reconcile() == []
    assert scene.jobs.workers == [run_id]


def test_a_run_that_cannot_be_built_does_not_keep_workers_from_what_was_moved_back(
    scene: Scene,
) -> None:
    stuck = scene.building().run_id
    scene.ledger.note_final_job(stuck, scene.jobs.submit_final(scene.run(stuck)))
    scene.queue.put(a_message(stuck).to_json())
    assert scene.reconcile() == ["workers_started"]


def test_a_run_that_is_being_dispatched_is_not_given_a_worker_it_does_not_expect(
    scene: Scene,
) -> None:
    built = scene.building().run_id
    opened = a_run(
        new_run_id(),
        dispatched_at=int(scene.time),
        upload=replace(an_upload(), time="2026-12-01T00:00:00Z"),
    )
    scene.ledger.open_run(opened)
    scene.queue.put("moved back by hand")
    assert scene.reconcile() == ["workers_started"]
    assert scene.jobs.workers == [built]


def test_a_fault_with_one_run_keeps_back_no_other(scene: Scene) -> None:
    (broken,), (good,) = scene.tiling(1), scene.tiling(1)
    scene.ledger.settle(done(broken))
    scene.ledger.settle(done(good))
    real = scene.jobs.submit_final

    def submit(run: Run) -> str:
        if run.run_id == broken.run_id:
            raise OSError("no network")
        return real(run)

    scene.jobs.submit_final = submit  # type: ignore[method-assign]
    with pytest.raises(ExceptionGroup, match="not all"):
        scene.reconcile()
    assert scene.jobs.finals == [good.run_id]


def test_a_pass_ends_in_time(scene: Scene) -> None:
    (message,) = scene.tiling(1)
    scene.ledger.settle(done(message))
    assert scene.reconcile(Limits(pass_seconds=-1)) == ["reconciling_cut_off"]
    assert scene.jobs.finals == []


def test_a_run_that_takes_a_whole_pass_keeps_back_no_other_for_ever(scene: Scene) -> None:
    slow = [a_run(f"slow-{number}", dispatched_at=0) for number in range(3)]
    for run in slow:
        scene.ledger.open_run(run)
    (message,) = scene.tiling(1)
    scene.ledger.settle(done(message))
    real = scene.uploads.dispatch

    def dispatch(upload: Upload) -> str:
        scene.time += Limits().pass_seconds + 1
        return real(upload)

    scene.uploads.dispatch = dispatch  # type: ignore[method-assign]
    for _ in range(100):
        scene.reconcile()
    assert scene.jobs.finals == [message.run_id]


def bury(scene: Scene, message: Message, **attributes: str) -> None:
    scene.queue.dead_letters.bury(message.to_json(), attributes, message.run_id)


def letters(scene: Scene) -> list[tuple[Message | None, str | None]]:
    return [
        (letter.message, letter.attributes.get("reason"))
        for letter in scene.queue.dead_letters.letters
    ]


def test_what_the_queue_itself_gave_up_is_recorded(scene: Scene) -> None:
    first, second = scene.tiling(2)
    scene.ledger.settle(done(first))
    bury(scene, second)
    events = scene.reconcile()
    assert events == ["failure_recorded", "final_job_submitted", "letter_removed"]
    row = scene.row(second)
    assert row.state is PageState.FAILED
    assert row.reason == "given up: its message was delivered too often without a result"
    ((letter, reason),) = letters(scene)
    assert letter == replace(second, replays=1)
    assert reason == row.reason
    assert scene.ledger.counts(first.run_id) == Counts(2, 1, 1)
    assert scene.jobs.finals == [first.run_id]


def test_a_failure_whose_worker_died_before_the_ledger_is_recorded(scene: Scene) -> None:
    (message,) = scene.tiling(1)
    bury(scene, replace(message, replays=1), reason="damaged", attempts="3")
    scene.reconcile()
    row = scene.row(message)
    assert (row.state, row.reason, row.attempts) == (PageState.FAILED, "damaged", 3)
    assert letters(scene) == [(replace(message, replays=1), "damaged")]


@pytest.mark.parametrize("replays", [1, 2])
def test_of_two_letters_for_one_failure_one_goes(scene: Scene, replays: int) -> None:
    (message,) = scene.tiling(1)
    scene.ledger.settle(failed(message))
    bury(scene, replace(message, replays=1), reason="damaged")
    for _ in range(2):
        bury(scene, replace(message, replays=replays), reason="damaged")
    events = scene.reconcile()
    assert events.count("letter_removed") == 2
    assert letters(scene) == [(replace(message, replays=1), "damaged")]


@pytest.mark.parametrize("reasons", [("crashed", "given\x00up"), ("given\x00up", "crashed")])
def test_of_letters_with_other_reasons_that_of_the_row_stays(
    scene: Scene, reasons: tuple[str, str]
) -> None:
    (message,) = scene.tiling(1)
    scene.ledger.settle(failed(message, "given\x00up"))
    for reason in reasons:
        bury(scene, replace(message, replays=1), reason=reason)
    assert scene.reconcile().count("letter_removed") == 1
    assert letters(scene) == [(replace(message, replays=1), "given up")]


def test_a_letter_that_alone_is_left_of_a_failure_stays_whatever_its_reason(scene: Scene) -> None:
    (message,) = scene.tiling(1)
    scene.ledger.settle(failed(message, "given up"))
    bury(scene, replace(message, replays=1), reason="crashed")
    assert "letter_removed" not in scene.reconcile()
    assert letters(scene) == [(replace(message, replays=1), "crashed")]


def test_a_letter_of_a_page_that_is_done_goes(scene: Scene) -> None:
    (message,) = scene.tiling(1)
    scene.ledger.settle(done(message))
    bury(scene, replace(message, replays=1), reason="damaged")
    scene.reconcile()
    assert letters(scene) == []


def test_an_older_letter_of_a_failed_page_is_replaced(scene: Scene) -> None:
    (message,) = scene.tiling(1)
    scene.ledger.settle(failed(message, "damaged"))
    bury(scene, message)
    scene.reconcile()
    assert letters(scene) == [(replace(message, replays=1), "damaged")]


def test_the_copy_of_a_letter_that_is_being_replayed_is_left_until_the_end(scene: Scene) -> None:
    (message,) = scene.tiling(1)
    scene.ledger.settle(failed(message))
    again = replace(message, replays=1)
    assert scene.ledger.requeue(Page(again))
    bury(scene, again, reason="damaged")
    scene.queue.send([again])
    scene.reconcile()
    assert scene.row(again).state is PageState.QUEUED
    scene.ledger.settle(done(again))
    scene.reconcile()
    assert letters(scene) == []


def nobodys_body(_scene: Scene) -> str:
    return "{}"


def unknown_run(_scene: Scene) -> str:
    return a_message("nobody").to_json()


def unknown_page(scene: Scene) -> str:
    (message,) = scene.tiling(1)
    return replace(message, page=99).to_json()


@pytest.mark.parametrize("body", [nobodys_body, unknown_run, unknown_page])
def test_a_letter_that_is_nobodys_is_left(scene: Scene, body: Callable[[Scene], str]) -> None:
    scene.queue.dead_letters.bury(body(scene), {}, "none")
    scene.reconcile()
    assert scene.queue.dead_letters.depth() == 1


def test_the_first_of_several_images_fails_with_the_others_under_way(scene: Scene) -> None:
    (message,) = scene.tiling(1)
    scene.ledger.expand(Page(message), 3)
    bury(scene, message)
    scene.reconcile()
    assert scene.row(message).state is PageState.FAILED
    assert {sent.part for sent in scene.sent} == {2, 3}
    assert scene.ledger.counts(message.run_id) == Counts(3, 0, 1)


def test_a_pass_over_no_letters_takes_none_in_hand(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    take = scene.queue.dead_letters.take

    def ask(most: int) -> AbstractContextManager[Hand]:
        asked.append(most)
        return take(most)

    monkeypatch.setattr(scene.queue.dead_letters, "take", ask)
    scene.reconcile()
    assert asked == [0]
