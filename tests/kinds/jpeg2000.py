"""JPEG 2000 files and codestreams."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from PIL import Image

from tests import photographs
from tests.files import write_jp2
from tests.kinds.plain import Writer, with_alpha
from tests.photographs import Pixels
from tests.profiles import cmyk


def _jp2(file: Path, pixels: Callable[[], Any] = photographs.portrait, **settings: Any) -> Pixels:
    write_jp2(file, pixels(), **settings)
    shown = pixels()
    return photographs.eight_bits(shown) if shown.dtype == np.uint16 else shown


def _lossy_jp2(file: Path) -> Pixels:
    write_jp2(file, photographs.portrait(), irreversible=True, quality_layers=[10])
    with Image.open(file) as decoded:
        return np.asarray(decoded)


def _deep_jp2(file: Path, bits: int) -> Pixels:
    deep = photographs.portrait_16() >> (16 - bits)
    file.write_bytes(imagecodecs.jpeg2k_encode(deep, codecformat="jp2", bitspersample=bits))
    return np.asarray(np.rint(deep / (2**bits - 1) * 255), np.uint8)


def _bilevel_jp2(file: Path) -> Pixels:
    page = photographs.page().astype(np.uint8)
    file.write_bytes(imagecodecs.jpeg2k_encode(page, codecformat="jp2", bitspersample=1))
    return page * 255


def _sycc_jp2(file: Path) -> Pixels:
    luma = Image.fromarray(photographs.portrait()).convert("YCbCr")
    encoded = imagecodecs.jpeg2k_encode(np.asarray(luma), codecformat="jp2", colorspace="SYCC")
    file.write_bytes(encoded)
    return np.asarray(luma.convert("RGB"))


def _cmyk_jp2(file: Path) -> Pixels:
    inks = photographs.in_cmyk(photographs.portrait())
    file.write_bytes(imagecodecs.jpeg2k_encode(inks, codecformat="jp2", colorspace="CMYK"))
    return photographs.in_srgb(inks, cmyk(), "CMYK")


JPEG_2000: dict[str, Writer] = {
    "JP2": _jp2,
    "codestream": partial(_jp2, no_jp2=True),
    "tiles": partial(_jp2, tile_size=(64, 64)),
    "lossy": _lossy_jp2,
    "gray": partial(_jp2, pixels=photographs.gray),
    "1 bit": _bilevel_jp2,
    "12 bits": partial(_deep_jp2, bits=12),
    "16 bits": partial(_deep_jp2, bits=16),
    "16 bits gray": partial(_jp2, pixels=photographs.gray_16),
    "sYCC": _sycc_jp2,
    "CMYK": _cmyk_jp2,
    "alpha": with_alpha,
}
