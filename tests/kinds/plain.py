"""What several kinds have in common: lossless, lossy, with alpha, with a palette."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests import photographs
from tests.files import (
    write_pillow,
)
from tests.photographs import Pixels

Writer = Callable[[Path], Pixels]
"""Writes a file; returns the upright sRGB or gray pixels to be seen."""


def lossless(
    file: Path, pixels: Callable[[], Pixels] = photographs.portrait, **settings: Any
) -> Pixels:
    write_pillow(file, pixels(), **settings)
    return pixels()


def lossy(
    file: Path, pixels: Callable[[], Pixels] = photographs.portrait, **settings: Any
) -> Pixels:
    write_pillow(file, pixels(), **settings)
    with Image.open(file) as decoded:
        return np.asarray(decoded)


def with_alpha(file: Path, **settings: Any) -> Pixels:
    alpha = np.tile(np.linspace(0, 255, 200).astype(np.uint8), (150, 1))
    write_pillow(file, np.dstack([photographs.portrait(), alpha]), **settings)
    return photographs.on_white(photographs.portrait(), alpha)


def palette(file: Path, colours: int = 200) -> Pixels:
    image = Image.fromarray(photographs.portrait()).quantize(colours)
    write_pillow(file, image)
    return np.asarray(image.convert("RGB"))
