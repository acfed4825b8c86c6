"""Kinds and forms that libvips, as its wheel comes, does not read: decoded by other libraries.

Each is decoded whole, so its pixels are limited by the memory that this takes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pi_heif
from numpy.typing import NDArray
from PIL import Image, ImageFile

from pipeline.errors import BadImage
from worker.budget import check_memory, check_pixels
from worker.jpeg2000 import read_jpeg2000, read_unconverted
from worker.kinds import Kind
from worker.pdf import draw_page
from worker.tiff_decoding import decode_directory

HEIC_BYTES_PER_PIXEL = 14
BMP_BYTES_PER_PIXEL = 10
"""Measured at 30 million pixels, like those in `worker.opening`."""
OPENJPEG_SAMPLE_BYTES = 4
"""Of each sample while it is decoded; those of the result come on top."""
BYTE_BITS = 8
DIRECT_MODES = {"L": "gray", "LA": "gray", "I;16": "gray", "RGB": "rgb", "RGBA": "rgb"}
BANDS_OF_CMYK = 4

# Our own limits hold, and say what they are; a truncated file must not pass.
Image.MAX_IMAGE_PIXELS = None
ImageFile.LOAD_TRUNCATED_IMAGES = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which image of a source to decode: `part` counts from 1, `dpi` is for PDF alone."""

    source: Path
    part: int
    dpi: int


@dataclass(frozen=True, slots=True)
class Decoded:
    """Samples of an image, shape (height, width, bands), whole numbers or floats.

    `colours` is `gray`, `rgb`, `cmyk` or `lab` (CIELAB under D50); a band beyond them is alpha.
    `bits` are those that hold the most of whole numbers, None for floats.
    """

    samples: NDArray[Any]
    colours: str
    bits: int | None
    profile: bytes | None = None


def decode(kind: Kind, wanted: Wanted) -> Decoded:
    """Decode a source of one of the kinds in DECODERS; raises BadImage."""
    try:
        return DECODERS[kind](wanted)
    except ERRORS as error:
        raise damaged(kind, str(error), wanted.source) from error


def damaged(kind: Kind, detail: str, source: Path) -> BadImage:
    """Return the error of a library that could not read a file, in people's words."""
    # Where our copy lies tells them nothing.
    detail = detail.replace(str(source), "the file")
    return BadImage(
        f"the {kind} file is damaged or of a form that cannot be read ({detail});"
        " copy it again from its original, or save it as a TIFF"
    )


def _from_pillow(image: Image.Image) -> Decoded:
    if image.mode not in DIRECT_MODES:
        alpha = "RGBA" if image.has_transparency_data else "RGB"
        image = image.convert("L" if image.mode == "1" else alpha)
    samples = np.atleast_3d(np.asarray(image))
    bits, profile = 8 * samples.itemsize, image.info.get("icc_profile")
    return Decoded(samples, DIRECT_MODES[image.mode], bits, profile)


def _decode_bmp(wanted: Wanted) -> Decoded:
    with Image.open(wanted.source, formats=["BMP"]) as image:
        check_pixels(image.width, image.height)
        check_memory(Kind.BMP, BMP_BYTES_PER_PIXEL * image.width * image.height)
        return _from_pillow(image)


def _decode_heic(wanted: Wanted) -> Decoded:
    heif = pi_heif.open_heif(wanted.source, convert_hdr_to_8bit=True)
    width, height = heif.size
    check_pixels(width, height)
    check_memory(Kind.HEIC, HEIC_BYTES_PER_PIXEL * width * height)
    return _from_pillow(heif.to_pillow())


def _decode_pdf(wanted: Wanted) -> Decoded:
    return _from_pillow(draw_page(wanted.source, wanted.part, wanted.dpi))


def _decode_jpeg2000(wanted: Wanted) -> Decoded:
    header = read_jpeg2000(wanted.source)
    check_pixels(header.width, header.height)
    sample_bytes = OPENJPEG_SAMPLE_BYTES + (1 if header.bits <= BYTE_BITS else 2)
    needed = header.width * header.height * header.components * sample_bytes
    check_memory(Kind.JPEG_2000, needed + 2 * wanted.source.stat().st_size)
    content = read_unconverted(wanted.source, header)
    samples = np.atleast_3d(imagecodecs.jpeg2k_decode(content))
    bands = samples.shape[2]
    colours = "gray" if bands < 3 else "rgb"  # noqa: PLR2004  # red, green and blue
    if header.is_cmyk and bands >= BANDS_OF_CMYK:
        colours = "cmyk"
    bits = 8 * samples.itemsize if header.has_palette else header.bits
    return Decoded(samples, colours, bits, header.profile)


def _decode_tiff(wanted: Wanted) -> Decoded:
    """Decode the directory of this number, counted from 1."""
    tiff = decode_directory(wanted.source, wanted.part - 1)
    return Decoded(tiff.samples, tiff.colours, tiff.bits, tiff.profile)


DECODERS: Mapping[Kind, Callable[[Wanted], Decoded]] = {
    Kind.BMP: _decode_bmp,
    Kind.JPEG_2000: _decode_jpeg2000,
    Kind.HEIC: _decode_heic,
    Kind.PDF: _decode_pdf,
    Kind.TIFF: _decode_tiff,
}
ERRORS = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    LookupError,
    RuntimeError,
    TypeError,
)
"""What these libraries raise for files that they cannot read."""
