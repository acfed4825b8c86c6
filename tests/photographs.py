"""Small pieces of real photographs and scans, and what their colours are in sRGB by Little CMS.

The pictures lie inside the scikit-image package; Pillow's ImageCms is the reference.
"""

from functools import cache
from io import BytesIO
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms
from skimage import data

from tests import profiles

Pixels = NDArray[np.uint8]


@cache
def portrait() -> Pixels:
    """Return 150 by 200 pixels of skin, hair, a flag and a suit in strong colours."""
    return _frozen(data.astronaut()[50:350:2, 60:460:2])


@cache
def cup() -> Pixels:
    """Return 150 by 200 pixels with deep shadows and wood."""
    return _frozen(data.coffee()[120:270, 180:380])


@cache
def portrait_16() -> NDArray[np.uint16]:
    """Return the portrait with tones between those of 8 bits."""
    fine = data.astronaut()[50:350, 60:460].astype(float)
    quarters = [fine[y::2, x::2] for y in (0, 1) for x in (0, 1)]
    return np.asarray(np.rint(sum(quarters) / 4 * 257), np.uint16)


@cache
def gray() -> Pixels:
    """Return 150 by 200 gray pixels."""
    return _frozen(data.camera()[80:230, 150:350])


@cache
def page() -> NDArray[np.bool_]:
    """Return 150 by 200 pixels of a printed page: True is paper, False is ink."""
    return np.asarray(data.page()[20:170, 40:240] > 140)


def image(pixels: Pixels, mode: str) -> Image.Image:
    """Return pixels as an image of Pillow in a mode that their shape does not tell."""
    return Image.frombytes(mode, (pixels.shape[1], pixels.shape[0]), pixels.tobytes())


def gray_16() -> NDArray[np.uint16]:
    """Return the green of the 16-bit portrait."""
    return np.ascontiguousarray(portrait_16()[..., 1])


def eight_bits(pixels: NDArray[np.uint16]) -> Pixels:
    """Round 16-bit pixels to 8 bits."""
    return np.rint(pixels / 257).astype(np.uint8)


def in_srgb(pixels: Pixels, profile: bytes, mode: str = "RGB") -> Pixels:
    """Convert to sRGB, relative colorimetric with black point compensation, by Little CMS."""
    return _convert(image(pixels, mode), profile, profiles.srgb(), "RGB")


def deep_in_srgb(pixels: NDArray[Any], profile: bytes, space: str = "rgb") -> Pixels:
    """Convert 16-bit or float pixels to 8-bit sRGB, by the Little CMS of imagecodecs."""
    converted = imagecodecs.cms_transform(
        pixels,
        profile,
        profiles.srgb(),
        colorspace=space,
        outcolorspace="rgb",
        outdtype="uint8",
        intent=imagecodecs.CMS.INTENT.RELATIVE_COLORIMETRIC,
        flags=imagecodecs.CMS.FLAGS.BLACKPOINTCOMPENSATION,
    )
    return np.asarray(converted)


def in_cmyk(pixels: Pixels) -> Pixels:
    """Separate sRGB pixels for the press of `profiles.cmyk`; 255 is full ink."""
    return _convert(Image.fromarray(pixels), profiles.srgb(), profiles.cmyk(), "CMYK")


def on_white(pixels: Pixels, alpha: Pixels) -> Pixels:
    """Lay pixels of 3 bands or 1 on white."""
    cover = alpha[..., None] / 255 if pixels.ndim == 3 else alpha / 255
    return np.rint(pixels * cover + 255 * (1 - cover)).astype(np.uint8)


def _convert(image: Image.Image, profile: bytes, target: bytes, mode: str) -> Pixels:
    converted = ImageCms.profileToProfile(
        image,
        ImageCms.ImageCmsProfile(BytesIO(profile)),
        ImageCms.ImageCmsProfile(BytesIO(target)),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode=mode,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    assert converted is not None
    return np.asarray(converted)


def _frozen(pixels: Pixels) -> Pixels:
    pixels = np.ascontiguousarray(pixels)
    pixels.setflags(write=False)
    return pixels
