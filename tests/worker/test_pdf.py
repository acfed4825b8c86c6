"""Pages of PDF files as pixels."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

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
