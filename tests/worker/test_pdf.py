"""Pages of PDF files as pixels."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipeline.errors import BadImage
from tests import photographs
from tests.pdfs import PdfPage, write_pdf
from worker.pdf import draw_page

DPI = 300


def _write_scan(file: Path, width: int, height: int) -> NDArray[np.uint8]:
    """Write a scan of noise, and return it; the page's size in points is a rounded one."""
    noise = np.random.default_rng(0).integers(0, 2, (height, width), dtype=np.uint8) * 255
    Image.fromarray(noise).convert("1").save(file, resolution=DPI)
    return np.asarray(noise, np.uint8)


@pytest.mark.parametrize(
    ("width", "height"),
    [(2480, 3508), (3508, 2480), (1750, 1240), (2551, 3301), (9921, 40), (1, 1)],
)
def test_a_scan_drawn_at_its_own_resolution_has_its_own_size(
    tmp_path: Path, width: int, height: int
) -> None:
    _write_scan(tmp_path / "scan.pdf", width, height)
    assert draw_page(tmp_path / "scan.pdf", 1, DPI).size == (width, height)


@pytest.mark.parametrize(("width", "height"), [(1750, 1240), (850, 1100), (9921, 40), (1, 1)])
def test_a_scan_drawn_at_its_own_size_is_what_was_scanned(
    tmp_path: Path, width: int, height: int
) -> None:
    noise = _write_scan(tmp_path / "scan.pdf", width, height)
    assert np.array_equal(np.asarray(draw_page(tmp_path / "scan.pdf", 1, DPI)), noise)


def test_what_is_filled_into_a_form_is_drawn(tmp_path: Path) -> None:
    objects = [
        "<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [4 0 R] >> >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 72 72] /Annots [4 0 R] >>",
        "<< /Type /Annot /Subtype /Widget /FT /Tx /T (name) /V (X) /F 4 /Rect [0 0 72 72]"
        " /AP << /N 5 0 R >> >>",
        "<< /Type /XObject /Subtype /Form /BBox [0 0 72 72] /Length 23 >>\n"
        "stream\n1 0 0 rg 0 0 72 72 re f\nendstream",
    ]
    file = tmp_path / "form.pdf"
    body = "".join(f"{number} 0 obj\n{text}\nendobj\n" for number, text in enumerate(objects, 1))
    file.write_text(f"%PDF-1.7\n{body}trailer << /Root 1 0 R >>\n")
    assert draw_page(file, 1, 72).getpixel((36, 36)) == (255, 0, 0)


def test_a_page_as_narrow_as_a_hair_has_a_bounded_length(tmp_path: Path) -> None:
    file = tmp_path / "hair.pdf"
    file.write_text(
        "%PDF-1.7\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n"
        "2 0 obj\n<< /Type /Pages /Kids [3 0 R] /Count 1 >>\nendobj\n"
        "3 0 obj\n<< /Type /Page /Parent 2 0 R /MediaBox [0 0 100000000 0.5] >>\nendobj\n"
        "trailer << /Root 1 0 R >>\n"
    )
    assert draw_page(file, 1, DPI).size == (240_000, 1)


def test_a_page_whose_picture_cannot_be_decoded_is_refused(tmp_path: Path) -> None:
    file = write_pdf(tmp_path / "scan.pdf", [PdfPage(photographs.portrait())])
    head, mark, picture = file.read_bytes().rpartition(b"/FlateDecode")
    file.write_bytes(head + b"/DCTDecode".ljust(len(mark)) + picture)
    with pytest.raises(BadImage, match="its picture is damaged"):
        draw_page(file, 1, 72)


def test_a_white_page_is_drawn(tmp_path: Path) -> None:
    white = np.full((150, 200), 255, np.uint8)
    file = write_pdf(tmp_path / "scan.pdf", [PdfPage(white)])
    assert np.array_equal(np.asarray(draw_page(file, 1, 72)), white)
