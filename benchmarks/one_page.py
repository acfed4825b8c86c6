"""A tiling process's steps, and bare dzsave: benchmarks/one_page.py BUCKET FOLDER KEY …, in turn.

Takes each file out of a bucket, tiles it as the worker does, and uploads what that came to. Prints
the CPU seconds of each step, as JSON; the first file is taken once before, and does not count.
"""

import json
import os
import shutil
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1]))

import imagecodecs  # the wheel's come first
import pyvips

from pipeline.storage import JPEG_TYPE, TILE_MAX_AGE_SECONDS, open_storage
from pipeline.task import Options
from worker.opening import keep_nothing_open
from worker.pixels import Source, with_source
from worker.spool import Spool
from worker.tiling import write_files

OPTIONS = Options()
Spent = defaultdict[str, float]
"""CPU seconds by step."""


def main() -> None:
    """Take the files, and print what they took."""
    bucket, folder, *keys = sys.argv[1:]
    keep_nothing_open()
    one_page(bucket, Path(folder), keys[0], defaultdict(float))
    spent: Spent = defaultdict(float)
    for key in keys:
        one_page(bucket, Path(folder), key, spent)
    print(json.dumps(spent), flush=True)
    # As tiling processes end: obstore's threads may still be letting go of what they have uploaded,
    # and one that wants the interpreter while it ends aborts.
    os._exit(0)


def one_page(bucket: str, folder: Path, key: str, spent: Spent) -> None:
    """Add the CPU seconds of each step with one file."""
    source, out = folder / "source", folder / "out"
    with _timed(spent, "fetch"):
        open_storage(bucket).download(key, source)
    with _timed(spent, "bare dzsave"):
        image = pyvips.Image.new_from_file(str(source), access="sequential")
        suffix = f".jpg[Q={OPTIONS.quality}]"
        image.dzsave(str(out), layout="iiif3", tile_size=OPTIONS.tile_size, suffix=suffix)
    shutil.rmtree(out)

    def make(image: Source) -> Spool:
        spool = Spool(folder)
        write_files(image, OPTIONS.pyramid(*image.size), OPTIONS.quality, spool)
        return spool

    with (
        _spied(spent, pyvips.Region, "fetch", "decode"),
        _spied(spent, imagecodecs, "jpeg8_encode", "encode"),
        _timed(spent, "tile"),
    ):
        spool = with_source(source, folder, make)
    source.unlink()
    with _timed(spent, "upload"):
        files = ((f"{key}/{path}", content) for path, content in spool.files())
        open_storage("s3://exports").write_all(files, JPEG_TYPE, TILE_MAX_AGE_SECONDS)


@contextmanager
def _timed(spent: Spent, step: str) -> Iterator[None]:
    begun = time.process_time()
    yield
    spent[step] += time.process_time() - begun


@contextmanager
def _spied(spent: Spent, place: object, name: str, step: str) -> Iterator[None]:
    """Note what all calls of a library's function take."""
    function: Callable[..., Any] = getattr(place, name)

    def timed(*args: object, **options: object) -> object:
        with _timed(spent, step):
            return function(*args, **options)

    setattr(place, name, timed)
    try:
        yield
    finally:
        setattr(place, name, function)


if __name__ == "__main__":
    main()
