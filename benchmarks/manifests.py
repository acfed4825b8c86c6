"""The manifest builder: what it takes for runs of many items, one large item, and a rebuild."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.ledger_answers import write_answers
from pipeline.layout import Layout
from pipeline.message import Message
from pipeline.run import Page, PageState, Plan, Run, RunState, Summary, TiledPage, Upload
from pipeline.task import Options

JOB = Path(__file__).with_name("manifest_job.py")
RUN_ID = "measured-0123456789ab"
COLUMNS = "identifier,title,description,date,language,creator,subject,rights,shelfmark"


@dataclass(frozen=True, slots=True)
class Case:
    """A run of some items, by their numbers, each of so many pages.

    Items of the numbers below `earlier` were published before, by this run or another.
    """

    items: range
    pages: int
    earlier: int = 0

    @property
    def is_rebuild(self) -> bool:
        return self.items.start < self.earlier

    def __str__(self) -> str:
        if self.is_rebuild:
            return f"{len(self.items):,} items of {_count(self.pages)} again, nothing changed"
        shown = f"{len(self.items):,} items" if len(self.items) > 1 else "1 item"
        added = f", added to {self.earlier:,}" if self.earlier else ""
        return f"{shown} of {_count(self.pages)}{added}"


CASES = (
    Case(range(100), 10),
    Case(range(1_000), 10),
    Case(range(10_000), 10),
    Case(range(1), 10_000),
    Case(range(10_000), 1),
    Case(range(10_000), 1, earlier=10_000),
    Case(range(10_000, 10_001), 1, earlier=10_000),
)


def _count(pages: int) -> str:
    return f"{pages:,} pages" if pages > 1 else "1 page"


def measure(repeats: int) -> str:
    """Return a table of what each case takes."""
    lines = [
        "| run | canvases | seconds | CPU seconds | peak memory | written | read | ledger calls |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            lines.append(_line(case, _measured(case, Path(folder), repeats)))
    return "\n".join(lines)


def _line(case: Case, runs: list[Mapping[str, Any]]) -> str:
    seconds, cpu, peak = (
        statistics.median(run[name] for run in runs) for name in ("seconds", "cpu", "peak_bytes")
    )
    last = runs[-1]
    cells = [
        str(case),
        f"{last['images']:,}",
        f"{seconds:.1f}",
        f"{cpu:.1f}",
        f"{peak / 1e6:.0f} MB",
        f"{last['stored'].get('put', 0):,}",
        f"{last['stored'].get('get', 0):,}",
        f"{sum(last['ledger'].values()):,}",
    ]
    return f"| {' | '.join(cells)} |"


def _measured(case: Case, folder: Path, repeats: int) -> list[Mapping[str, Any]]:
    source, dest, answers = (folder / name for name in ("source", "dest", "answers"))
    source.mkdir()
    dest.mkdir()
    run = _run(source, dest)
    if case.earlier:
        earlier = replace(case, items=range(case.earlier))
        _write_csv(source, earlier)
        write_answers(folder / "earlier", run, _pages(earlier))
        _job(folder / "earlier")
    if case.is_rebuild:
        built = Summary("", images=0, failed=0, reused=0, tiles=0, items=0)
        run = replace(run, summary=built)
    _write_csv(source, case)
    write_answers(answers, run, _pages(case))
    runs = []
    for number in range(repeats):
        if not case.earlier:
            dest.rename(folder / f"dest-{number}")
            dest.mkdir()
        runs.append(_job(answers))
    return runs


def _write_csv(source: Path, case: Case) -> None:
    (source / "items.csv").write_text("\n".join([COLUMNS, *map(_row, case.items), ""]), "utf-8")


def _job(answers: Path) -> Mapping[str, Any]:
    done = subprocess.run(
        [sys.executable, str(JOB), str(answers)],
        env={**os.environ, "PYTHONSAFEPATH": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    measured: Mapping[str, Any] = json.loads(done.stdout)
    return measured


def _run(source: Path, dest: Path) -> Run:
    plan = Plan(
        collection="Letters",
        job_queue="queue",
        job_definition="definition",
        source_store=source.as_uri(),
        dest_store=dest.as_uri(),
        csv_key="items.csv",
        layout=Layout("iiif/archive/Letters", "https://images.example.org"),
        options=Options(),
        workers=1,
    )
    upload = Upload("batch", "tasks/task.json", "0055AED6DCD90281E5", "2026-03-01T12:00:00.000Z")
    return Run(RUN_ID, upload, RunState.BUILDING, plan, recorded=True, claimed_at=1)


def _pages(case: Case) -> Iterator[Page]:
    options = Options()
    for item in case.items:
        for number in range(1, case.pages + 1):
            key = f"archive/Letters/{_name(item)}/Access/page-{number:05d}.tif"
            etag = f'"{item:016x}{number:016x}"'
            message = Message(RUN_ID, _name(item), number, key, etag, 72_000_000 + number)
            width, height = 4_000 + item % 97, 6_000 + number % 89
            sizes = options.pyramid(width, height).sizes
            tiled = TiledPage(width, height, sizes, tiles=132, seconds=1.234)
            ended_at = 1_770_000_000 + number
            yield Page(message, PageState.DONE, tiled, attempts=1, ended_at=ended_at)


def _name(item: int) -> str:
    return f"letter-{item:06d}"


def _row(item: int) -> str:
    described = "A letter of two leaves, with <i>notes</i> in the margin. " * 3
    cells = [_name(item), f"Letter no. {item}", f'"{described}"', f"18{item % 100:02d}-05-03", "de"]
    return ",".join([*cells, "A. Writer||B. Writer", "Letters||Travel", "CC BY 4.0", f"MS {item}"])
