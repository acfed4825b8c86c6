"""Requests of each contestant per image; those of SQS and DynamoDB over a queue of some length.

In a run of few images almost every one is the last of its shard, which costs calls of its own; so
they are counted over many images, which may be small.
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from benchmarks import contest, tools
from benchmarks.contest import Result
from benchmarks.endpoint import s3_endpoint
from benchmarks.figures import Figures
from benchmarks.images import Kind
from benchmarks.tables import number, table

MANY = 1_280
"""Twenty for each shard."""
SIDE_PX = 64
BATCH = "Batch's, by which the final job is submitted"
TARGET = 4


def count_calls(images: int = MANY) -> tuple[Mapping[str, float], int]:
    """Return the worker's calls of SQS, DynamoDB and Batch per image, by name, and the images."""
    with tools.disk_folder() as folder:
        files = [_small(folder / f"small-{i:05}.jpg", i) for i in range(images)]
        with s3_endpoint(files) as endpoint:
            names = [file.name for file in files]
            result = contest.counted(contest.worker_counted, endpoint, names)
    if result.calls is None:
        raise RuntimeError("nothing was counted")
    return {name: count / images for name, count in result.calls.requests.items()}, images


def calls_table(calls: Mapping[str, float], images: int) -> str:
    """Return the table of the worker's calls."""
    # Batch's calls have no name in their heads.
    rows = [[BATCH if name == "POST" else name, number(calls[name])] for name in sorted(calls)]
    rows.append([f"in all (target: ≤ {TARGET})", number(sum(calls.values()))])
    return table([f"calls per image, of {images:,} small ones", "the worker's"], rows)


def requests_table(seen: Mapping[Kind, Figures]) -> str:
    """Return the table of everybody's requests to S3 per image, and per megapixel in all."""
    columns = [(kind, label) for kind in seen for label in seen[kind].counts]
    counts = [_requests(seen[kind].counts[label]) for kind, label in columns]
    images = [len(seen[kind].given(label)) for kind, label in columns]
    sizes = [seen[kind].megapixels(label) for kind, label in columns]
    head = ["S3 requests", *sorted({name for counted in counts for name in counted})]
    head += ["in all", "per megapixel"]
    rows = []
    for (kind, label), counted, some, size in zip(columns, counts, images, sizes, strict=True):
        in_all = sum(counted.values())
        each = [number(counted[name] / some) for name in head[1:-2]]
        rows.append([f"{kind}: {label}", *each, number(in_all / some), number(in_all / size)])
    return table(head, rows)


def _requests(result: Result) -> Counter[str]:
    return Counter() if result.s3 is None else Counter(result.s3.requests)


def _small(file: Path, value: int) -> Path:
    Image.new("RGB", (SIDE_PX, SIDE_PX), (value % 256, value // 256, 0)).save(file)
    return file
