"""How much memory and scratch a giant takes: what docs/architecture.md states, measured.

Each image is made and tiled by processes of their own, for a process's peak never sinks again.
"""

import json
import os
import shutil
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from worker.__main__ import TILING_VARIABLES
from worker.tiff_decoding import _sample_bytes

STREAMED_BYTES = 600_000_000
SCAN_BYTES = 400_000_000
WHOLE_BYTES = 3_500_000_000
BESIDES_BYTES = 300_000_000
"""What a process takes for itself, for its libraries, and for the pixels that come out."""

WRITE = """
import sys, pyvips
image = pyvips.Image.black({side}, {side}, bands=3).copy(interpretation="srgb") + 77
image.cast("uchar").write_to_file(sys.argv[1], {options})
"""
TILE = """
import json, sys
from pathlib import Path
from pipeline.errors import BadImage
from pipeline.task import Options
from worker.opening import keep_nothing_open
from worker.pixels import with_source
from worker.spool import Spool
from worker.tiling import write_files
source, scratch = map(Path, sys.argv[1:])
answer = {}
keep_nothing_open()
def make(image):
    pyramid, spool = Options().pyramid(*image.size), Spool(scratch)
    write_files(image, pyramid, 85, spool)
    return pyramid, spool
try:
    pyramid, spool = with_source(source, scratch, make)
    assert len(spool) == len(pyramid.paths)
    answer["tiles"] = len(pyramid.tile_paths)
    answer["scratch"] = sum(file.stat().st_size for file in scratch.iterdir())
except BadImage as error:
    answer["refused"] = str(error)
# Not from getrusage: it counts what the parent had when it forked.
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
answer["peak"] = 1024 * int(status["VmHWM"].split()[0])
print(json.dumps(answer))
"""


def write(file: Path, side: int, options: str) -> Path:
    """Write a square image of one colour."""
    subprocess.run(
        [sys.executable, "-c", WRITE.format(side=side, options=options), str(file)], check=True
    )
    return file


def tile(source: Path, scratch: Path) -> dict[str, int]:
    """Tile a source as a tiling process does; return its peak of memory and what it left."""
    scratch.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", TILE, str(source), str(scratch)],
        env={**os.environ, **TILING_VARIABLES},
        check=True,
        capture_output=True,
        text=True,
    )
    answer: dict[str, int] = json.loads(done.stdout)
    shutil.rmtree(scratch)
    return answer


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("strips.tif", "compression='deflate', level=1"),
        ("pyramid.tif", "compression='deflate', level=1, tile=True, pyramid=True"),
    ],
)
def test_a_gigapixel_is_streamed(tmp_path: Path, name: str, options: str) -> None:
    side = 32_768
    answer = tile(write(tmp_path / name, side, options), tmp_path / "scratch")
    assert answer["peak"] < STREAMED_BYTES
    assert answer["scratch"] == 0
    assert answer["tiles"] == sum(4**level for level in range(1, 7))


@pytest.mark.parametrize(
    ("name", "options"),
    [("raw.tif", ""), ("lzw.tif", "compression='lzw', predictor='horizontal'"), ("photo.jpg", "")],
)
def test_a_scan_of_110_megapixels_is_made_in_memory(
    tmp_path: Path, name: str, options: str
) -> None:
    answer = tile(write(tmp_path / name, 10_488, options), tmp_path / "scratch")
    assert answer["peak"] < SCAN_BYTES
    assert answer["scratch"] == 0


def test_a_progressive_jpeg_of_900_megapixels_stays_within_what_is_stated(tmp_path: Path) -> None:
    source = write(tmp_path / "progressive.jpg", 30_000, "interlace=True, Q=50")
    answer = tile(source, tmp_path / "scratch")
    assert answer["peak"] < WHOLE_BYTES
    assert answer["tiles"] > 0


@pytest.mark.parametrize(
    ("name", "options", "advice"),
    [
        ("progressive.jpg", "interlace=True, Q=50, subsample_mode='off'", "baseline JPEG"),
        ("interlaced.png", "interlace=True, compression=1", "without interlacing"),
    ],
)
def test_what_would_take_more_is_refused_before_it_is_decoded(
    tmp_path: Path, name: str, options: str, advice: str
) -> None:
    whole = write(tmp_path / name, 64, options).read_bytes()
    grown = tmp_path / f"grown-{name}"
    grown.write_bytes(resized(whole, 40_000))
    answer = tile(grown, tmp_path / "scratch")
    assert advice in str(answer["refused"])
    assert answer["peak"] < STREAMED_BYTES
    assert "scratch" not in answer


def resized(content: bytes, side: int) -> bytes:
    """Return a small JPEG's or PNG's file whose header claims another size."""
    if content.startswith(b"\xff\xd8"):
        at = content.index(b"\xff\xc2") + 5
        return content[:at] + 2 * side.to_bytes(2, "big") + content[at + 4 :]
    header = content[12:16] + 2 * side.to_bytes(4, "big") + content[24:29]
    return content[:12] + header + zlib.crc32(header).to_bytes(4, "big") + content[33:]


@pytest.mark.parametrize(
    ("photometric", "samples", "settings"),
    [
        ("rgb", 4, {"extrasamples": ["assocalpha"]}),
        ("ycbcr", 3, {"subsampling": (1, 1)}),
        ("cielab", 3, {}),
        ("rgb", 3, {}),
    ],
)
def test_a_tiff_that_is_decoded_whole_takes_no_more_than_is_foreseen(
    tmp_path: Path, photometric: str, samples: int, settings: dict[str, Any]
) -> None:
    side = 4_000
    source, scratch = tmp_path / "scan.tif", tmp_path / "scratch"
    pixels = np.full((side, side, samples), 99, np.uint8)
    tifffile.imwrite(source, pixels, photometric=photometric, compression="zstd", **settings)
    with tifffile.TiffFile(source) as tiff:
        page = tiff.pages[0]
        assert isinstance(page, tifffile.TiffPage)
        foreseen = _sample_bytes(page) * page.size
    assert tile(source, scratch)["peak"] < foreseen + BESIDES_BYTES
