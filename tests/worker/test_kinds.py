"""Each kind of file in the README's table is read in each variant, and shows what it should."""

from pathlib import Path

import pytest

from tests import photographs
from tests.differences import Figures
from tests.kinds.table import SUFFIXES, SUPPORTED
from tests.pdfs import PdfPage, write_pdf
from tests.pixels import open_pixels

ONE_POINT_A_PIXEL = 72
CASES = [(kind, variant) for kind, variants in SUPPORTED.items() for variant in variants]


@pytest.mark.parametrize(("kind", "variant"), CASES, ids=lambda part: part.replace(" ", "-"))
def test_every_variant_is_read(tmp_path: Path, figures: Figures, kind: str, variant: str) -> None:
    file = tmp_path / f"scan.{SUFFIXES[kind]}"
    expected = SUPPORTED[kind][variant](file)
    shown = open_pixels(file, tmp_path, pdf_dpi=ONE_POINT_A_PIXEL)
    figures.check(f"{kind} {variant}", shown, expected)


@pytest.mark.parametrize("kind", SUFFIXES)
def test_the_kind_is_told_from_the_content(tmp_path: Path, kind: str) -> None:
    file = tmp_path / f"scan.{SUFFIXES[kind]}"
    next(iter(SUPPORTED[kind].values()))(file)
    misnamed = file.rename(tmp_path / "download")
    assert open_pixels(misnamed, tmp_path, pdf_dpi=ONE_POINT_A_PIXEL).width == 200


@pytest.mark.parametrize("kind", ["TIFF", "PDF"])
def test_a_page_of_several_is_read_by_its_number(
    tmp_path: Path, figures: Figures, kind: str
) -> None:
    file = tmp_path / f"scan.{SUFFIXES[kind]}"
    SUPPORTED[kind]["several pages"](file)
    for part, expected in enumerate([photographs.portrait(), photographs.cup()], start=1):
        shown = open_pixels(file, tmp_path, part=part, pdf_dpi=ONE_POINT_A_PIXEL)
        figures.check(f"{kind} page {part}", shown, expected)


@pytest.mark.parametrize("dpi", [150, 300, 600])
def test_a_pdf_is_drawn_at_the_pixels_per_inch_asked_for(tmp_path: Path, dpi: int) -> None:
    file = write_pdf(tmp_path / "scan.pdf", [PdfPage(photographs.portrait())])
    shown = open_pixels(file, tmp_path, pdf_dpi=dpi)
    assert abs(shown.width - 200 * dpi / 72) <= 1
    assert abs(shown.height - 150 * dpi / 72) <= 1


def test_a_gray_pdf_stays_gray(tmp_path: Path, figures: Figures) -> None:
    file = write_pdf(tmp_path / "scan.pdf", [PdfPage(photographs.gray())])
    shown = open_pixels(file, tmp_path, pdf_dpi=ONE_POINT_A_PIXEL)
    figures.check("PDF gray", shown, photographs.gray())
