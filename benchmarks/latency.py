"""With a store that answers late, over a line that is narrow: how busy the cores stay.

The proxy delays every request to S3. Its CPU time, rclone's and the embedded cloud's are taken
from the same cores, so it is also told how much of what they leave is used.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks import tools
from benchmarks.contest import Result, delayed
from benchmarks.endpoint import s3_endpoint
from benchmarks.figures import CONTESTANTS, PARALLEL, SERIAL, WORKER
from benchmarks.images import Kind, Picture, kept, pictures, set_size
from benchmarks.tables import number, table

DELAY_MS = 30.0
WIDTHS: Mapping[str, float] = {"no limit to its width": 0, "100 MB/s in all": 100e6}
"""In bytes per second; an uncompressed scan takes longer over the narrow line than to tile."""
TARGET = "≥ 90 %"
LABELS = (WORKER, SERIAL, PARALLEL)
QUEUES: Mapping[str, Mapping[Kind, int]] = {
    "full": {Kind.PHOTO: 50, Kind.SCAN: 12},
    "medium": {Kind.PHOTO: 15, Kind.SCAN: 6},
    "small": {Kind.PHOTO: 6, Kind.SCAN: 3},
}
"""So many images of a kind: the start and the end of a queue are not what is asked for."""


@dataclass(frozen=True, slots=True)
class Busy:
    """From the first request to the last answer: shares of all the cores' time, and requests."""

    wall_seconds: float
    contestant: float
    proxy: float
    servers: float
    bytes_per_second: float
    requests: int

    @property
    def of_rest(self) -> float:
        """Return the share of what the servers left."""
        return self.contestant / (1 - self.proxy - self.servers)


def measure(repeats: int) -> str:
    """Return tables of the contestants that take part, for photographs and for scans."""
    labels = LABELS if tools.vips() else [WORKER]
    opening = f"Every request to S3 waits {DELAY_MS:.0f} ms; medians of {repeats}."
    parts = [f"{opening} Target: {TARGET} for the worker. On {tools.machine()}."]
    for kind, count in QUEUES[set_size()].items():
        chosen = pictures("full")[kind][:count]
        for told, width in WIDTHS.items():
            parts += [f"### {len(chosen)} {kind}, {told}", _table(chosen, labels, width, repeats)]
    return "\n\n".join(parts)


def _table(chosen: Sequence[Picture], labels: Sequence[str], width: float, repeats: int) -> str:
    files = [kept(picture, tools.bench_folder() / "images") for picture in chosen]
    names = [picture.name for picture in chosen]
    seen: dict[str, list[Busy]] = {label: [] for label in labels}
    with s3_endpoint(files) as endpoint:
        for _ in range(repeats):
            for label in labels:
                contestant = CONTESTANTS[label]
                result = delayed(contestant, endpoint, names, DELAY_MS, width)
                seen[label].append(judge(result, os.cpu_count() or 1))
    head = [
        "of all cores' time",
        "its own, %",
        "the proxy, %",
        "rclone and moto, %",
        "its own, of what these leave, %",
        "MB/s over the line",
        "wall s per image",
        "requests per image",
    ]
    return table(head, [[label, *_row(seen[label], len(chosen))] for label in labels])


def _row(seen: Sequence[Busy], images: int) -> list[str]:
    columns: list[Callable[[Busy], float]] = [
        lambda busy: 100 * busy.contestant,
        lambda busy: 100 * busy.proxy,
        lambda busy: 100 * busy.servers,
        lambda busy: 100 * busy.of_rest,
        lambda busy: busy.bytes_per_second / 1e6,
        lambda busy: busy.wall_seconds / images,
        lambda busy: busy.requests / images,
    ]
    return [number(median(map(column, seen))) for column in columns]


def judge(result: Result, cores: int) -> Busy:
    """Return how busy the cores were, from the first request to S3 to its last answer."""
    traffic = result.s3
    if traffic is None or traffic.first is None or traffic.last is None:
        raise ValueError("no request came to S3")
    wall = traffic.last - traffic.first
    had = wall * cores
    return Busy(
        wall_seconds=wall,
        contestant=result.usage.cpu_between(traffic.first, traffic.last) / had,
        proxy=traffic.cpu_seconds / had,
        servers=(result.server_seconds + result.cloud_seconds) / had,
        bytes_per_second=(traffic.up_bytes + traffic.down_bytes) / wall,
        requests=sum(traffic.requests.values()),
    )
