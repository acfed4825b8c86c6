"""What a librarian sees: how far it is, and what to repair, in bounds."""

import io

import pytest
from rich.console import Console

from console.errors import ExitCode
from console.verify.findings import MAX_TOLD, Finding, Findings, Kind
from console.verify.report import IMAGES_PER_LINE, progress, report
from console.verify.verification import Verified


@pytest.fixture(params=[False, True], ids=["file", "terminal"])
def console(request: pytest.FixtureRequest) -> Console:
    return Console(file=io.StringIO(), force_terminal=request.param, width=200)


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def verified(*findings: Finding) -> Verified:
    found = Findings()
    found.add(findings)
    return Verified(images=2, findings=found)


def test_progress_is_shown_in_few_lines() -> None:
    console = Console(file=io.StringIO(), force_terminal=False)
    so_far = Verified()
    with progress(console) as watch:
        for _ in range(3 * IMAGES_PER_LINE):
            so_far.images += 1
            watch(so_far)
    assert len(shown(console).splitlines()) == 3
    assert "3,000 images" in shown(console)


def test_progress_leaves_a_terminal_as_it_was() -> None:
    console = Console(file=io.StringIO(), force_terminal=True)
    with progress(console) as watch:
        watch(Verified(images=7, decoded=2))
    assert "7 images" in shown(console)


def test_notes_alone_are_no_error(console: Console) -> None:
    notes = [Finding(Kind.NOTE, f"place {n}", "is odd") for n in (2, 1, 3)]
    assert report(console, verified(*notes)) is ExitCode.DONE
    assert "3 × is odd (e.g. place 1)" in shown(console)


def test_gaps_are_counted_and_named_and_no_error(console: Console) -> None:
    gaps = [Finding(Kind.GAP, "book", f"canvas {n} shows no image") for n in range(MAX_TOLD + 1)]
    assert report(console, verified(*gaps)) is ExitCode.DONE
    text = shown(console)
    assert "All that is named is there and right" in text
    assert f"  gaps        {MAX_TOLD + 1}" in text
    assert "book: canvas 0 shows no image" in text
    assert "… and 1 more" in text


def test_a_gap_does_not_hide_an_error(console: Console) -> None:
    gap, error = Finding(Kind.GAP, "book", "gap"), Finding(Kind.DAMAGED, "tile", "is empty")
    assert report(console, verified(gap, error)) is ExitCode.FAILED
    assert "One error found" in shown(console)


def test_one_error_is_enough(console: Console) -> None:
    found = verified(Finding(Kind.DAMAGED, "tile", "is empty"))
    assert report(console, found) is ExitCode.FAILED
    assert "One error found" in shown(console)
    assert "tile: is empty" in shown(console)


def test_each_kind_of_error_is_told_in_bounds(console: Console) -> None:
    many = [Finding(kind, f"{n}", "x", times=2) for kind in Kind for n in range(5_000)]
    assert report(console, verified(*many)) is ExitCode.FAILED
    assert f"{(len(Kind) - 2) * 10_000:,} errors found" in shown(console)
    assert len(shown(console).splitlines()) < (MAX_TOLD + 3) * len(Kind)
    assert f"… and {10_000 - 2 * MAX_TOLD:,} more" in shown(console)


def test_kinds_of_notes_are_bounded_too(console: Console) -> None:
    notes = [Finding(Kind.NOTE, "place", f"is odd {n}") for n in range(5_000)]
    report(console, verified(*notes))
    assert len(shown(console).splitlines()) < 2 * MAX_TOLD
