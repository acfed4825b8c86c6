"""What libvips does not tell of a TIFF: which directories are pages, and what samples mean.

Adapter around tifffile, which reads directories alone.
"""

import logging
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import Literal

from tifffile import (
    COMPRESSION,
    EXTRASAMPLE,
    PHOTOMETRIC,
    SAMPLEFORMAT,
    TiffFile,
    TiffFileError,
    TiffPage,
)

from pipeline.errors import BadImage

REDUCED_OR_MASK = 0b101
"""Bits of NewSubfileType (TIFF 6.0, p. 36): not a page, but a smaller copy or a mask of one."""
ALPHAS = (EXTRASAMPLE.ASSOCALPHA, EXTRASAMPLE.UNASSALPHA)
"""ExtraSamples (TIFF 6.0, p. 31); any other is infrared, say."""
MIN_PYRAMID_LEVELS = 3
MAX_PYRAMID_LEVELS = 32
"""No image can be halved more often; so many pages are looked at to tell a pyramid from pages."""
DAMAGED = (
    "the TIFF file is damaged: its directory of images cannot be read ({});"
    " copy it again from its original"
)
ERRORS = (
    TiffFileError,
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    struct.error,
)
"""What tifffile raises for directories that make no sense."""
PHOTOMETRICS = {
    PHOTOMETRIC.MINISWHITE,
    PHOTOMETRIC.MINISBLACK,
    PHOTOMETRIC.RGB,
    PHOTOMETRIC.PALETTE,
    PHOTOMETRIC.SEPARATED,
    PHOTOMETRIC.YCBCR,
    PHOTOMETRIC.CIELAB,
    PHOTOMETRIC.ICCLAB,
}
COMPLEX = (SAMPLEFORMAT.COMPLEXINT, SAMPLEFORMAT.COMPLEXIEEEFP)
MAX_DIRECTORIES = 100_000
UPRIGHT = 1
LIBVIPS_COMPRESSIONS = {
    COMPRESSION.NONE,
    COMPRESSION.CCITTRLE,
    COMPRESSION.CCITT_T4,
    COMPRESSION.CCITT_T6,
    COMPRESSION.LZW,
    COMPRESSION.JPEG,
    COMPRESSION.ADOBE_DEFLATE,
    COMPRESSION.DEFLATE,
    COMPRESSION.PACKBITS,
}
INTEGER_BITS = {1, 2, 4, 8, 16, 32}
FLOAT_BITS = {32}
DIVIDED_BITS = {8, 16}
LABS = {PHOTOMETRIC.CIELAB, PHOTOMETRIC.ICCLAB}


# It logs what it finds odd; what matters of that becomes an error of ours.
logging.getLogger("tifffile").addHandler(logging.NullHandler())
logging.getLogger("tifffile").propagate = False


@dataclass(frozen=True, slots=True)
class Samples:
    """What the samples of a page mean.

    `extra` are the bands beyond the colours: whether each is alpha. `declared` is the range that
    the file says they have, from black to white. `inverted` floats have white at 0.
    `for_libvips` tells whether libvips reads them.
    """

    extra: tuple[bool, ...]
    declared: tuple[float, float] | None
    orientation: int
    inverted: bool
    for_libvips: bool


def list_pages(source: Path, at_most: int) -> tuple[int, ...]:
    """Return the numbers of the directories that are pages, `at_most + 1` of them at most.

    Raises BadImage where the directories cannot be read.
    """
    with opened(source) as tiff:
        numbered = islice(enumerate(_directories(tiff)), MAX_DIRECTORIES)
        whole = ((n, page) for n, page in numbered if not page.subfiletype & REDUCED_OR_MASK)
        pages = dict(islice(whole, max(at_most, MAX_PYRAMID_LEVELS) + 1))
        if not pages and next(_directories(tiff), None) is None:
            raise BadImage(DAMAGED.format("it is empty"))
        if not pages or _is_pyramid(list(pages.values())):
            return (min(pages, default=0),)
        if len(pages) <= at_most:
            _check_end(tiff)
    return tuple(pages)[: at_most + 1]


def find_page(source: Path, part: int) -> int:
    """Return the number of the directory that is the page `part`, counted from 1.

    Raises BadImage where there is none.
    """
    pages = list_pages(source, part)
    if part > len(pages):
        raise BadImage(
            f"the TIFF file has no page {part}, only {len(pages)};"
            " if it was replaced, run the task again"
        )
    return pages[part - 1]


