"""`status --watch` tells each change until the run ends, and ends with the run's exit code."""

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from console import watching
from console.embedded import EmbeddedCloud
from console.errors import ConsoleError, ExitCode
from console.options import Where
from console.watching import watch
from pipeline.run import Page, Run, RunState, Summary
from tests.builders import a_message, a_run, done, failed, new_run_id

SUMMARY = Summary("https://images.example.org/c.json", 2, 0, 0, 9, 1)
WHERE = Where(Path("unused"), typed=" --dir here")


class Scene:
    """A run of two pages; between one look at it and the next something happens."""

    def __init__(self, cloud: EmbeddedCloud, monkeypatch: pytest.MonkeyPatch) -> None:
        self.place, self.ledger = cloud, cloud.ledger
        self.first, self.second = self.pages = self._open()
        self.run_id = self.first.message.run_id
        self.happenings: Iterator[Callable[[], object]] = iter(())
        monkeypatch.setattr(watching, "time", self)
        self.output = io.StringIO()

    def _open(self) -> list[Page]:
        run_id = new_run_id()
        pages = [Page(a_message(run_id, page=number)) for number in (1, 2)]
        self.ledger.open_run(a_run(run_id))
        self.ledger.record_pages(run_id, pages)
        self.ledger.seal(run_id, pages)
        self.ledger.advance(run_id, RunState.DISPATCHING, RunState.TILING)
        return pages

    def sleep(self, seconds: float) -> None:
        """Stand in for `time`: let the next thing happen, and no time pass."""
        assert seconds > 0
        next(self.happenings)()

    def watch(
        self, *happenings: Callable[[], object], as_json: bool = False, terminal: bool = False
    ) -> ExitCode:
        self.happenings = iter(happenings)
        console = Console(file=self.output, width=200, force_terminal=terminal)
        return watch(self.place, self.run, console, WHERE, as_json=as_json)

    @property
    def run(self) -> Run:
        run = self.ledger.load_run(self.run_id)
        assert run is not None
        return run

    def nothing(self) -> None:
        """Let nothing happen."""

    def tile(self) -> None:
        self.ledger.settle(done(self.first.message))

    def fail(self) -> None:
        self.ledger.settle(failed(self.second.message))

    def end(self) -> None:
        self.ledger.claim_final_job(self.run_id, self.ledger.shard_counts(self.run_id), 1)
        any_failed = self.ledger.counts(self.run_id).failed
        state = RunState.DONE_WITH_FAILURES if any_failed else RunState.DONE
        assert self.ledger.finish(self.run, state, SUMMARY)

    def cancel(self) -> None:
        assert self.ledger.cancel(self.run_id, 1)


@pytest.fixture
def scene(cloud: EmbeddedCloud, monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(cloud, monkeypatch)


def test_each_change_is_a_line_and_at_the_end_comes_all_of_it(scene: Scene) -> None:
    code = scene.watch(
        scene.nothing, scene.tile, scene.nothing, scene.fail, scene.nothing, scene.end
    )
    assert code is ExitCode.DONE_WITH_FAILURES
    lines = scene.output.getvalue().splitlines()
    name = scene.run_id
    assert lines[:4] == [
        f"{name}: tiling, 0 of 2 done, 2 to do",
        f"{name}: tiling, 1 of 2 done, 1 to do",
        f"{name}: tiling, 1 of 2 done, 1 failed",
        f"{name}: done with failures",
    ]
    assert any(line.startswith("  last error book, page 2") for line in lines)
    assert any(f"`tilepool replay {name} --dir here`" in line for line in lines)


def test_with_json_each_change_is_an_object_on_a_line(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    code = scene.watch(scene.nothing, scene.tile, scene.nothing, scene.cancel, as_json=True)
    assert code is ExitCode.FAILED
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["state"], one["counts"]["done"]) for one in told] == [
        ("tiling", 0),
        ("tiling", 1),
        ("cancelled", 1),
    ]
    assert scene.output.getvalue() == ""


def test_on_a_terminal_the_last_state_stays(scene: Scene) -> None:
    def tile_all() -> None:
        scene.tile()
        scene.ledger.settle(done(scene.second.message))

    assert scene.watch(tile_all, scene.end, terminal=True) is ExitCode.DONE
    assert "2 of 2 done" in scene.output.getvalue()
    assert f"{scene.run_id}: done" in scene.output.getvalue()


def test_a_run_that_has_ended_is_shown_once(scene: Scene) -> None:
    scene.cancel()
    assert scene.watch() is ExitCode.FAILED
    assert scene.output.getvalue().startswith(f"{scene.run_id}: cancelled\n")


def test_a_bad_task_has_the_exit_code_of_wrong_usage(scene: Scene) -> None:
    run_id = new_run_id()
    rejected = Run(run_id, a_run(run_id).upload, RunState.REJECTED, errors=("jobName: missing",))
    scene.ledger.open_run(rejected)
    scene.run_id = run_id
    assert scene.watch() is ExitCode.USAGE
    assert "jobName: missing" in scene.output.getvalue()


@pytest.mark.parametrize(
    ("private", "words"),
    [(False, "It goes on: tilepool status {} --dir here"), (True, "tilepool reconcile --dir here")],
)
def test_ctrl_c_ends_the_watching_with_a_word_and_no_fault(
    scene: Scene, capsys: pytest.CaptureFixture[str], private: bool, words: str
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    scene.place = replace(scene.place, private=private)
    assert scene.watch(scene.tile, interrupt) is ExitCode.DONE
    assert words.format(scene.run_id) in capsys.readouterr().err
    assert scene.run.state is RunState.TILING


def test_a_run_whose_row_is_gone_is_one_line(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def vanish() -> None:
        monkeypatch.setattr(scene.ledger, "load_run", lambda _: None)

    with pytest.raises(ConsoleError, match="no row"):
        scene.watch(vanish)
