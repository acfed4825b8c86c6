"""From a file of any scanner to upright 8-bit sRGB or gray pixels, the only kind that gets tiled.

An image is decoded once and then read at random: from memory while it is small, else from a TIFF
on scratch, of whose uncompressed tiles libvips holds a few rows at a time.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyvips

from pipeline.errors import BadImage
from worker.budget import check_memory, check_pixels
from worker.colour import to_srgb
from worker.decoding import Wanted, decode
from worker.kinds import Kind, read_kind
from worker.tiff import Samples, find_page, read_samples, set_upright

IN_MEMORY_PIXELS = 64_000_000
"""Decoded images up to here stay in memory (192 MB)."""
SCRATCH_TILE_PX = 256
UPRIGHT = 1
ORIENTATIONS = range(1, 9)

LOADERS: dict[Kind, Callable[..., pyvips.Image]] = {
    Kind.TIFF: pyvips.Image.tiffload,
    Kind.JPEG: pyvips.Image.jpegload,
    Kind.PNG: pyvips.Image.pngload,
    Kind.WEBP: pyvips.Image.webpload,
    Kind.GIF: pyvips.Image.gifload,
    Kind.AVIF: pyvips.Image.heifload,
}
"""libvips' own; its other loaders never see an untrusted file."""
STRICT = {Kind.JPEG}
"""libjpeg only warns of corrupt data; other loaders warn of harmless things, unknown tags say."""
PLAIN = {"gray": "b-w", "rgb": "srgb", "cmyk": "cmyk", "lab": "lab"}
DEEP = {"gray": "grey16", "rgb": "rgb16", "cmyk": "cmyk", "lab": "lab"}

WHOLE_BYTES_PER_PIXEL = {Kind.WEBP: 9, Kind.GIF: 8, Kind.AVIF: 16}
"""What decoders take that hold the image as a whole."""
COEFFICIENT_BYTES = 2
QUARTERED = 1.5
"""Samples of a pixel with chroma subsampled both ways, of 3 without."""


def open_pixels(source: Path, scratch: Path, part: int = 1, pdf_dpi: int = 300) -> pyvips.Image:
    """Decode one image of a source, normalised, for random access.

    `part` counts the images of a multi-page file from 1; `scratch` is an empty folder. `source` is
    a copy of ours: a tag that libtiff cannot bear is put right in it. Raises BadImage where the
    image cannot be read whole, or is too large.
    """
    kind = read_kind(source)
    pyvips.vips_lib.vips_error_clear()  # libvips keeps the messages of earlier images
    try:
        load, samples = _open(kind, Wanted(source, part, pdf_dpi))
        image = load()
        _check(kind, image)
        orientation = image.get("orientation") if image.get_typeof("orientation") else UPRIGHT
        pixels = _store(to_srgb(load, samples), scratch / "pixels.tif")
        if orientation == UPRIGHT:
            return pixels
        turned = pixels.copy()
        turned.set_type(pyvips.GValue.gint_type, "orientation", orientation)
        upright = _store(turned.autorot(), scratch / "upright.tif")
        (scratch / "pixels.tif").unlink(missing_ok=True)
        return upright
    except pyvips.Error as error:
        raise BadImage(
            f"the {kind} file is damaged or of a form that cannot be read ({_detail(error)});"
            " copy it again from its original, or save it as a TIFF"
        ) from error


def _open(kind: Kind, wanted: Wanted) -> tuple[Callable[[], pyvips.Image], Samples | None]:
    """Return what opens the image anew, and what its file says of its samples."""
    if kind is not Kind.TIFF:
        load = _loader(kind, wanted.source) if kind in LOADERS else _decoder(kind, wanted)
        return load, None
    number = find_page(wanted.source, wanted.part)
    samples = read_samples(wanted.source, number)
    orientation = samples.orientation
    if orientation not in ORIENTATIONS:
        set_upright(wanted.source, number)
        orientation = UPRIGHT
    load = _loader(Kind.TIFF, wanted.source, page=number)
    if not samples.for_libvips or not _opens(load):
        load = _decoder(kind, replace(wanted, part=number + 1), orientation)
    return load, samples


def _decoder(kind: Kind, wanted: Wanted, orientation: int = UPRIGHT) -> Callable[[], pyvips.Image]:
    decoded = decode(kind, wanted)
    image = pyvips.Image.new_from_array(decoded.samples)
    deep = image.format == "ushort"
    image = image.copy(interpretation=(DEEP if deep else PLAIN)[decoded.colours])
    image.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    if decoded.profile:
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", decoded.profile)
    return lambda: image


def _loader(kind: Kind, path: Path, **options: object) -> Callable[[], pyvips.Image]:
    fail_on = "warning" if kind in STRICT else "error"
    return lambda: LOADERS[kind](
        str(path), access="sequential", fail_on=fail_on, revalidate=True, **options
    )


def _opens(load: Callable[[], pyvips.Image]) -> bool:
    """Tell whether libvips takes a file's header: it refuses some sizes of tiles."""
    try:
        load()
    except pyvips.Error:
        return False
    return True


def _check(kind: Kind, image: pyvips.Image) -> None:
    """Raise BadImage for an image of too many pixels for its kind."""
    pixels = image.width * image.height
    check_pixels(image.width, image.height)
    if kind in WHOLE_BYTES_PER_PIXEL:
        check_memory(kind, WHOLE_BYTES_PER_PIXEL[kind] * pixels)
    elif image.get_typeof("interlaced") and kind is Kind.JPEG:
        halved = image.get("jpeg-chroma-subsample") == "4:2:0"
        samples = QUARTERED if halved else image.bands
        advice = "save it as a baseline JPEG (not progressive) or as a TIFF"
        check_memory(kind, int(COEFFICIENT_BYTES * samples * pixels), advice)
    elif image.get_typeof("interlaced"):
        size = image.bands * (2 if image.format == "ushort" else 1)
        check_memory(kind, size * pixels, "save it without interlacing")


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
    lines = [line.strip() for line in str(error.detail).splitlines() if line.strip()]
    return lines[0] if lines else str(error.message)
