"""CIELAB comes out in sRGB. Its white is D50."""

from pathlib import Path

import numpy as np
import pytest

from tests import photographs, profiles
from tests.differences import Figures
from tests.files import write_tiff
from tests.pixels import open_pixels


@pytest.mark.parametrize("photometric", ["cielab", "icclab"])
@pytest.mark.parametrize("bits", [8, 16])
def test_lab_from_the_formula(
    tmp_path: Path, figures: Figures, photometric: str, bits: int
) -> None:
    """CIELab holds a* and b* signed, ICCLab with an offset; both relative to D50."""
    pixels = photographs.portrait()
    to_xyz = profiles.rgb_to_xyz(profiles.SRGB_XY, profiles.D65_XY)
    lab = profiles.xyz_to_lab(profiles.linear(pixels / 255) @ to_xyz.T)
    scale = 1 if bits == 8 else 256
    lightness = lab[..., 0] * (
        (2**bits - 1 if photometric == "cielab" or bits == 8 else 65_280) / 100
    )
    chroma = lab[..., 1:] * scale + (128 * scale if photometric == "icclab" else 0)
    coded = np.rint(np.dstack([lightness, chroma])).astype(np.int32).astype(f"uint{bits}")
    file = write_tiff(tmp_path / "lab.tif", coded, photometric=photometric)
    # Eight bits are coarse, and the white of D50 becomes that of D65 in more ways than one.
    most = {"high": 4.0, "most": 6.0}
    figures.check(f"tif {photometric} {bits} bits", open_pixels(file, tmp_path), pixels, **most)
