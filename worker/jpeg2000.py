"""What Pillow does not tell of a JPEG 2000 file: its colour profile, the size of its tiles.

ISO/IEC 15444-1: boxes in annex I, the SIZ marker in A.5.1.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

CODESTREAM_START = b"\xff\x4f\xff\x51"
ANY_PROFILE = 2
RESTRICTED_AND_ANY_PROFILE = (ANY_PROFILE, 3)
BOX_HEADER_BYTES = 8
SIZ_BYTES = 38
MAX_BOXES = 1_000
MAX_PROFILE_BYTES = 16_000_000


@dataclass(frozen=True, slots=True)
class Jpeg2000:
    """`tile_pixels` is the area of the largest tile, `profile` an ICC profile."""

    tile_pixels: int
    components: int
    profile: bytes | None


def read_jpeg2000(source: Path) -> Jpeg2000:
    """Return what the header says; raises ValueError where there is none."""
    profile = None
    with source.open("rb") as file:
        if file.read(len(CODESTREAM_START)) == CODESTREAM_START:
            return _read_siz(file, 0, None)
        end = source.stat().st_size
        for kind, start, stop in _boxes(file, 0, end):
            if kind == b"jp2h":
                profile = _find_profile(file, start, stop)
            elif kind == b"jp2c":
                return _read_siz(file, start, profile)
    raise ValueError("it holds no codestream")


def _boxes(file: BinaryIO, position: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, start and end of the boxes that follow each other."""
    for _ in range(MAX_BOXES):
        if position + BOX_HEADER_BYTES > end:
            return
        file.seek(position)
        length, kind = struct.unpack(">I4s", file.read(BOX_HEADER_BYTES))
        start = position + BOX_HEADER_BYTES
        if length == 1:
            length, start = int.from_bytes(file.read(8), "big"), start + 8
        stop = end if length == 0 else position + length
        if not start <= stop <= end:
            # A cut-off file: what is left of its last box may still tell its size.
            stop = end
        yield kind, start, stop
        position = stop


def _find_profile(file: BinaryIO, start: int, stop: int) -> bytes | None:
    for kind, first, last in _boxes(file, start, stop):
        if kind == b"colr" and last - first - 3 <= MAX_PROFILE_BYTES:
            file.seek(first)
            content = file.read(last - first)
            if content[:1] and content[0] in RESTRICTED_AND_ANY_PROFILE:
                return content[3:]
    return None


def _read_siz(file: BinaryIO, start: int, profile: bytes | None) -> Jpeg2000:
    file.seek(start)
    head = file.read(len(CODESTREAM_START) + SIZ_BYTES)
    if not head.startswith(CODESTREAM_START) or len(head) < len(CODESTREAM_START) + SIZ_BYTES:
        raise ValueError("its codestream does not begin with a size")
    fields = struct.unpack(">HH8IH", head[4:42])
    _, _, right, bottom, left, top, tile_width, tile_height, _, _, components = fields
    width, height = min(tile_width, right - left), min(tile_height, bottom - top)
    return Jpeg2000(max(1, width) * max(1, height), components, profile)
