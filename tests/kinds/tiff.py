"""TIFFs of every structure and compression."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image, ImageCms

from tests import photographs
from tests.files import (
    write_pillow,
    write_tiff,
)
from tests.kinds.plain import Writer, palette, with_alpha
from tests.photographs import Pixels
from tests.profiles import cmyk


def _tiff(file: Path, **settings: Any) -> Pixels:
    write_tiff(file, photographs.portrait(), **settings)
    return photographs.portrait()


def _lossy_tiff(file: Path, **settings: Any) -> Pixels:
    write_tiff(file, photographs.portrait(), **settings)
    return np.asarray(tifffile.imread(file))


def _planar_tiff(file: Path) -> Pixels:
    planes = np.ascontiguousarray(np.moveaxis(photographs.portrait(), 2, 0))
    write_tiff(file, planes, planarconfig="separate", photometric="rgb")
    return photographs.portrait()


def _pyramid_tiff(file: Path, *, sub: bool) -> Pixels:
    whole = photographs.portrait()
    tile: dict[str, Any] = {"tile": (64, 64), "photometric": "rgb"}
    with tifffile.TiffWriter(file) as tiff:
        tiff.write(whole, subifds=2 if sub else None, metadata=None, **tile)
        for step in (2, 4):
            tiff.write(whole[::step, ::step], subfiletype=1, metadata=None, **tile)
    return whole


def _tiff_of_pages(file: Path) -> Pixels:
    with tifffile.TiffWriter(file) as tiff:
        for page in (photographs.portrait(), photographs.cup()):
            tiff.write(page, metadata=None, photometric="rgb")
    return photographs.portrait()


def _black_and_white_tiff(file: Path, compression: str) -> Pixels:
    write_pillow(file, Image.fromarray(photographs.page()), compression=compression)
    return (photographs.page() * 255).astype(np.uint8)


def _deep_tiff(file: Path) -> Pixels:
    write_tiff(file, photographs.portrait_16())
    return photographs.eight_bits(photographs.portrait_16())


def _tiff_of_12_bits(file: Path) -> Pixels:
    write_tiff(file, photographs.portrait_16() >> 4, bitspersample=12)
    return photographs.eight_bits(photographs.portrait_16())


def _float_tiff(file: Path) -> Pixels:
    write_tiff(file, (photographs.gray() / 255).astype(np.float32))
    return photographs.gray()


def _lab_tiff(file: Path) -> Pixels:
    spaces = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    to_lab = ImageCms.buildTransform(*spaces, "RGB", "LAB")
    lab = ImageCms.applyTransform(Image.fromarray(photographs.portrait()), to_lab)
    assert lab is not None
    write_pillow(file, lab)
    to_srgb = ImageCms.buildTransform(*spaces[::-1], "LAB", "RGB")
    return np.asarray(ImageCms.applyTransform(lab, to_srgb))


def _cmyk_tiff(file: Path) -> Pixels:
    inks = photographs.in_cmyk(photographs.portrait())
    write_tiff(file, inks, photometric="separated")
    return photographs.in_srgb(inks, cmyk(), "CMYK")


TIFF: dict[str, Writer] = {
    "strips": partial(_tiff, rowsperstrip=16),
    "tiles": partial(_tiff, tile=(64, 64)),
    "pyramids": partial(_pyramid_tiff, sub=False),
    "pyramids in SubIFDs": partial(_pyramid_tiff, sub=True),
    "planes": _planar_tiff,
    "several pages": _tiff_of_pages,
    "BigTIFF": partial(_tiff, bigtiff=True),
    "big-endian": partial(_tiff, byteorder=">"),
    "LZW": partial(_tiff, compression="lzw", predictor=True),
    "Deflate": partial(_tiff, compression="deflate"),
    "PackBits": partial(_tiff, compression="packbits"),
    "ZSTD": partial(_tiff, compression="zstd"),
    "LZMA": partial(_tiff, compression="lzma"),
    "WebP": partial(_tiff, compression="webp", compressionargs={"lossless": True}),
    "JPEG": partial(_lossy_tiff, compression="jpeg", compressionargs={"level": 95}),
    "YCbCr": partial(_lossy_tiff, compression="jpeg", photometric="ycbcr", subsampling=(1, 1)),
    "CCITT G3": partial(_black_and_white_tiff, compression="group3"),
    "CCITT G4": partial(_black_and_white_tiff, compression="group4"),
    "16 bits": _deep_tiff,
    "12 bits": _tiff_of_12_bits,
    "float": _float_tiff,
    "palette": palette,
    "CMYK": _cmyk_tiff,
    "CIELAB": _lab_tiff,
    "alpha": with_alpha,
}
