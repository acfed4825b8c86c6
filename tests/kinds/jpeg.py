"""JPEGs of every process and colour model."""

from functools import partial
from pathlib import Path

import imagecodecs
import numpy as np
from PIL import Image

from tests import photographs
from tests.kinds.plain import Writer, lossy
from tests.photographs import Pixels
from tests.profiles import cmyk


def _cmyk_jpeg(file: Path, space: str) -> Pixels:
    inverted = 255 - photographs.in_cmyk(photographs.portrait())
    file.write_bytes(imagecodecs.jpeg8_encode(inverted, 98, colorspace="CMYK", outcolorspace=space))
    with Image.open(file) as decoded:
        return photographs.in_srgb(np.asarray(decoded), cmyk(), "CMYK")


def _rgb_jpeg(file: Path) -> Pixels:
    encoded = imagecodecs.jpeg8_encode(photographs.portrait(), 98, outcolorspace="RGB")
    file.write_bytes(encoded)
    return np.asarray(imagecodecs.jpeg8_decode(encoded))


JPEG: dict[str, Writer] = {
    "baseline": partial(lossy, quality=95),
    "progressive": partial(lossy, quality=95, progressive=True),
    "gray": partial(lossy, pixels=photographs.gray, quality=95),
    "RGB": _rgb_jpeg,
    "CMYK": partial(_cmyk_jpeg, space="CMYK"),
    "YCCK": partial(_cmyk_jpeg, space="YCCK"),
}
