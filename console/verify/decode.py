"""Decoding an image file and comparing what it shows with the whole image.

With `worker` reading by libvips, this reads by Pillow: what one library writes and forgives, the
other need not.
"""

import io

from PIL import Image, ImageChops, ImageStat

from console.verify.service import Region
from pipeline.geometry import Size

MAX_PIXELS = 80_000_000
"""A larger image is not decoded; Pillow warns of bombs from 89 million on."""
CELLS = 16
"""Both pictures are scaled down to so many cells a side at most."""
CELL_PX = 4
"""A cell is made of so many pixels of the whole image, at least: edges are rounded differently."""
MAX_DIFFERENCE = 16.0
"""Mean difference of colours, of 255, up to which two pictures show the same."""


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


def difference(part: Image.Image, region: Region, whole: Image.Image, full: Size) -> float | None:
    """Return how much a part differs from its place in the whole image: mean colours, 0 to 255.

    `region` is in pixels of the full image. None where the place is too small in the whole image
    to be compared.
    """
    across, down = whole.width / full.width, whole.height / full.height
    box = (
        region.x * across,
        region.y * down,
        min(whole.width, (region.x + region.width) * across),
        min(whole.height, (region.y + region.height) * down),
    )
    cells = (
        min(CELLS, part.width, int((box[2] - box[0]) / CELL_PX)),
        min(CELLS, part.height, int((box[3] - box[1]) / CELL_PX)),
    )
    if 0 in cells:
        return None
    expected = whole.resize(cells, Image.Resampling.BOX, box=box)
    seen = part.resize(cells, Image.Resampling.BOX)
    means = ImageStat.Stat(ImageChops.difference(seen, expected)).mean
    return sum(means) / len(means)
