"""Pages of a PDF as pixels. Adapter around pypdfium2, one document open at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import sqrt
from pathlib import Path

import pypdfium2
from PIL.Image import Image
from pypdfium2.raw import FPDF_PAGEOBJ_IMAGE

from pipeline.errors import BadImage

MAX_PAGE_PIXELS = 100_000_000
"""A larger page is drawn at fewer pixels per inch (400 MB while it is drawn)."""
MAX_SIDE_PX = 240_000
"""Of the largest page there is (ISO 32000-1, annex C) at 1,200 pixels per inch."""
POINTS_PER_INCH = 72
SLACK_PX = 0.05
"""A page that exceeds whole pixels by less gets no further one, for which its scan would be
stretched: sizes in points are rounded, and pypdfium2 takes what is begun for a whole pixel."""
WHITE = 255
PASSWORD_NEEDED = 4
"""FPDF_ERR_PASSWORD of pdfium's fpdfview.h."""


def count_pages(source: Path) -> int:
    """Return how many pages a PDF has; raises BadImage."""
    with _opened(source) as document:
        return len(document)


def draw_page(source: Path, part: int, dpi: int) -> Image:
    """Draw a page, counted from 1, on white; raises BadImage.

    Turned as the PDF says, cut to its crop box. At most MAX_PAGE_PIXELS are drawn,
    of MAX_SIDE_PX on a side.
    """
    with _opened(source) as document:
        document.init_forms()  # else what is filled in stays away
        if part > len(document):
            raise BadImage(
                f"the PDF file has no page {part}, only {len(document)};"
                " if it was replaced, run the task again"
            )
        page = document[part - 1]
        try:
            width, height = page.get_size()
            if width <= 0 or height <= 0:
                raise BadImage(f"page {part} of the PDF file has no size")
            scale = _scale(width, height, dpi)
            image: Image = page.render(scale=scale, rev_byteorder=True).to_pil()
            if all(band == (WHITE, WHITE) for band in image.getextrema()):
                _check_pictures(page, part)
            return image.convert("L") if _is_gray(image) else image.convert("RGB")
        finally:
            page.close()


def _scale(width: float, height: float, dpi: int) -> float:
    """Return how many pixels become of a point, for a page of so many points."""
    longer = max(width, height)
    most = min(sqrt(MAX_PAGE_PIXELS / (width * height)), MAX_SIDE_PX / longer)
    scale = min(dpi / POINTS_PER_INCH, most)
    return max(scale - SLACK_PX / longer, scale / 2)


def _check_pictures(page: pypdfium2.PdfPage, part: int) -> None:
    """Raise BadImage where a picture cannot be decoded: pdfium leaves it out without a word."""
    for picture in page.get_objects(filter=[FPDF_PAGEOBJ_IMAGE]):
        try:
            picture.get_bitmap()
        except pypdfium2.PdfiumError as error:
            raise BadImage(
                f"page {part} of the PDF file would be blank, for its picture is damaged;"
                " copy the file again from its original"
            ) from error


def _is_gray(image: Image) -> bool:
    red, green, blue = image.split()[:3]
    return red.tobytes() == green.tobytes() == blue.tobytes()


@contextmanager
def _opened(source: Path) -> Iterator[pypdfium2.PdfDocument]:
    try:
        document = pypdfium2.PdfDocument(source)
        try:
            yield document
        finally:
            document.close()
    except pypdfium2.PdfiumError as error:
        if getattr(error, "err_code", None) == PASSWORD_NEEDED:
            raise BadImage(
                "the PDF file is protected with a password; save a copy without one"
            ) from error
        raise BadImage(
            f"the PDF file is damaged ({error}); copy it again from its original"
        ) from error
