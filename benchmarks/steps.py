"""Where a tiling process's CPU time goes, beside bare dzsave of the same file in the same process.

What libvips decodes and libjpeg-turbo encodes is told apart: less than these two no arrangement of
the work can take that makes the same files with the same libraries.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from benchmarks import one_page, tools
from benchmarks.endpoint import SOURCES, client_environment, s3_endpoint
from benchmarks.images import Kind, Picture, kept, pictures
from benchmarks.tables import number, table
from pipeline.task import Options
from worker.__main__ import TILING_VARIABLES

COUNTS = {Kind.PHOTO: 5, Kind.SCAN: 3}
"""One of each size; one scan is LZW."""
ROWS = {
    "fetch it": "fetch",
    "decode it, in libvips": "decode",
    "encode its files, in libjpeg-turbo": "encode",
    "all else of tiling": "else",
    "upload its files": "upload",
    "all of these": "all",
    "bare dzsave": "bare dzsave",
}


def measure(repeats: int) -> str:
    """Return a table of milliseconds per megapixel, medians of so many runs."""
    columns, told = {}, []
    for kind, count in COUNTS.items():
        chosen = pictures("full")[kind][:count]
        columns[kind] = _per_megapixel(chosen, repeats)
        encoded = sum(map(_encoded, chosen)) / sum(picture.megapixels for picture in chosen)
        told.append(f"{encoded:.2f} times the pixels of {kind}")
    rows = [
        [label, *(number(column[name]) for column in columns.values())]
        for label, name in ROWS.items()
    ]
    rows += [
        [f"{label}, of bare dzsave", *(_share(column, names) for column in columns.values())]
        for label, names in {
            "all of these": ["all"],
            "tiling": ["decode", "encode", "else"],
            "decoding and encoding alone": ["decode", "encode"],
        }.items()
    ]
    opening = (
        f"CPU milliseconds per megapixel, medians of {repeats}, on {tools.machine()}. Each step"
        " stands alone on the machine but for rclone. Bare dzsave encodes 1.33 times the pixels"
        f" that there are; the whole set of URLs, {' and '.join(told)}."
    )
    return f"{opening}\n\n{table(['one core', *columns], rows)}"


def _per_megapixel(chosen: Sequence[Picture], repeats: int) -> dict[str, float]:
    files = [kept(picture, tools.bench_folder() / "images") for picture in chosen]
    with s3_endpoint(files) as endpoint:
        seen = []
        for _ in range(repeats):
            endpoint.renew()
            seen.append(_run(endpoint.url, endpoint.scratch, [file.name for file in files]))
    megapixels = sum(picture.megapixels for picture in chosen)
    return {name: median(run[name] for run in seen) * 1_000 / megapixels for name in ROWS.values()}


def _run(url: str, scratch: Path, keys: Sequence[str]) -> dict[str, float]:
    environment = {
        **os.environ,
        **client_environment(url),
        **TILING_VARIABLES,
        "AWS_ALLOW_HTTP": "true",
    }
    command = [sys.executable, one_page.__file__, f"s3://{SOURCES}", str(scratch), *keys]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    spent: dict[str, float] = json.loads(done.stdout)
    spent["else"] = spent["tile"] - spent["decode"] - spent["encode"]
    spent["all"] = spent["fetch"] + spent["tile"] + spent["upload"]
    return spent


def _share(column: Mapping[str, float], names: Sequence[str]) -> str:
    return number(sum(column[name] for name in names) / column["bare dzsave"])


def _encoded(picture: Picture) -> float:
    """Return the megapixels of all JPEGs of an image's service."""
    pyramid = Options().pyramid(picture.width, picture.height)
    encoded = [*map(pyramid.level, pyramid.scale_factors[:-1]), *pyramid.whole_images]
    return sum(size.width * size.height for size in encoded) / 1e6
