"""How much of a worker one image may take; checked from its header, before anything is decoded."""

from pipeline.errors import BadImage
from worker.kinds import Kind

MAX_SOURCE_BYTES = 25_000_000_000
"""A larger source is not downloaded."""
MAX_PIXELS = 2_000_000_000
WHOLE_BYTES = 3_000_000_000
"""What a decoder may take that cannot give an image strip by strip."""
MAX_PARTS = 5_000
"""Pages of one multi-page file."""


def check_pixels(width: int, height: int) -> None:
    """Raise BadImage for an image of too many pixels."""
    if width * height > MAX_PIXELS:
        raise BadImage(
            f"{width} × {height} pixels are too many; expected at most {MAX_PIXELS:,} in all"
        )


def check_memory(kind: Kind, needed: int, advice: str = "save it as a TIFF") -> None:
    """Raise BadImage where decoding an image whole would take more than WHOLE_BYTES."""
    if needed > WHOLE_BYTES:
        raise BadImage(
            f"an image of so many pixels cannot be read as {kind}: it would take"
            f" {needed / 1e9:.1f} GB of memory at once, and {WHOLE_BYTES / 1e9:.1f} are there;"
            f" {advice}"
        )
