"""JPEGs of pixels: of all at once, or of bands of rows as they come, without holding them."""

import struct

import imagecodecs
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""Samples of shape (height, width, bands): sRGB has three bands, gray one."""

FULL_CHROMA_QUALITY = 90
"""From here on the chroma is not halved, as libvips has it."""
BAND_ROWS = 64
"""At most. Bands of JPEG_MAX_PX have no more MCUs than a restart interval may."""
LEAST_BAND_ROWS = 16
"""An MCU has 8 or 16."""
BAND_PX = 1 << 20
"""At most, where LEAST_BAND_ROWS allow it: bands should be small enough for malloc to keep them."""
BLOCK_PX = 8
SOI_BYTES = 2
FRAME, SCAN = 0xC0, 0xDA
"""Markers of ITU-T T.81, table B.1: baseline frame, start of scan."""
RESTART_INTERVAL = b"\xff\xdd\x00\x04"
FIRST_RESTART, RESTARTS = 0xD0, 8
END = b"\xff\xd9"


def band_rows(width: int) -> int:
    """Return how many rows the bands of an image should have: whole MCUs, an even number."""
    rows = BAND_ROWS
    while rows > LEAST_BAND_ROWS and rows * width > BAND_PX:
        rows //= 2
    return rows


def encode(pixels: Pixels, quality: int) -> bytes:
    """Return a baseline JPEG without metadata; raises MemoryError."""
    if pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    subsampling = "420" if quality < FULL_CHROMA_QUALITY else "444"
    samples = np.ascontiguousarray(pixels)
    try:
        return bytes(imagecodecs.jpeg8_encode(samples, level=quality, subsampling=subsampling))
    except imagecodecs.Jpeg8Error as error:
        # Nothing else can be wrong with pixels.
        raise MemoryError from error


class BandedJpeg:
    """One JPEG of bands of as many rows as `band_rows` says, the last of which may have fewer.

    Each band is encoded by itself, as the restart interval that it becomes: ITU-T T.81, B.2.4.4.
    So what is kept of it are its compressed bytes. The result decodes to the same pixels as one
    that is encoded at once.
    """

    def __init__(self, height: int, quality: int) -> None:
        self._height = height
        self._quality = quality
        self._parts: list[bytes] = []
        self._bands = 0

    def add(self, rows: Pixels) -> None:
        """Encode the next band, from the top."""
        jpeg = encode(rows, self._quality)
        frame, scan = _find(jpeg, FRAME), _find(jpeg, SCAN)
        (scan_header,) = struct.unpack_from(">H", jpeg, scan + 2)
        if not self._bands:
            # After marker, length and precision comes the height: B.2.2.
            head, tail = jpeg[: frame + 5], jpeg[frame + 7 : scan]
            interval = RESTART_INTERVAL + struct.pack(">H", self._units(rows))
            scan_head = jpeg[scan : scan + 2 + scan_header]
            self._parts += [head, struct.pack(">H", self._height), tail, interval, scan_head]
        else:
            self._parts.append(bytes([0xFF, FIRST_RESTART + (self._bands - 1) % RESTARTS]))
        self._parts.append(jpeg[scan + 2 + scan_header : -len(END)])
        self._bands += 1

    def finish(self) -> bytes:
        """Return the JPEG, when all bands were added."""
        return b"".join([*self._parts, END])

    def _units(self, rows: Pixels) -> int:
        """Return the number of MCUs of a whole band: A.2."""
        width: int = rows.shape[1]
        halved = rows.shape[2] > 1 and self._quality < FULL_CHROMA_QUALITY
        side = 2 * BLOCK_PX if halved else BLOCK_PX
        return -(-width // side) * -(-len(rows) // side)


def _find(jpeg: bytes, marker: int) -> int:
    """Return where a marker's segment begins: B.1.1.4."""
    place = SOI_BYTES
    while jpeg[place + 1] != marker:
        place += 2 + int.from_bytes(jpeg[place + 2 : place + 4], "big")
    return place
