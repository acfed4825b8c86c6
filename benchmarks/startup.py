"""Start-up: the command's help, what jobs and the function load, and a worker to its first page.

A worker finds its page in the queue and ledger of an embedded cloud. It has begun with it when its
tiling process copies the page's file.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pyvips

from console.cloud.child_environment import child_environment
from console.embedded import NEVER_SECONDS, EmbeddedCloud, embedded_cloud
from pipeline import environment as names
from pipeline.layout import Layout
from pipeline.message import Message
from pipeline.run import Page, Plan, Run, RunState, Upload
from pipeline.task import Options

COMMANDS = {
    "`tilepool --help`": ["-m", "console", "--help"],
    "the manifest builder, loaded": ["-c", "import manifest_builder.__main__"],
    "the dispatcher, loaded": ["-c", "import dispatcher.handler"],
    "a tiling process's libraries, loaded": ["-c", "import worker.page"],
}
FIRST_PAGE_SECONDS = 120
LOOK_SECONDS = 0.002
SCAN = "scan.tif"
WIDTH_PX, HEIGHT_PX = 4_000, 6_000
"""Large enough that its page has not ended before somebody looks."""


def measure(repeats: int) -> str:
    """Return a table of how long each takes to start."""
    lines = ["| start | seconds | CPU seconds |", "|---|--:|--:|"]
    for name, arguments in COMMANDS.items():
        spent = [_run(arguments) for _ in range(repeats)]
        seconds, cpu = (statistics.median(values) for values in zip(*spent, strict=True))
        lines.append(f"| {name} | {seconds:.2f} | {cpu:.2f} |")
    with tempfile.TemporaryDirectory() as folder:
        seconds = statistics.median(_first_pages(Path(folder), repeats))
    lines.append(f"| `python -m worker`, its first page begun | {seconds:.2f} | |")
    return "\n".join(lines)


def _run(arguments: Sequence[str]) -> tuple[float, float]:
    """Return the seconds, and CPU seconds, of a Python that is given these arguments."""
    before, started = _children_cpu(), time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONSAFEPATH": "1"},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - started, _children_cpu() - before


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _first_pages(folder: Path, repeats: int) -> list[float]:
    source, dest = folder / "source", folder / "dest"
    source.mkdir()
    dest.mkdir()
    noise = pyvips.Image.gaussnoise(WIDTH_PX, HEIGHT_PX, mean=128, sigma=20).cast("uchar")
    noise.tiffsave(str(source / SCAN))
    with embedded_cloud(folder / "cloud", {}, reconcile_seconds=NEVER_SECONDS) as cloud:
        return [_first_page(cloud, folder, number) for number in range(repeats)]


def _first_page(cloud: EmbeddedCloud, folder: Path, number: int) -> float:
    """Return the seconds from a worker's start to its first page's."""
    _enqueue(cloud, folder, f"started-{number:012}")
    scratch = folder / f"scratch-{number}"
    scratch.mkdir()
    environment = child_environment(os.environ, cloud.url, cloud.access_key) | {
        names.TABLE: cloud.table,
        names.QUEUE_URL: cloud.queue_url,
        names.DEAD_LETTER_QUEUE_URL: cloud.dead_letter_queue_url,
        names.IDLE_SECONDS: "0",
        "TMPDIR": str(scratch),
    }
    started = time.perf_counter()
    command = [sys.executable, "-m", "worker"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as worker:
        try:
            _await(lambda: any(scratch.glob("tilepool-*/source")))
            seconds = time.perf_counter() - started
        except TimeoutError:
            worker.terminate()
            raise
    return seconds


def _await(happened: Callable[[], bool]) -> None:
    deadline = time.perf_counter() + FIRST_PAGE_SECONDS
    while not happened():
        if time.perf_counter() > deadline:
            raise TimeoutError("the worker has not begun with its page")
        time.sleep(LOOK_SECONDS)


def _enqueue(cloud: EmbeddedCloud, folder: Path, run_id: str) -> None:
    """Bring a run to where its workers start; one page never comes, so the run does not end."""
    plan = Plan(
        collection="Letters",
        job_queue="queue",
        job_definition="definition",
        source_store=(folder / "source").as_uri(),
        dest_store=(folder / "dest").as_uri(),
        csv_key="items.csv",
        layout=Layout(f"iiif/{run_id}", "https://images.example.org"),
        options=Options(),
        workers=1,
    )
    upload = Upload("batch", f"tasks/{run_id}.json", run_id, "2026-03-01T12:00:00.000Z")
    cloud.ledger.open_run(Run(run_id, upload, RunState.DISPATCHING, plan))
    messages = [Message(run_id, "book", page, SCAN, '"e1"', 1_000) for page in (1, 2)]
    pages = list(map(Page, messages))
    cloud.ledger.record_pages(run_id, pages)
    cloud.ledger.seal(run_id, pages)
    cloud.ledger.advance(run_id, RunState.DISPATCHING, RunState.TILING)
    cloud.outbox.send(messages[:1])
