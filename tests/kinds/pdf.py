"""PDFs of scans."""

from pathlib import Path

import numpy as np

from tests import photographs
from tests.kinds.plain import Writer
from tests.pdfs import PdfPage, write_pdf
from tests.photographs import Pixels


def _pdf(file: Path, page: PdfPage, shown: Pixels) -> Pixels:
    write_pdf(file, [page])
    return shown


def _pdf_of_scan(file: Path) -> Pixels:
    return _pdf(file, PdfPage(photographs.portrait()), photographs.portrait())


def _turned_pdf(file: Path) -> Pixels:
    picture = photographs.portrait()
    return _pdf(file, PdfPage(picture, rotate=90), np.rot90(picture, -1))


def _cropped_pdf(file: Path) -> Pixels:
    picture = photographs.portrait()
    return _pdf(file, PdfPage(picture, crop=(20, 10, 140, 110)), picture[40:140, 20:140])


def _pdf_of_pages(file: Path) -> Pixels:
    write_pdf(file, [PdfPage(photographs.portrait()), PdfPage(photographs.cup())])
    return photographs.portrait()


PDF: dict[str, Writer] = {
    "scans": _pdf_of_scan,
    "turned": _turned_pdf,
    "cropped": _cropped_pdf,
    "several pages": _pdf_of_pages,
}
