"""Image files of many kinds, written by other libraries than the one under test."""

import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

PNG_HEAD = 33
"""Bytes of a PNG up to the end of its first chunk, IHDR."""


def write_tiff(file: Path, pixels: NDArray[Any], **settings: Any) -> Path:
    """Write a TIFF by tifffile; `orientation` is its tag, other settings are of `imwrite`."""
    orientation = settings.pop("orientation", None)
    tags = list(settings.pop("extratags", ()))
    if orientation is not None:
        tags.append((274, "H", 1, orientation, True))
    settings.setdefault("photometric", "rgb" if pixels.ndim == 3 else "minisblack")
    tifffile.imwrite(file, pixels, extratags=tags, metadata=None, **settings)
    return file


def write_pillow(
    file: Path, pixels: NDArray[Any] | Image.Image, profile: bytes | None = None, **settings: Any
) -> Path:
    """Write by Pillow; the suffix names the kind, `profile` is embedded."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    if profile is not None:
        settings["icc_profile"] = profile
    image.save(file, **settings)
    return file


def write_png_16(file: Path, pixels: NDArray[np.uint16], profile: bytes | None = None) -> Path:
    """Write a PNG of 16 bits, which Pillow cannot where it has colours."""
    whole = imagecodecs.png_encode(pixels)
    if profile is not None:
        whole = whole[:PNG_HEAD] + _chunk(b"iCCP", b"icc\0\0" + zlib.compress(profile)) + whole[33:]
    file.write_bytes(whole)
    return file


def write_jp2(
    file: Path, pixels: NDArray[Any], profile: bytes | None = None, **settings: Any
) -> Path:
    """Write a lossless JPEG 2000 by Pillow, its colour box replaced by one that holds a profile."""
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG2000", **settings)
    whole = buffer.getvalue()
    if profile is not None:
        whole = _with_profile(whole, profile)
    file.write_bytes(whole)
    return file


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _with_profile(jp2: bytes, profile: bytes) -> bytes:
    header, colour = jp2.index(b"jp2h") - 4, jp2.index(b"colr") - 4
    header_length, colour_length = (struct.unpack_from(">I", jp2, at)[0] for at in (header, colour))
    box = struct.pack(">I4s3B", 11 + len(profile), b"colr", 2, 0, 0) + profile
    length = struct.pack(">I", header_length - colour_length + len(box))
    return jp2[:header] + length + jp2[header + 4 : colour] + box + jp2[colour + colour_length :]


def write_interlaced_png(file: Path, pixels: NDArray[np.uint8]) -> Path:
    """Write an RGB PNG in the seven passes of Adam7."""
    height, width = pixels.shape[:2]
    passes = [
        (0, 0, 8, 8),
        (0, 4, 8, 8),
        (4, 0, 8, 4),
        (0, 2, 4, 4),
        (2, 0, 4, 2),
        (0, 1, 2, 2),
        (1, 0, 2, 1),
    ]
    unfiltered = b"".join(
        b"\0" + row.tobytes() for y, x, down, right in passes for row in pixels[y::down, x::right]
    )
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 1)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(unfiltered)), (b"IEND", b"")]
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks))
    return file
