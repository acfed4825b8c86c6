"""An image's pixels as the worker sees them, all at once."""

from pathlib import Path

import pyvips

from worker.pixels import with_source


def open_pixels(source: Path, scratch: Path, part: int = 1, pdf_dpi: int = 300) -> pyvips.Image:
    """Decode one image of a source, normalised, whole."""
    return with_source(source, scratch, lambda image: image.load().copy_memory(), part, pdf_dpi)
