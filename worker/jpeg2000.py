"""What decoding does not tell of a JPEG 2000 file: its colours.

ISO/IEC 15444-1: boxes in annex I, the SIZ marker in A.5.1.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

CODESTREAM_START = b"\xff\x4f\xff\x51"
SIZ = struct.Struct(">4x4I16xHB")
"""Behind the marker: length, capabilities, right, bottom, left, top, tiles, components, depth."""
BY_NUMBER = b"\1"
BY_PROFILE = (b"\2", b"\3")
CMYK = (12).to_bytes(4, "big")
BOX_HEADER_BYTES = 8
UNUSED_BOX = b"free"
MAX_BOXES = 1_000
MAX_PROFILE_BYTES = 16_000_000


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of its samples; `bits` are those of its first component."""

    width: int
    height: int
    components: int
    bits: int
    profile: bytes | None = None
    is_cmyk: bool = False
    has_palette: bool = False
    conversion: int | None = None
    """Where the name of the box lies that makes decoders convert colours by their own lights."""


def read_jpeg2000(source: Path) -> Header:
    """Return what the header says; raises ValueError where there is none."""
    colours: dict[str, Any] = {}
    with source.open("rb") as file:
        if file.read(len(CODESTREAM_START)) == CODESTREAM_START:
            return _read_size(file, 0)
        end = source.stat().st_size
        for kind, start, stop in _boxes(file, 0, end):
            if kind == b"jp2h":
                colours = _read_colours(file, start, stop)
            elif kind == b"jp2c":
                return replace(_read_size(file, start), **colours)
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


def _read_colours(file: BinaryIO, start: int, stop: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for kind, first, last in _boxes(file, start, stop):
        if kind == b"pclr":
            found["has_palette"] = True
        elif kind == b"colr" and last - first <= MAX_PROFILE_BYTES:
            file.seek(first)
            content = file.read(last - first)
            method, value = content[:1], content[3:]
            is_cmyk = method == BY_NUMBER and value[:4] == CMYK
            if is_cmyk or method in BY_PROFILE:
                found["is_cmyk"], found["profile"] = is_cmyk, None if is_cmyk else value
                found["conversion"] = first - len(kind)
    return found


def read_unconverted(source: Path, header: Header) -> bytes:
    """Return a file's content without the box that asks for a conversion of its colours."""
    content = bytearray(source.read_bytes())
    if header.conversion is not None:
        content[header.conversion : header.conversion + len(UNUSED_BOX)] = UNUSED_BOX
    return bytes(content)


def _read_size(file: BinaryIO, start: int) -> Header:
    """Read the SIZ marker, and the first component's depth behind it."""
    file.seek(start)
    head = file.read(len(CODESTREAM_START) + SIZ.size)
    if not head.startswith(CODESTREAM_START) or len(head) < len(CODESTREAM_START) + SIZ.size:
        raise ValueError("its codestream does not begin with a size")
    right, bottom, left, top, components, depth = SIZ.unpack(head[len(CODESTREAM_START) :])
    if right <= left or bottom <= top or components == 0:
        raise ValueError("its size is not one")
    return Header(right - left, bottom - top, components, (depth & 0x7F) + 1)
