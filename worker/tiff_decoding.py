"""The TIFFs that libvips' libtiff does not read, decoded whole by tifffile and imagecodecs.

Rare compressions (Zstandard, LZMA, WebP), 10, 12 or 14 bits a sample, floats of 16 or 64, CIELAB.
"""

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tifffile import COMPRESSION, EXTRASAMPLE, PHOTOMETRIC, SAMPLEFORMAT, TiffPage

from pipeline.errors import BadImage
from worker.budget import check_memory, check_pixels
from worker.kinds import Kind
from worker.tiff import directory, find_page, opened

COLOURS: dict[int, str] = {
    PHOTOMETRIC.MINISBLACK: "gray",
    PHOTOMETRIC.MINISWHITE: "gray",
    PHOTOMETRIC.RGB: "rgb",
    PHOTOMETRIC.YCBCR: "rgb",
    PHOTOMETRIC.PALETTE: "rgb",
    PHOTOMETRIC.SEPARATED: "cmyk",
    PHOTOMETRIC.CIELAB: "lab",
    PHOTOMETRIC.ICCLAB: "lab",
}
PLAIN_COLOURS = {PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.RGB, PHOTOMETRIC.SEPARATED}
PALETTE_BITS = 16
PLAIN_BITS = 8
STRICT_COMPRESSIONS = {
    COMPRESSION.NONE,
    COMPRESSION.LZW,
    COMPRESSION.JPEG,
    COMPRESSION.ADOBE_DEFLATE,
    COMPRESSION.DEFLATE,
    COMPRESSION.PACKBITS,
}
CUT_OFF = "the TIFF file is cut off; copy it again from its original"
COPIES = 3
"""Of the samples there are at once, at least."""
CONVERTED_BYTES = 14
COMPUTED_BYTES = 24
"""Of each sample that becomes another: measured at 30 million pixels, like those elsewhere."""


@dataclass(frozen=True, slots=True)
class Directory:
    """Samples of shape (height, width, bands), and what they mean; `bits` is None for floats."""

    samples: NDArray[Any]
    colours: str
    bits: int | None
    profile: bytes | None


def decode_directory(source: Path, number: int) -> Directory:
    """Decode the directory of a number, counted from 0; raises BadImage."""
    with opened(source) as tiff:
        page = directory(tiff, number)
        check_pixels(page.imagewidth, page.imagelength)
        check_memory(Kind.TIFF, _sample_bytes(page) * page.size)
        _check_segments_are_there(page)
        samples = page.asarray(squeeze=False, maxworkers=1)[:, 0]
        samples = np.moveaxis(samples, 0, -2).reshape(page.imagelength, page.imagewidth, -1)
        samples, bits = _as_colours(page, _divide_by_alpha(page, samples))
        return Directory(samples, COLOURS[page.photometric], bits, page.iccprofile)


def _check_segments_are_there(page: TiffPage) -> None:
    """Raise BadImage for fewer strips or tiles than the size asks for: it may ask for billions.

    tifffile makes a list of them all, also of those that are missing.
    """
    if prod(page.chunked) > min(len(page.dataoffsets), len(page.databytecounts)):
        raise BadImage(CUT_OFF)


def _sample_bytes(page: TiffPage) -> int:
    """Return what decoding takes at its peak for each sample."""
    copies = COPIES * (page.dtype.itemsize if page.dtype else 1)
    if EXTRASAMPLE.ASSOCALPHA in page.extrasamples or page.photometric == PHOTOMETRIC.YCBCR:
        return max(copies, COMPUTED_BYTES)
    if page.bitspersample == PLAIN_BITS and page.photometric in PLAIN_COLOURS:
        return copies
    return max(copies, CONVERTED_BYTES)


def _as_colours(page: TiffPage, samples: NDArray[Any]) -> tuple[NDArray[Any], int | None]:
    """Return the samples with black at 0, and how many bits hold the most; None for floats."""
    bits = page.bitspersample
    if page.photometric == PHOTOMETRIC.PALETTE:
        palette = np.asarray(page.colormap)
        return np.moveaxis(palette[:, samples[..., 0]], 0, -1), PALETTE_BITS
    if COLOURS[page.photometric] == "lab":
        return _as_lab(page, samples), None
    if page.sampleformat == SAMPLEFORMAT.IEEEFP:
        return samples.astype(np.float32), None
    if page.photometric == PHOTOMETRIC.YCBCR and page.compression != COMPRESSION.JPEG:
        return _as_rgb(samples), bits
    if page.photometric == PHOTOMETRIC.MINISWHITE:
        samples = (2**bits - 1) - samples
    return samples, bits


def _divide_by_alpha(page: TiffPage, samples: NDArray[Any]) -> NDArray[Any]:
    """Return samples whose colours are not multiplied by their alpha: TIFF 6.0, section 18."""
    if EXTRASAMPLE.ASSOCALPHA not in page.extrasamples:
        return samples
    colours = page.samplesperpixel - len(page.extrasamples)
    place = colours + page.extrasamples.index(EXTRASAMPLE.ASSOCALPHA)
    most = 1.0 if samples.dtype.kind == "f" else 2.0**page.bitspersample - 1
    alpha = samples[..., place : place + 1].astype(np.float64) / most
    divided = samples.copy()
    # Where nothing is seen, the colour does not matter.
    divided[..., :colours] = (samples[..., :colours] / np.where(alpha > 0, alpha, 1)).clip(0, most)
    return divided


def _as_rgb(samples: NDArray[Any]) -> NDArray[Any]:
    """Return RGB of luma and chroma as TIFF has them by default: TIFF 6.0, section 21."""
    if samples.dtype != np.uint8:
        raise ValueError("luma and chroma have more than 8 bits")
    luma, blue, red = np.moveaxis(samples[..., :3].astype(np.float32), -1, 0)
    blue, red = blue - 128, red - 128
    rgb = [luma + 1.402 * red, luma - 0.344136 * blue - 0.714136 * red, luma + 1.772 * blue]
    return np.stack(rgb, axis=-1).round().clip(0, 255).astype(np.uint8)


def _as_lab(page: TiffPage, samples: NDArray[Any]) -> NDArray[Any]:
    """Return L* from 0 to 100, a* and b*: TIFF 6.0, section 23; ICC's form in supplement 1."""
    bits = page.bitspersample
    unit = 2.0 ** (bits - 8)
    values = samples[..., :3].astype(np.float32)
    if page.photometric == PHOTOMETRIC.ICCLAB:
        white, opposites = 255 * unit, values[..., 1:] / unit - 128
    else:
        signed = samples[..., 1:3].view(np.dtype(f"i{samples.itemsize}"))
        opposites = signed.astype(np.float32) / unit
        white = 2.0**bits - 1
    lightness = values[..., :1] * (100 / white)
    return np.concatenate([lightness, opposites], axis=-1)


def check_segments(source: Path, part: int) -> None:
    """Raise BadImage where a strip or tile of a page cannot be decoded; keeps none of them.

    imagecodecs is strict where libtiff only warns.
    """
    number = find_page(source, part)
    with opened(source) as tiff:
        page = directory(tiff, number)
        length = source.stat().st_size
        ends = (o + n for o, n in zip(page.dataoffsets, page.databytecounts, strict=False))
        if max(ends, default=0) > length:
            raise BadImage(CUT_OFF)
        _check_segments_are_there(page)
        if page.compression not in STRICT_COMPRESSIONS:
            return
        try:
            for _ in page.segments(maxworkers=1):
                pass
        except RuntimeError as error:
            raise BadImage(
                f"the TIFF file is damaged ({error}); copy it again from its original"
            ) from error
