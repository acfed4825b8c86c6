"""Kinds made for the web: PNG, WebP, GIF, AVIF; and HEIC, of telephones."""

from functools import partial
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pillow_heif
from PIL import Image

from tests import photographs
from tests.files import write_interlaced_png, write_pillow, write_png_16
from tests.kinds.plain import Writer, lossless, lossy, palette, with_alpha
from tests.photographs import Pixels


def _interlaced_png(file: Path) -> Pixels:
    write_interlaced_png(file, photographs.portrait())
    return photographs.portrait()


def _deep_png(file: Path) -> Pixels:
    write_png_16(file, photographs.portrait_16())
    return photographs.eight_bits(photographs.portrait_16())


def _animation(file: Path, **settings: Any) -> Pixels:
    """Of a moving picture the first is shown."""
    first, second = (Image.fromarray(p()) for p in (photographs.portrait, photographs.cup))
    if file.suffix == ".gif":
        first, second = first.quantize(200), second.quantize(200)
    write_pillow(file, first, save_all=True, append_images=[second], **settings)
    return np.asarray(first.convert("RGB"))


def _deep_avif(file: Path) -> Pixels:
    ten_bits = photographs.portrait_16() >> 6
    encoded = imagecodecs.avif_encode(ten_bits, level=100, bitspersample=10)
    file.write_bytes(encoded)
    return np.rint(imagecodecs.avif_decode(encoded) / 1023 * 255).astype(np.uint8)


def _heic(file: Path, **settings: Any) -> Pixels:
    image = pillow_heif.from_pillow(Image.fromarray(photographs.portrait()))
    image.save(file, quality=95, **settings)
    return np.asarray(pillow_heif.open_heif(file).to_pillow())


def _deep_heic(file: Path) -> Pixels:
    deep = photographs.portrait_16()
    image = pillow_heif.from_bytes("RGB;16", (200, 150), deep.tobytes())
    image.save(file, quality=95, chroma=444)
    return np.asarray(pillow_heif.open_heif(file).to_pillow())


def _heic_with_alpha(file: Path) -> Pixels:
    alpha = np.tile(np.linspace(0, 255, 200).astype(np.uint8), (150, 1))
    whole = np.dstack([photographs.portrait(), alpha])
    pillow_heif.from_pillow(Image.fromarray(whole)).save(file, quality=95, chroma=444)
    decoded = np.asarray(pillow_heif.open_heif(file).to_pillow())
    return photographs.on_white(decoded[..., :3], decoded[..., 3])


PNG: dict[str, Writer] = {
    "colours": lossless,
    "gray": partial(lossless, pixels=photographs.gray),
    "palette": palette,
    "alpha": with_alpha,
    "interlaced": _interlaced_png,
    "16 bits": _deep_png,
}


WEBP: dict[str, Writer] = {
    "lossy": partial(lossy, quality=95),
    "lossless": partial(lossless, lossless=True),
    "alpha": partial(with_alpha, lossless=True),
    "first of an animation": partial(_animation, lossless=True),
}


GIF: dict[str, Writer] = {
    "palette": palette,
    "first of an animation": _animation,
}


AVIF: dict[str, Writer] = {
    "8 bits": partial(lossy, quality=95, subsampling="4:4:4"),
    "10 bits": _deep_avif,
    "alpha": partial(with_alpha, quality=100, subsampling="4:4:4"),
}


HEIC: dict[str, Writer] = {
    "8 bits": partial(_heic, chroma=444),
    "10 bits": _deep_heic,
    "alpha": _heic_with_alpha,
}
