"""Kinds that libvips, as its wheel comes, does not read, rewritten as a TIFF that it does.

Each is decoded whole, so its pixels are limited by the memory that this takes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pi_heif
from PIL import Image, ImageFile, UnidentifiedImageError

from pipeline.errors import BadImage
from worker.budget import check_memory, check_pixels
from worker.jpeg2000 import read_jpeg2000
from worker.kinds import Kind
from worker.pdf import draw_page

HEIC_BYTES_PER_PIXEL = 12
PILLOW_BYTES_PER_PIXEL = 5
OPENJPEG_SAMPLE_BYTES = 5
"""32 bits while it is decoded, 8 when it is handed over."""

# Our own limits hold, and say what they are; a truncated file must not pass.
Image.MAX_IMAGE_PIXELS = None
ImageFile.LOAD_TRUNCATED_IMAGES = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which image of a source to decode: `part` counts from 1, `dpi` is for PDF alone."""

    source: Path
    part: int
    dpi: int


def rewrite(kind: Kind, wanted: Wanted, target: Path) -> None:
    """Decode a source of one of the DECODERS' kinds into a TIFF; raises BadImage."""
    try:
        image = DECODERS[kind](wanted)
        # Transparency of a palette is a note beside it, which a TIFF has no place for.
        if image.mode == "P":
            image = image.convert("RGBA" if "transparency" in image.info else "RGB")
        image.save(target, "TIFF", icc_profile=image.info.get("icc_profile"))
    except (OSError, ValueError, SyntaxError, EOFError, RuntimeError, MemoryError) as error:
        raise BadImage(
            f"the {kind} file is damaged or of a form that cannot be read ({error});"
            " copy it again from its original, or save it as a TIFF"
        ) from error


def _decode_with_pillow(wanted: Wanted, format_name: str) -> Image.Image:
    try:
        image = Image.open(wanted.source, formats=[format_name])
        image.seek(wanted.part - 1)
    except UnidentifiedImageError as error:
        raise ValueError("its header cannot be read") from error
    check_pixels(image.width, image.height)
    return image


def _decode_bmp(wanted: Wanted) -> Image.Image:
    image = _decode_with_pillow(wanted, "BMP")
    check_memory(Kind.BMP, PILLOW_BYTES_PER_PIXEL * image.width * image.height)
    image.load()
    return image


def _decode_tiff(wanted: Wanted) -> Image.Image:
    image = _decode_with_pillow(wanted, "TIFF")
    check_memory(Kind.TIFF, PILLOW_BYTES_PER_PIXEL * image.width * image.height)
    image.load()
    return image


def _decode_jpeg2000(wanted: Wanted) -> Image.Image:
    header = read_jpeg2000(wanted.source)
    image = _decode_with_pillow(wanted, "JPEG2000")
    check_memory(
        Kind.JPEG_2000,
        PILLOW_BYTES_PER_PIXEL * image.width * image.height
        + OPENJPEG_SAMPLE_BYTES * header.components * header.tile_pixels,
    )
    image.load()
    if header.profile is not None:
        image.info["icc_profile"] = header.profile
    return image


def _decode_heic(wanted: Wanted) -> Image.Image:
    heif = pi_heif.open_heif(wanted.source, convert_hdr_to_8bit=True)
    width, height = heif.size
    check_pixels(width, height)
    check_memory(Kind.HEIC, HEIC_BYTES_PER_PIXEL * width * height)
    image: Image.Image = heif.to_pillow()
    return image


def _decode_pdf(wanted: Wanted) -> Image.Image:
    return draw_page(wanted.source, wanted.part, wanted.dpi)


DECODERS: Mapping[Kind, Callable[[Wanted], Image.Image]] = {
    Kind.BMP: _decode_bmp,
    Kind.JPEG_2000: _decode_jpeg2000,
    Kind.HEIC: _decode_heic,
    Kind.PDF: _decode_pdf,
    Kind.TIFF: _decode_tiff,
}
"""TIFF is here for the compressions that libvips' libtiff was built without."""
