"""From a file of any scanner to upright 8-bit sRGB or gray pixels, the only kind that gets tiled.

An image is decoded once and then read at random: from memory while it is small, else from a TIFF
on scratch, of whose uncompressed tiles libvips holds a few rows at a time.
"""

import re
from pathlib import Path

import pyvips

from worker.colour import to_srgb
from worker.decoding import Wanted, damaged
from worker.kinds import Kind, read_kind
from worker.opening import UPRIGHT, open_image
from worker.tiff_decoding import check_segments

IN_MEMORY_PIXELS = 64_000_000
"""Decoded images up to here stay in memory (192 MB)."""
SCRATCH_TILE_PX = 256
FAIL_ON = {Kind.JPEG: "warning", Kind.TIFF: "warning"}
"""libjpeg only warns of corrupt data, and so does libvips of a TIFF's tiles."""
NO_MEMORY = re.compile("(out of|insufficient) memory", re.IGNORECASE)
"""What libvips and libjpeg say where they get none; the file may be faultless."""


def open_pixels(source: Path, scratch: Path, part: int = 1, pdf_dpi: int = 300) -> pyvips.Image:
    """Decode one image of a source, normalised, for random access.

    `part` counts the images of a multi-page file from 1; `scratch` is an empty folder. `source` is
    a copy of ours: a tag that libtiff cannot bear is put right in it. Raises BadImage where the
    image cannot be read whole, or is too large, and MemoryError.
    """
    kind, wanted = read_kind(source), Wanted(source, part, pdf_dpi)
    pyvips.vips_lib.vips_error_clear()  # libvips keeps the messages of earlier images
    try:
        return _decode(kind, wanted, FAIL_ON.get(kind, "error"), scratch)
    except pyvips.Error as error:
        if kind is not Kind.TIFF or _has_faultless_tags(wanted):
            raise damaged(kind, _detail(error), source) from error
    check_segments(source, part)
    pyvips.vips_lib.vips_error_clear()
    try:
        return _decode(kind, wanted, "error", scratch)
    except pyvips.Error as error:
        raise damaged(kind, _detail(error), source) from error


def _has_faultless_tags(wanted: Wanted) -> bool:
    """Tell whether a TIFF's first pixel is read without a warning.

    Where it is not, the warning may be of the tags, which many scanners write a little wrong.
    """
    pyvips.vips_lib.vips_error_clear()
    try:
        open_image(Kind.TIFF, wanted, FAIL_ON[Kind.TIFF]).load().crop(0, 0, 1, 1).avg()
    except pyvips.Error:
        return False
    return True


def _decode(kind: Kind, wanted: Wanted, fail_on: str, scratch: Path) -> pyvips.Image:
    opened = open_image(kind, wanted, fail_on)
    image = opened.load()
    orientation = image.get("orientation") if image.get_typeof("orientation") else UPRIGHT
    pixels = _store(to_srgb(opened.load, opened.samples), scratch / "pixels.tif")
    if orientation == UPRIGHT:
        return pixels
    turned = pixels.copy()
    turned.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    upright = _store(turned.autorot(), scratch / "upright.tif")
    (scratch / "pixels.tif").unlink(missing_ok=True)
    return upright


def _store(image: pyvips.Image, scratch: Path) -> pyvips.Image:
    if image.width * image.height <= IN_MEMORY_PIXELS:
        return image.copy_memory()
    image.tiffsave(
        str(scratch),
        bigtiff=True,
        tile=True,
        tile_width=SCRATCH_TILE_PX,
        tile_height=SCRATCH_TILE_PX,
        keep="none",
    )
    return pyvips.Image.tiffload(str(scratch), revalidate=True)


def _detail(error: pyvips.Error) -> str:
    """Return what libvips has against a file; raises MemoryError where it has nothing."""
    if NO_MEMORY.search(str(error.detail)):
        raise MemoryError from error
    lines = [line.strip() for line in str(error.detail).splitlines() if line.strip()]
    return lines[0] if lines else "its header makes no sense"