def read_samples(source: Path, number: int) -> Samples:
    """Return what the samples of a directory mean; raises BadImage."""
    with opened(source) as tiff:
        page = directory(tiff, number)
        if page.sampleformat in COMPLEX:
            raise BadImage("the TIFF file holds complex numbers, which are no colours")
        if page.photometric not in PHOTOMETRICS:
            raise BadImage(
                f"the TIFF file's colours are of a form that is not read ({page.photometric});"
                " save it as RGB"
            )
        return Samples(
            extra=tuple(kind in ALPHAS for kind in page.extrasamples),
            declared=_declared_range(page),
            orientation=page.tags.valueof("Orientation", default=UPRIGHT),
            inverted=_is_float(page) and page.photometric == PHOTOMETRIC.MINISWHITE,
            for_libvips=_is_for_libvips(page),
        )


def set_upright(source: Path, number: int) -> None:
    """Overwrite a directory's orientation, which some scanners set to what libtiff takes ill.

    Raises BadImage where its tag has no room for a number.
    """
    with opened(source, mode="r+") as tiff:
        directory(tiff, number).tags["Orientation"].overwrite(UPRIGHT)


def directory(tiff: TiffFile, number: int) -> TiffPage:
    """Return the directory of a number, counted from 0; raises BadImage."""
    page = next(islice(_directories(tiff), number, None), None)
    if page is None:
        raise BadImage(DAMAGED.format(f"there is no directory {number}"))
    counts = (page.imagewidth, page.imagelength, page.samplesperpixel, page.rowsperstrip)
    if not all(isinstance(count, int) and count >= 0 for count in counts):
        raise ValueError("its size is no number")
    return page


def _is_for_libvips(page: TiffPage) -> bool:
    # YCbCr that is no JPEG it takes for RGB.
    is_luma = page.photometric == PHOTOMETRIC.YCBCR and page.compression != COMPRESSION.JPEG
    return (
        page.compression in LIBVIPS_COMPRESSIONS
        and page.bitspersample in (FLOAT_BITS if _is_float(page) else INTEGER_BITS)
        and page.photometric not in LABS
        and not is_luma
        and (EXTRASAMPLE.ASSOCALPHA not in page.extrasamples or _is_divided_rightly(page))
    )


def _is_divided_rightly(page: TiffPage) -> bool:
    """Tell whether libvips knows the scale of the alpha that it divides the colours by."""
    return page.bitspersample in DIVIDED_BITS and page.photometric != PHOTOMETRIC.SEPARATED


def _is_float(page: TiffPage) -> bool:
    return bool(page.sampleformat == SAMPLEFORMAT.IEEEFP)


@contextmanager
def opened(source: Path, mode: Literal["r", "r+"] = "r") -> Iterator[TiffFile]:
    """Open a TIFF for its directories; raises BadImage, also for what is found later."""
    try:
        with TiffFile(source, mode=mode) as tiff:
            yield tiff
    except ERRORS as error:
        raise BadImage(DAMAGED.format(error)) from error


def _directories(tiff: TiffFile) -> Iterator[TiffPage]:
    for page in tiff.pages:
        if isinstance(page, TiffPage):
            yield page


def _check_end(tiff: TiffFile) -> None:
    """Raise ValueError where the last directory that was found says that there are more."""
    last = None
    for last in _directories(tiff):  # noqa: B007  # the last one is wanted
        pass
    if last is not None:
        form, file = tiff.tiff, tiff.filehandle
        file.seek(last.offset)
        (count,) = struct.unpack(form.tagnoformat, file.read(form.tagnosize))
        file.seek(last.offset + form.tagnosize + count * form.tagsize)
        (following,) = struct.unpack(form.offsetformat, file.read(form.offsetsize))
        if following != 0:
            raise ValueError("pages that it names are not in it")


def _is_pyramid(pages: Sequence[TiffPage]) -> bool:
    """Tell whether each page is half of the one before: some writers do not mark the levels."""
    return len(pages) >= MIN_PYRAMID_LEVELS and all(
        abs(2 * small.imagewidth - large.imagewidth) <= 1
        and abs(2 * small.imagelength - large.imagelength) <= 1
        for large, small in pairwise(pages)
    )


def _declared_range(page: TiffPage) -> tuple[float, float] | None:
    values = [page.tags.valueof(name) for name in ("SMinSampleValue", "SMaxSampleValue")]
    low, high = (min(v) if isinstance(v, tuple) and v else v for v in values)
    if isinstance(low, int | float) and isinstance(high, int | float) and low < high:
        return float(low), float(high)
    return None
