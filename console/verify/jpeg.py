"""The size that a JPEG's first bytes tell, without decoding it. Pure.

Markers: ITU-T T.81, annex B (https://www.w3.org/Graphics/JPEG/itu-t81.pdf).
"""

from pipeline.geometry import Size

MARKER = 0xFF
"""Each marker starts with it, and any number of it may stand before."""
FRAME_BYTES = 9
"""Marker, length, precision, height and width."""
START = b"\xff\xd8"
END = b"\xff\xd9"
FIRST_BYTES = 2_048
"""Enough for the header of most tiles; more is read where profiles or thumbnails precede it."""
MAX_HEADER_BYTES = 1_048_576

FRAMES = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}
"""SOF0 to SOF15 but for DHT, JPG and DAC, which share their range."""
WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD8)}
ENDS_HEADER = {0xD9, 0xDA}


class NotJpeg(Exception):
    """The bytes are not those of a JPEG; the text says what they are."""


def read_size(content: bytes) -> Size | None:
    """Return width and height; None where they come after these bytes.

    Raises NotJpeg.
    """
    if not content:
        raise NotJpeg("is empty (0 bytes)")
    if not content.startswith(START):
        raise NotJpeg(f"is not a JPEG: it starts with {content[:8]!r}")
    place = len(START)
    while place + FRAME_BYTES <= len(content):
        if content[place] != MARKER:
            raise NotJpeg("is a damaged JPEG: its header cannot be read")
        marker = content[place + 1]
        if marker == MARKER or marker in WITHOUT_LENGTH:
            place += 1 if marker == MARKER else 2
            continue
        if marker in FRAMES:
            height = int.from_bytes(content[place + 5 : place + 7])
            width = int.from_bytes(content[place + 7 : place + FRAME_BYTES])
            return Size(width, height)
        if marker in ENDS_HEADER:
            raise NotJpeg("is a damaged JPEG: its header names no size")
        place += 2 + int.from_bytes(content[place + 2 : place + 4])
    return None
