"""From pixels to the files of an image service, on scratch."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pyvips

from pipeline.geometry import LISTED_SIZE_MAX_PX, SUFFIX, Pyramid, Size


def write_tiles(pixels: pyvips.Image, pyramid: Pyramid, quality: int, scratch: Path) -> Path:
    """Write the pyramid into a zip of stored entries, one file instead of thousands."""
    archive = scratch / "tiles.zip"
    pixels.dzsave(
        str(archive),
        layout="iiif3",
        container="zip",
        compression=0,
        tile_size=pyramid.tile_size,
        suffix=f".jpg[{_jpeg(quality)}]",
    )
    return archive


def read_tiles(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Yield path and content of each tile of the levels that have more than one."""
    with zipfile.ZipFile(archive) as entries:
        for name in dict.fromkeys(entries.namelist()):
            path = name.partition("/")[2]
            if path.endswith(SUFFIX) and not path.startswith("full/"):
                yield path, entries.read(name)


def write_whole_images(
    pixels: pyvips.Image, pyramid: Pyramid, quality: int, scratch: Path
) -> Iterator[tuple[str, Path]]:
    """Yield path and file of each image that shows the whole: `full/max`, `sizes`, thumbnails."""
    nearest = pixels
    for size, paths in sorted(pyramid.whole_images.items(), reverse=True):
        file = scratch / f"{size.width}x{size.height}.jpg"
        nearest = _resize(nearest, size)
        nearest.write_to_file(f"{file}[{_jpeg(quality)}]")
        for path in paths:
            yield path, file


def _resize(image: pyvips.Image, size: Size) -> pyvips.Image:
    if (image.width, image.height) == size:
        return image
    resized = image.thumbnail_image(size.width, height=size.height, size="force")
    return resized.copy_memory() if max(size) <= LISTED_SIZE_MAX_PX else resized


def _jpeg(quality: int) -> str:
    return f"Q={quality},keep=none"
