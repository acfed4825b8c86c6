"""Windows bitmaps, most of them packed by hand."""

import struct
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests import photographs
from tests.kinds.plain import Writer, lossless, palette
from tests.photographs import Pixels


@dataclass(frozen=True, slots=True)
class _Bmp:
    """The parts of a BMP that its kinds differ in; `rows` stand as they go into the file."""

    width: int
    height: int
    bits: int
    rows: bytes
    compression: int = 0
    masks: bytes = b""
    palette: bytes = b""
    top_down: bool = False


def _write_bmp(file: Path, bmp: _Bmp) -> Path:
    """Write a Windows bitmap (BITMAPINFOHEADER)."""
    start = 14 + 40 + len(bmp.masks) + len(bmp.palette)
    colours = len(bmp.palette) // 4
    height = -bmp.height if bmp.top_down else bmp.height
    info = struct.pack(
        "<IiiHHIIiiII",
        *(40, bmp.width, height, 1, bmp.bits, bmp.compression, len(bmp.rows), 2_835, 2_835),
        *(colours, colours),
    )
    head = struct.pack("<2sIHHI", b"BM", start + len(bmp.rows), 0, 0, start)
    file.write_bytes(head + info + bmp.masks + bmp.palette + bmp.rows)
    return file


def _padded(rows: NDArray[Any]) -> bytes:
    """Return rows from the bottom up, each filled to a multiple of four bytes."""
    return b"".join(row.tobytes() + bytes(-row.nbytes % 4) for row in rows[::-1])


def _run_lengths(rows: NDArray[np.uint8]) -> bytes:
    """Return rows from the bottom up as runs of one byte each, for RLE8."""
    coded = b""
    for row in rows[::-1]:
        starts = np.flatnonzero(np.diff(row, prepend=-1))
        for start, end in zip(starts, [*starts[1:], len(row)], strict=True):
            coded += b"".join(
                bytes([min(255, end - at), row[start]]) for at in range(start, end, 255)
            )
        coded += b"\0\0"
    return coded[:-2] + b"\0\1"


def _gray_palette(levels: int) -> bytes:
    return b"".join(bytes([255 * v // (levels - 1)] * 3 + [0]) for v in range(levels))


def _bmp_of_gray(file: Path, bits: int, *, runs: bool = False, top_down: bool = False) -> Pixels:
    levels: Pixels = np.asarray(photographs.gray() >> (8 - bits), np.uint8)
    packed = levels if bits == 8 else np.asarray(levels[:, ::2] << 4 | levels[:, 1::2], np.uint8)
    rows = _run_lengths(packed) if runs else _padded(packed[::-1] if top_down else packed)
    _write_bmp(
        file,
        _Bmp(
            *(200, 150, bits, rows),
            compression=1 if runs else 0,
            palette=_gray_palette(2**bits),
            top_down=top_down,
        ),
    )
    return np.asarray(levels * (255 // (2**bits - 1)), np.uint8)


def _bmp_of_4_bits(file: Path) -> Pixels:
    return np.dstack([_bmp_of_gray(file, 4)] * 3)


def _bmp_of_16_bits(file: Path, *, masks: bool) -> Pixels:
    green_bits = 6 if masks else 5
    red, green, blue = (
        photographs.portrait()[..., band].astype("<u2") >> (8 - bits)
        for band, bits in enumerate((5, green_bits, 5))
    )
    rows = _padded((red << (5 + green_bits) | green << 5 | blue).astype("<u2"))
    layout = np.array([0xF800, 0x07E0, 0x001F], "<u4").tobytes() if masks else b""
    _write_bmp(file, _Bmp(200, 150, 16, rows, compression=3 if masks else 0, masks=layout))
    full = [band / (2**bits - 1) for band, bits in ((red, 5), (green, green_bits), (blue, 5))]
    return np.asarray(np.rint(np.dstack(full) * 255), np.uint8)


def _bmp_of_32_bits(file: Path) -> Pixels:
    bgr = photographs.portrait()[..., ::-1]
    rows = _padded(np.dstack([bgr, np.zeros((150, 200), np.uint8)]).reshape(150, -1))
    _write_bmp(file, _Bmp(200, 150, 32, rows))
    return photographs.portrait()


BMP: dict[str, Writer] = {
    "1 bit": lambda file: palette(file, 2),
    "4 bits": _bmp_of_4_bits,
    "8 bits": partial(_bmp_of_gray, bits=8),
    "16 bits": partial(_bmp_of_16_bits, masks=False),
    "16 bits with masks": partial(_bmp_of_16_bits, masks=True),
    "24 bits": lossless,
    "32 bits": _bmp_of_32_bits,
    "RLE": partial(_bmp_of_gray, bits=8, runs=True),
    "top-down": partial(_bmp_of_gray, bits=8, top_down=True),
}
