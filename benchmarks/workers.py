"""Workers and processes on this machine: `python -m worker` on the embedded cloud, real images.

What more than its cores would do is simulated: `benchmarks.pool`.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from statistics import median

from benchmarks.images import Kind, Picture, kept
from benchmarks.tools import bench_folder
from console.cloud.child_environment import child_environment
from console.embedded import NEVER_SECONDS, EmbeddedCloud, embedded_cloud
from pipeline.layout import Layout
from pipeline.message import Message
from pipeline.outbox import SqsOutbox
from pipeline.run import Page, Plan, Run, RunState, Upload
from pipeline.task import Options

IMAGES = 24
DELIVERED = 2
"""As pages of how many items each image is tiled."""
WIDTH, HEIGHT = 4_000, 3_000
POOLS = ((1, 1), (2, 1), (1, 2), (2, 2), (1, 4))
"""Workers, and tiling processes of each."""
UPLOAD = Upload("batch", "tasks/task.json", "0055AED6DCD90281E5", "2026-03-01T12:00:00.000Z")


def measure(repeats: int) -> str:
    """Tile the same images with each pool in turn, so many times; return a table of medians."""
    rates: dict[tuple[int, int], list[float]] = {pool: [] for pool in POOLS}
    with tempfile.TemporaryDirectory(prefix="tilepool-bench-") as folder:
        place = Path(folder)
        (place / "source").mkdir()
        for number in range(IMAGES):
            picture = Picture(Kind.PHOTO, number, WIDTH, HEIGHT)
            shutil.copyfile(kept(picture, bench_folder() / "images"), _source(place, number))
        with embedded_cloud(place / "cloud", {}, reconcile_seconds=NEVER_SECONDS) as cloud:
            for turn in range(repeats):
                for pool in POOLS:
                    run_id = f"bench-{turn}-{pool[0]}-{pool[1]}"
                    rates[pool].append(_rate(cloud, place, run_id, *pool))
    medians = {pool: median(seen) for pool, seen in rates.items()}
    one = medians[POOLS[0]]
    rows = [
        f"| {workers} | {processes} | {medians[workers, processes]:.2f}"
        f" | {min(rates[workers, processes]):.2f}–{max(rates[workers, processes]):.2f}"
        f" | {medians[workers, processes] / one:.2f} |"
        for workers, processes in POOLS
    ]
    head = (
        f"{IMAGES * DELIVERED} JPEGs of {WIDTH * HEIGHT / 1e6:.0f} million pixels on"
        f" {os.cpu_count()} cores, which the embedded cloud shares; images per second from the"
        f" first that each process has done to the last of all, medians of {repeats}."
    )
    return "\n".join(
        [
            head,
            "",
            "| workers | processes of each | images/s | from–to | times one process |",
            "| ---: | ---: | ---: | ---: | ---: |",
            *rows,
        ]
    )


def _source(place: Path, number: int) -> Path:
    return place / "source" / f"p{number}.jpg"


def _rate(cloud: EmbeddedCloud, place: Path, run_id: str, workers: int, processes: int) -> float:
    """Return the images per second that a pool gets done, once all its processes are at work."""
    _dispatch(cloud, place, run_id)
    logs = [place / f"{run_id}-{index}.log" for index in range(workers)]
    running = [_start(cloud, log, processes) for log in logs]
    for process in running:
        if process.wait():
            raise RuntimeError(f"a worker of {run_id} ended with {process.returncode}")
    ends = sorted(end for log in logs for end in _ends(log))
    if len(ends) != IMAGES * DELIVERED:
        raise RuntimeError(f"{run_id}: {len(ends)} images were done")
    first = workers * processes - 1
    return (len(ends) - 1 - first) / (ends[-1] - ends[first])


def _dispatch(cloud: EmbeddedCloud, place: Path, run_id: str) -> None:
    """Record a run and send its pages, but for one: so it does not end in a final job."""
    pages = [
        Page(Message(run_id, f"book {item}", number + 1, f"p{number}.jpg", '"e"', 1))
        for item in range(DELIVERED)
        for number in range(IMAGES)
    ]
    never = Page(Message(run_id, "never", 1, "never.jpg", '"e"', 1))
    plan = Plan(
        collection="Bench",
        job_queue="tilepool",
        job_definition="tilepool",
        source_store=(place / "source").as_uri(),
        dest_store=(place / "dest" / run_id).as_uri(),
        csv_key="",
        layout=Layout("iiif", "https://images.example.org"),
        options=Options(),
        workers=1,
    )
    (place / "dest" / run_id).mkdir(parents=True)
    ledger = cloud.ledger
    ledger.open_run(Run(run_id, UPLOAD, RunState.DISPATCHING, plan))
    ledger.record_pages(run_id, [*pages, never])
    ledger.seal(run_id, [*pages, never])
    ledger.advance(run_id, RunState.DISPATCHING, RunState.TILING)
    sqs = cloud.session.client("sqs", endpoint_url=cloud.url)
    SqsOutbox(sqs, cloud.queue_url).send(page.message for page in pages)


def _start(cloud: EmbeddedCloud, log: Path, processes: int) -> "subprocess.Popen[bytes]":
    environment = child_environment(os.environ, cloud.url, cloud.access_key) | {
        "TILEPOOL_TABLE": cloud.table,
        "TILEPOOL_QUEUE_URL": cloud.queue_url,
        "TILEPOOL_DEAD_LETTER_QUEUE_URL": cloud.dead_letter_queue_url,
        "TILEPOOL_PROCESSES": str(processes),
        "TILEPOOL_IDLE_SECONDS": "2",
    }
    with log.open("wb") as stream:
        command = [sys.executable, "-m", "worker"]
        return subprocess.Popen(command, env=environment, stdout=stream, stderr=stream)


def _ends(log: Path) -> list[float]:
    """Return when a worker was done with each of its pages, as its log tells."""
    told = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    return [
        datetime.fromisoformat(entry["timestamp"]).timestamp()
        for entry in told
        if entry["event"] == "page_done"
    ]
