"""What a later run must know of a page's tiles to leave them as they are. Pure.

Kept as an object of its own beside `info.json`, and written after it: where a receipt lies, the
export is whole.
"""

import json
from dataclasses import asdict, dataclass

from pipeline.geometry import Pyramid
from pipeline.layout import has_utf8_form
from pipeline.task import Options, parse_options
from worker.budget import MAX_PARTS, MAX_PIXELS

TILING_VERSION = 4
"""Raise it when the same source and options give other tiles than before."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The source and settings that made the tiles, and what came of them.

    `parts` is how many images the source has, where these are the tiles of its first.
    """

    etag: str
    options: Options
    service_url: str
    width: int
    height: int
    tiles: int
    parts: int = 1
    version: int = TILING_VERSION

    def covers(self, etag: str, options: Options) -> bool:
        """Tell whether a page of this source and these options needs no tiling."""
        return bool(etag) and (self.version, self.etag, self.options) == (
            TILING_VERSION,
            etag,
            options,
        )

    @property
    def pyramid(self) -> Pyramid:
        """Return the pyramid on disk."""
        return self.options.pyramid(self.width, self.height)

    def to_json(self) -> bytes:
        """Return the object's content."""
        return json.dumps(asdict(self)).encode()


def parse_receipt(content: bytes) -> Receipt | None:
    """Read a receipt; None for one of another version, or not ours."""
    try:
        values = json.loads(content)
        receipt = Receipt(**{**values, "options": parse_options(values["options"])})
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return receipt if _is_sound(receipt) else None


def _is_sound(receipt: Receipt) -> bool:
    """Tell whether every value is of its kind, and one that an image can have."""
    options = asdict(receipt.options)
    sides, counts = (receipt.width, receipt.height), (receipt.tiles, receipt.parts, receipt.version)
    numbers = (*options.pop("thumbnail_widths"), *options.values(), *sides, *counts)
    texts = (receipt.etag, receipt.service_url)
    return (
        all(isinstance(text, str) and has_utf8_form(text) for text in texts)
        and all(type(number) is int and number > 0 for number in numbers)
        and receipt.width * receipt.height <= MAX_PIXELS
        and receipt.parts <= MAX_PARTS
    )
