"""Decoding an image file, by another library than the one that has written it."""

import io

from PIL import Image

MAX_PIXELS = 80_000_000
"""A larger image is not decoded; Pillow warns of bombs from 89 million on."""


class Damaged(Exception):
    """An image that cannot be decoded; the text says why."""


def decode(content: bytes) -> Image.Image:
    """Return an image's pixels in RGB; raises Damaged."""
    if not content:
        raise Damaged("is empty (0 bytes)")
    try:
        with Image.open(io.BytesIO(content), formats=["JPEG"]) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Damaged(f"is {image.width} × {image.height}, too large to be decoded here")
            pixels: Image.Image = image.convert("RGB")
            return pixels
    except (OSError, ValueError, SyntaxError) as error:
        text = str(error).partition("\n")[0].partition("<")[0].strip()
        raise Damaged(f"cannot be decoded: {text}") from error
