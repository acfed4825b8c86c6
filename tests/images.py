"""Small image files for tests, written by libvips; broken ones by hand."""

from collections.abc import Sequence
from pathlib import Path

import pypdfium2
import pyvips
from tifffile import TiffWriter


def textured(width: int, height: int, seed: int = 1) -> pyvips.Image:
    """Return an image whose every place looks different: gradients and noise."""
    place = pyvips.Image.xyz(width, height)
    ramps = [place[0] * (255 / max(1, width - 1)), place[1] * (255 / max(1, height - 1))]
    noise = pyvips.Image.gaussnoise(width, height, mean=128, sigma=20, seed=seed)
    bands = ramps[0].bandjoin([ramps[1], noise])
    return bands.cast("uchar").copy(interpretation="srgb")


def write_image(file: Path, width: int = 700, height: int = 500, seed: int = 1) -> Path:
    """Write a textured image of the kind that the suffix names."""
    file.parent.mkdir(parents=True, exist_ok=True)
    textured(width, height, seed).write_to_file(str(file))
    return file


def write_truncated(file: Path, width: int = 700, height: int = 500) -> Path:
    """Write the first half of an image."""
    whole = write_image(file, width, height).read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    return file


def write_corrupt(file: Path, width: int = 700, height: int = 500) -> Path:
    """Write an image whose middle is overwritten."""
    whole = bytearray(write_image(file, width, height).read_bytes())
    middle = slice(len(whole) // 3, 2 * len(whole) // 3)
    whole[middle] = b"\xff\x00" * ((middle.stop - middle.start) // 2 + 1)
    file.write_bytes(whole[: len(whole)])
    return file


def write_pages(file: Path, sizes: Sequence[tuple[int, int]]) -> Path:
    """Write a TIFF of several pages, or a PDF whose pages are so many points wide and high."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix == ".pdf":
        document = pypdfium2.PdfDocument.new()
        for size in sizes:
            document.new_page(*size).close()
        document.save(file)
        document.close()
        return file
    with TiffWriter(file) as tiff:
        for number, size in enumerate(sizes):
            tiff.write(textured(*size, seed=number).numpy(), photometric="rgb", metadata=None)
    return file
