"""What a command says of a run, and the exit code that says the same."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from console.errors import ExitCode
from console.follow import Look
from console.local import Result
from console.report import EXIT_CODES, MAX_SHOWN, progress, report
from pipeline.run import Counts, Page, Run, RunState, Summary
from tests.builders import a_message, a_run, failed

SUMMARY = Summary(
    collection_url="https://images.example.org/iiif/archive/Letters/collection.json",
    images=1200,
    failed=0,
    reused=0,
    tiles=54_321,
    items=7,
)


def ended(state: RunState = RunState.DONE, summary: Summary | None = SUMMARY) -> Run:
    return a_run("run-1", state=state, summary=summary)


def reported(run: Run, failures: tuple[Page, ...] = ()) -> tuple[ExitCode, list[str]]:
    """Return exit code and lines, as on a narrow output that is no terminal."""
    console = Console(file=io.StringIO(), width=40)
    code = report(console, Result(run, failures, 12.34), Path("export"))
    assert isinstance(console.file, io.StringIO)
    return code, console.file.getvalue().splitlines()


def test_a_run_that_is_done_is_summed_up_in_a_few_lines() -> None:
    code, lines = reported(ended())
    assert code == 0
    assert lines == [
        "Done",
        "  images     1200 of 1200",
        "  tiles      54,321",
        "  manifests  7",
        "  seconds    12.3",
        "  collection export/iiif/archive/Letters/collection.json",
        "  its URL    https://images.example.org/iiif/archive/Letters/collection.json",
    ]


def test_failed_pages_are_named_with_file_and_reason() -> None:
    page = failed(a_message(item="book", page=3), "the TIFF file is damaged: premature end")
    summary = replace(SUMMARY, failed=1, withheld=("book",))
    code, lines = reported(ended(RunState.DONE_WITH_FAILURES, summary), (page,))
    assert code == 3
    assert lines[:2] == ["Done with failures", "  images     1199 of 1200"]
    assert (
        "  failed     book, page 3 (archive/Letters/book/Access/p3.tif):"
        " the TIFF file is damaged: premature end"
    ) in lines
    assert "  withheld   book: no manifest, pages failed" in lines


def test_items_with_gaps_and_those_of_a_later_run_are_named() -> None:
    summary = replace(SUMMARY, failed=1, with_gaps=("book",), superseded=("map",))
    _, lines = reported(ended(RunState.DONE_WITH_FAILURES, summary))
    assert [line for line in lines if not line.startswith("  next")][-2:] == [
        "  with gaps  book: published, pages failed",
        "  superseded map: left to a later run",
    ]


def test_every_failed_page_is_named_however_many_there_are() -> None:
    pages = tuple(failed(a_message(page=n), "damaged") for n in range(1, 3 * MAX_SHOWN))
    summary = replace(SUMMARY, failed=len(pages))
    _, lines = reported(ended(RunState.DONE_WITH_FAILURES, summary), pages)
    assert len([line for line in lines if line.endswith(": damaged")]) == len(pages)


def test_a_failed_image_of_a_file_with_several_is_named_by_its_place_in_the_file() -> None:
    key = "archive/Letters/book/Access/p3.pdf"
    first = replace(failed(a_message(page=3, key=key), "damaged"), parts=12)
    last = failed(a_message(page=3, key=key, part=12), "damaged")
    summary = replace(SUMMARY, failed=2, withheld=("book",))
    _, lines = reported(ended(RunState.DONE_WITH_FAILURES, summary), (first, last))
    named = [line for line in lines if line.startswith("  failed ")]
    assert named == [
        f"  failed     book, image 1 of {key}: damaged",
        f"  failed     book, image 12 of {key}: damaged",
    ]


def test_pages_that_were_not_tiled_again_are_told() -> None:
    _, lines = reported(ended(summary=replace(SUMMARY, reused=1100)))
    assert "  images     1200 of 1200, 1100 unchanged and not tiled again" in lines


def test_items_without_a_row_and_problems_are_named() -> None:
    summary = replace(SUMMARY, without_row=("stray",), problems=("CSV row 'x': no images",))
    _, lines = reported(ended(summary=summary))
    assert lines[-2:] == ["  no CSV row stray", "  look at    CSV row 'x': no images"]


def test_long_lists_are_cut() -> None:
    names = tuple(f"item{number}" for number in range(MAX_SHOWN + 5))
    _, lines = reported(ended(summary=replace(SUMMARY, without_row=names)))
    named = [line for line in lines if line.startswith("  no CSV row")]
    assert len(named) == MAX_SHOWN + 1
    assert named[-1] == "  no CSV row … and 5 more"


def test_a_rejected_task_shows_every_mistake_and_exits_2() -> None:
    errors = ("jobQueue: missing", "environment: DEST_URL: missing")
    run = a_run("run-1", state=RunState.REJECTED, errors=errors)
    code, lines = reported(replace(run, plan=None))
    assert code == 2
    assert lines[:2] == ["  jobQueue: missing", "  environment: DEST_URL: missing"]
    assert "2 mistakes; nothing was started." in " ".join(" ".join(lines).split())


def test_one_mistake_is_called_one() -> None:
    _, lines = reported(a_run("run-1", state=RunState.REJECTED, errors=("jobQueue: missing",)))
    assert "The task has one mistake;" in " ".join(" ".join(lines).split())


@pytest.mark.parametrize("state", [state for state in RunState if state.ended])
def test_every_end_of_a_run_has_an_exit_code(state: RunState) -> None:
    code, _ = reported(ended(state))
    assert code == EXIT_CODES[state]
    assert (code == ExitCode.DONE) == (state is RunState.DONE)


@pytest.mark.parametrize("name", ["[bold]x[/bold]", "[/]", "[link=x]", "a[1]", "100%", "{x}"])
def test_names_are_shown_as_they_are(name: str) -> None:
    _, lines = reported(ended(summary=replace(SUMMARY, without_row=(name,))))
    assert lines[-1] == f"  no CSV row {name}"


def test_a_name_between_colons_is_no_emoji() -> None:
    _, lines = reported(ended(summary=replace(SUMMARY, without_row=("letters:book:3",))))
    assert lines[-1] == "  no CSV row letters:book:3"


# While it runs


def look(state: RunState, done: int = 0, failed: int = 0, total: int = 100) -> Look:
    return Look(a_run("run-1", state=state), Counts(total, done, failed))


def watched(*looks: Look, terminal: bool = False) -> str:
    console = Console(file=io.StringIO(), width=100, force_terminal=terminal)
    with progress(console) as watch:
        for each in looks:
            watch(each)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_without_a_terminal_progress_is_plain_lines() -> None:
    assert watched(
        look(RunState.DISPATCHING, total=0),
        look(RunState.TILING),
        look(RunState.TILING, done=48, failed=2),
        look(RunState.BUILDING, done=98, failed=2),
        look(RunState.DONE_WITH_FAILURES, done=98, failed=2),
    ).splitlines() == [
        "dispatching",
        "tiling 0 of 100 images",
        "tiling 50 of 100 images",
        "building 100 of 100 images",
        "done with failures 100 of 100 images",
    ]


def test_a_long_run_prints_a_few_lines_however_often_it_is_looked_at() -> None:
    looks = [look(RunState.TILING, done=count, total=5000) for count in range(5001)]
    assert len(watched(*looks).splitlines()) == 11


def test_a_total_that_grows_with_the_files_opened_is_told_without_repeating_steps() -> None:
    assert watched(
        look(RunState.TILING, total=4),
        look(RunState.TILING, done=2, total=4),
        look(RunState.TILING, done=3, total=1000),
        look(RunState.TILING, done=400, total=1000),
        look(RunState.TILING, done=600, total=1000),
        look(RunState.BUILDING, done=1000, total=1000),
    ).splitlines() == [
        "tiling 0 of 4 images",
        "tiling 2 of 4 images",
        "tiling 600 of 1000 images",
        "building 1000 of 1000 images",
    ]


def test_on_a_terminal_a_total_that_grows_is_that_of_the_bar() -> None:
    first, second = look(RunState.TILING, total=4), look(RunState.TILING, done=3, total=1000)
    assert "3/1000" in watched(first, second, terminal=True)


def test_on_a_terminal_progress_is_a_bar_that_tells_failures() -> None:
    shown = watched(look(RunState.TILING, done=40, failed=2), terminal=True)
    assert "42/100" in shown
    assert "2 failed" in shown
