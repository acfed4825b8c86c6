"""How fast, and in how much memory, the dispatcher brings a large task under way."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from urllib.request import urlopen

# As a script, not a module: its folder must not come before the packages that are measured.
SCRIPT = [sys.executable, "-P"]
FOLDER = Path(__file__).parent
LATENCY_MS = 10
INVOCATION_SECONDS = 840
"""A Lambda's 15 minutes, less what is kept in reserve."""
SHORT_SECONDS = 5
REPEATED_IMAGES = 10_000
"""More are measured once."""
CASES = (
    *((10_000, latency, INVOCATION_SECONDS) for latency in (0, LATENCY_MS)),
    *((100_000, latency, INVOCATION_SECONDS) for latency in (0, LATENCY_MS)),
    (100_000, LATENCY_MS, SHORT_SECONDS),
    (1_000_000, LATENCY_MS, INVOCATION_SECONDS),
)
READS = ("Query", "BatchGetItem", "GetItem")
COLUMNS = (
    *("images", "each call takes", "an invocation has", "invocations", "wall", "CPU"),
    *("images per CPU second", "peak RSS", "calls of listing", "transactions", "reads"),
    *("batches of messages", "messages sent twice"),
)


@dataclass(frozen=True, slots=True)
class Dispatched:
    """What one run has taken; the largest peak of its invocations."""

    invocations: int
    wall: float
    cpu: float
    peak_mb: float
    calls: dict[str, int]


def measure(repeats: int) -> str:
    """Return the table, of medians over so many runs."""
    lines = [f"| {' | '.join(COLUMNS)} |", f"{'|---' * len(COLUMNS)}|"]
    for images, latency_ms, seconds in CASES:
        times = repeats if images <= REPEATED_IMAGES else 1
        found = [dispatch(images, latency_ms, seconds) for _ in range(times)]
        run = sorted(found, key=lambda one: one.wall)[len(found) // 2]
        cpu = median(one.cpu for one in found)
        calls = run.calls
        reads = sum(calls.get(name, 0) for name in READS)
        lines.append(
            f"| {images:,} | {latency_ms} ms | {seconds} s | {run.invocations}"
            f" | {run.wall:.1f} s | {cpu:.1f} s | {images / cpu:,.0f}"
            f" | {max(one.peak_mb for one in found):.0f} MB"
            f" | {calls['ListObjectsV2']:,} | {calls['TransactWriteItems']:,} | {reads:,}"
            f" | {calls['SendMessageBatch']:,} | {calls['messages'] - images:,} |"
        )
    return "\n".join(lines)


def dispatch(images: int, latency_ms: int, seconds: float) -> Dispatched:
    """Dispatch a task, in as many invocations as it takes."""
    with stand_in(latency_ms) as url:
        ask(f"{url}/reset?images={images}")
        found = [invoke(url, seconds)]
        while found[-1]["state"] != "tiling":
            found.append(invoke(url, seconds))
        calls = ask(f"{url}/calls")
    return Dispatched(
        len(found),
        sum(float(one["wall"]) for one in found),
        sum(float(one["cpu"]) for one in found),
        max(float(one["peak_kb"]) for one in found) / 1024,
        calls,
    )


def ask(url: str) -> dict[str, int]:
    """Ask the stand-in itself for something."""
    with urlopen(url) as answer:  # noqa: S310  # our own
        answered: dict[str, int] = json.load(answer)
    return answered


def invoke(url: str, seconds: float) -> dict[str, str | float]:
    """Run one invocation; return what it has measured."""
    environment = os.environ | {
        "AWS_ENDPOINT_URL": url,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
    }
    done = subprocess.run(
        [*SCRIPT, str(FOLDER / "one_dispatch.py"), str(seconds)],
        env=environment,
        stdout=subprocess.PIPE,
        check=True,
    )
    measured: dict[str, str | float] = json.loads(done.stdout)
    return measured


@contextmanager
def stand_in(latency_ms: int) -> Iterator[str]:
    """Serve S3, DynamoDB and SQS; give their address."""
    arguments = [*SCRIPT, str(FOLDER / "stand_in.py"), str(latency_ms)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        port = process.stdout.readline().strip() if process.stdout else ""
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
