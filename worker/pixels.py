"""From a file of any scanner to upright 8-bit sRGB or gray pixels, the only kind that gets tiled.

Pixels are decoded as they are asked for, from top to bottom. Only what has to be turned is decoded
once and then read at random: from memory while it is small, else from a TIFF on scratch, of whose
uncompressed tiles libvips holds a few rows at a time.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyvips

from pipeline.geometry import Size
from worker.colour import to_srgb
from worker.decoding import Wanted, damaged
from worker.encoding import Pixels, band_rows
from worker.kinds import Kind, read_kind
from worker.opening import UPRIGHT, open_image
from worker.tiff_decoding import check_segments

IN_MEMORY_PIXELS = 64_000_000
"""Images that are turned stay in memory up to here (192 MB)."""
SCRATCH_TILE_PX = 256
FAIL_ON = {Kind.JPEG: "warning", Kind.TIFF: "warning"}
"""libjpeg only warns of corrupt data, and so does libvips of a TIFF's tiles."""
NO_MEMORY = re.compile("(out of|insufficient) memory", re.IGNORECASE)
"""What libvips and libjpeg say where they get none; the file may be faultless."""


Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Source:
    """An image of a source, normalised; `load` opens it anew, for one pass over its pixels."""

    load: Callable[[], pyvips.Image]
    size: Size

    def resized(self, size: Size, quality: int) -> bytes:
        """Return a JPEG of the whole at another size. Decodes the image; raises pyvips.Error."""
        # libvips' own sink: resizing for bands of rows would keep most of the image.
        image = self.load().thumbnail_image(size.width, height=size.height, size="force")
        return bytes(image.jpegsave_buffer(Q=quality, keep="none"))

    def rows(self) -> Iterator[Pixels]:
        """Yield the pixels from top to bottom, in bands of `band_rows`.

        Each call decodes the image. Raises pyvips.Error.
        """
        image = self.load()
        region = pyvips.Region.new(image)
        height = band_rows(image.width)
        for top in range(0, image.height, height):
            rows = min(height, image.height - top)
            # Bands rather than strips of tiles: they stay in the CPU's cache.
            samples = region.fetch(0, top, image.width, rows)
            yield np.frombuffer(samples, np.uint8).reshape(rows, image.width, image.bands)


def with_source(
    path: Path,
    scratch: Path,
    use: Callable[[Source], Result],
    part: int = 1,
    pdf_dpi: int = 300,
) -> Result:
    """Return what `use` makes of one image of a source.

    It is called again where only the tags of a TIFF are at fault: what it made before is void.
    `part` counts the images of a multi-page file from 1; `scratch` is an empty folder. `path` is
    a copy of ours: a tag that libtiff cannot bear is put right in it. Raises BadImage where the
    image cannot be read whole, or is too large, and MemoryError.
    """
    kind, wanted = read_kind(path), Wanted(path, part, pdf_dpi)
    pyvips.vips_lib.vips_error_clear()  # libvips keeps the messages of earlier images
    try:
        return use(_open(kind, wanted, FAIL_ON.get(kind, "error"), scratch))
    except pyvips.Error as error:
        if kind is not Kind.TIFF or _has_faultless_tags(wanted):
            raise damaged(kind, _detail(error), path) from error
    check_segments(path, part)
    pyvips.vips_lib.vips_error_clear()
    try:
        return use(_open(kind, wanted, "error", scratch))
    except pyvips.Error as error:
        raise damaged(kind, _detail(error), path) from error


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


def _open(kind: Kind, wanted: Wanted, fail_on: str, scratch: Path) -> Source:
    opened = open_image(kind, wanted, fail_on)

    def load() -> pyvips.Image:
        return to_srgb(opened.load, opened.samples)

    image = opened.load()
    orientation = image.get("orientation") if image.get_typeof("orientation") else UPRIGHT
    if orientation != UPRIGHT:
        upright = _turn(load(), orientation, scratch)
        return Source(lambda: upright, Size(upright.width, upright.height))
    return Source(load, Size(image.width, image.height))


def _turn(image: pyvips.Image, orientation: int, scratch: Path) -> pyvips.Image:
    pixels = _store(image, scratch / "pixels.tif")
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
