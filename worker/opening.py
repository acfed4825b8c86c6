"""How an image of a source is opened: by libvips where it reads the kind, else by others.

Nothing is decoded here but what must be decoded whole; how much that takes is checked before.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pyvips

from pipeline.errors import BadImage
from worker.budget import check_memory, check_pixels
from worker.decoding import Wanted, damaged, decode
from worker.kinds import Kind
from worker.tiff import Samples, find_page, read_samples, set_upright

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
ANY_LOADER = "VipsForeignLoad"
LOADER_CLASSES = ("Tiff", "Jpeg", "Png", "Webp", "Nsgif", "Heif")
FULL_BITS = (8, 16)
WHITE_16 = 65_535
PLAIN = {"gray": "b-w", "rgb": "srgb", "cmyk": "cmyk", "lab": "lab"}
DEEP = {"gray": "grey16", "rgb": "rgb16", "cmyk": "cmyk", "lab": "lab"}

WHOLE_BYTES_PER_PIXEL = {Kind.WEBP: 9, Kind.GIF: 8, Kind.AVIF: 16}
"""What decoders take that hold the image as a whole."""
COEFFICIENT_BYTES = 2
QUARTERED = 1.5
"""Samples of a pixel with chroma subsampled both ways, of 3 without."""


@dataclass(frozen=True, slots=True)
class Opened:
    """`load` opens the image anew, for one pass over its pixels; `samples` are for TIFF alone."""

    load: Callable[[], pyvips.Image]
    samples: Samples | None = None


def refuse_other_loaders() -> None:
    """Have libvips run none of its loaders in this process but those of LOADERS."""
    pyvips.block_untrusted_set(True)  # noqa: FBT003  # a C function's argument
    pyvips.operation_block_set(ANY_LOADER, True)  # noqa: FBT003
    for name in LOADER_CLASSES:
        pyvips.operation_block_set(f"{ANY_LOADER}{name}", False)  # noqa: FBT003


def keep_nothing_open() -> None:
    """Have libvips forget what it has read: a deleted source would stay on the disk."""
    pyvips.cache_set_max(0)


def open_image(kind: Kind, wanted: Wanted, fail_on: str) -> Opened:
    """Open an image of a source, up to its header.

    `fail_on` is what libvips shall not bear while it reads pixels. Raises BadImage, also for more
    pixels than may be decoded, and pyvips.Error.
    """
    opened = _open(kind, wanted, fail_on)
    _check(kind, opened.load())
    return opened


def _open(kind: Kind, wanted: Wanted, fail_on: str) -> Opened:
    if wanted.part > 1 and kind not in {Kind.TIFF, Kind.PDF}:
        raise BadImage(
            f"the {kind} file has no page {wanted.part}; if it was replaced, run the task again"
        )
    if kind not in LOADERS:
        return Opened(_decoder(kind, wanted))
    if kind is not Kind.TIFF:
        return Opened(_loader(kind, wanted.source, fail_on))
    number = find_page(wanted.source, wanted.part)
    samples = read_samples(wanted.source, number)
    orientation = samples.orientation
    if orientation not in ORIENTATIONS:
        set_upright(wanted.source, number)
        orientation = UPRIGHT
    load = _loader(Kind.TIFF, wanted.source, fail_on, page=number)
    if not samples.for_libvips or not _opens(load):
        load = _decoder(kind, replace(wanted, part=number + 1), orientation)
    return Opened(load, samples)


def _decoder(kind: Kind, wanted: Wanted, orientation: int = UPRIGHT) -> Callable[[], pyvips.Image]:
    decoded = decode(kind, wanted)
    try:
        image = pyvips.Image.new_from_array(decoded.samples)
    except ValueError as error:  # samples of a kind that libvips does not have: 64-bit integers
        raise damaged(kind, str(error), wanted.source) from error
    if decoded.bits is not None and decoded.bits not in FULL_BITS:
        image = (image * (WHITE_16 / (2**decoded.bits - 1))).rint().cast("ushort")
    deep = image.format == "ushort"
    image = image.copy(interpretation=(DEEP if deep else PLAIN)[decoded.colours])
    image.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    if decoded.profile:
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", decoded.profile)
    return lambda: image


def _loader(kind: Kind, path: Path, fail_on: str, **options: object) -> Callable[[], pyvips.Image]:
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
