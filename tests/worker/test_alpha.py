"""What is transparent is flattened on white; bands that are no colour and no alpha are left out."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests import photographs, profiles
from tests.differences import Figures
from tests.files import write_pillow, write_png_16, write_tiff
from tests.photographs import in_cmyk, in_srgb, on_white
from tests.pixels import open_pixels

ASSOCIATED, UNASSOCIATED = "assocalpha", "unassalpha"


@pytest.mark.parametrize("kind", ["png", "webp", "tif", "avif"])
def test_alpha_is_flattened_on_white(tmp_path: Path, figures: Figures, kind: str) -> None:
    pixels, alpha = photographs.portrait(), _fading()
    image = Image.fromarray(np.dstack([pixels, alpha]))
    settings: dict[str, dict[str, Any]] = {
        "avif": {"quality": 100, "subsampling": "4:4:4"},
        "webp": {"lossless": True},
    }
    file = write_pillow(tmp_path / f"glass.{kind}", image, **settings.get(kind, {}))
    shown = open_pixels(file, tmp_path)
    figures.check(f"{kind} alpha", shown, on_white(pixels, alpha), high=3.0, most=5.0)


@pytest.mark.parametrize("alpha_kind", [ASSOCIATED, UNASSOCIATED])
@pytest.mark.parametrize("kind", ["uint8", "uint16", "uint32", "float16", "float32"])
@pytest.mark.parametrize("colours", ["rgb", "gray"])
@pytest.mark.parametrize("compression", [None, "zstd"])
def test_both_alphas_of_tiff_are_flattened_on_white(
    tmp_path: Path,
    figures: Figures,
    alpha_kind: str,
    kind: str,
    colours: str,
    compression: str | None,
) -> None:
    pixels, alpha = photographs.portrait(), _fading()
    bands = pixels if colours == "rgb" else pixels[..., :1]
    stored = bands * (alpha[..., None] / 255) if alpha_kind == ASSOCIATED else bands
    whole = np.dstack([stored, alpha]).astype(float) / 255
    file = write_tiff(
        tmp_path / "glass.tif",
        whole.astype(kind) if "float" in kind else np.rint(whole * np.iinfo(kind).max).astype(kind),
        photometric="rgb" if colours == "rgb" else "minisblack",
        planarconfig="contig",
        extrasamples=[alpha_kind],
        compression=compression,
    )
    expected = on_white(bands, alpha)
    expected = expected if colours == "rgb" else expected[..., 0]
    name = f"tif {alpha_kind} {kind} {colours} {compression}"
    figures.check(name, open_pixels(file, tmp_path), expected)


@pytest.mark.parametrize("colours", ["rgb", "gray"])
def test_alpha_of_a_png_of_16_bits_is_flattened_on_white(
    tmp_path: Path, figures: Figures, colours: str
) -> None:
    pixels, alpha = photographs.portrait(), _fading()
    bands = pixels if colours == "rgb" else pixels[..., :1]
    whole = np.dstack([bands, alpha]).astype(np.uint16) * 257
    expected = on_white(bands, alpha)
    expected = expected if colours == "rgb" else expected[..., 0]
    shown = open_pixels(write_png_16(tmp_path / "glass.png", whole), tmp_path)
    figures.check(f"png alpha 16 bits {colours}", shown, expected)


def test_gray_with_alpha_stays_gray(tmp_path: Path, figures: Figures) -> None:
    pixels, alpha = photographs.gray(), _fading()
    file = write_pillow(tmp_path / "glass.png", np.dstack([pixels, alpha]))
    figures.check("png alpha gray", open_pixels(file, tmp_path), on_white(pixels, alpha))


def test_alpha_with_a_profile_is_flattened_on_white(tmp_path: Path, figures: Figures) -> None:
    """The two are mixed in the space of the file, as those who made it saw them."""
    pixels, alpha, icc = photographs.portrait(), _fading(), profiles.adobe_rgb()
    file = write_pillow(tmp_path / "glass.png", np.dstack([pixels, alpha]), icc)
    expected = in_srgb(on_white(pixels, alpha), icc)
    shown = open_pixels(file, tmp_path)
    figures.check("png alpha Adobe RGB", shown, expected, high=2.0, most=4.0)


def test_a_transparent_colour_of_a_png_is_white(tmp_path: Path, figures: Figures) -> None:
    pixels = photographs.portrait()
    clear = tuple(int(value) for value in pixels[3, 3])
    file = write_pillow(tmp_path / "clear.png", pixels, transparency=clear)
    expected = pixels.copy()
    expected[(pixels == pixels[3, 3]).all(axis=2)] = 255
    figures.check("png transparent colour", open_pixels(file, tmp_path), expected)


@pytest.mark.parametrize("alpha_kind", [ASSOCIATED, UNASSOCIATED])
@pytest.mark.parametrize("bits", [8, 16])
def test_cmyk_with_alpha_is_flattened_on_white(
    tmp_path: Path, figures: Figures, alpha_kind: str, bits: int
) -> None:
    """Paper shows where there is less ink."""
    inks, alpha = in_cmyk(photographs.portrait()), _fading()
    seen = inks * (alpha[..., None] / 255)
    whole = np.dstack([seen if alpha_kind == ASSOCIATED else inks, alpha]).astype(float)
    file = write_tiff(
        tmp_path / "glass.tif",
        np.rint(whole * (257 if bits == 16 else 1)).astype(f"uint{bits}"),
        photometric="separated",
        planarconfig="contig",
        extrasamples=[alpha_kind],
    )
    expected = in_srgb(np.rint(seen).astype(np.uint8), profiles.cmyk(), "CMYK")
    figures.check(f"tif CMYK {alpha_kind} {bits} bits", open_pixels(file, tmp_path), expected)


def test_bands_beyond_the_colours_are_left_out(tmp_path: Path, figures: Figures) -> None:
    infrared = np.dstack([photographs.portrait(), photographs.gray()])
    file = write_tiff(
        tmp_path / "infrared.tif", infrared, planarconfig="contig", extrasamples=["unspecified"]
    )
    figures.check("tif infrared", open_pixels(file, tmp_path), photographs.portrait())


def test_alpha_is_found_behind_other_bands(tmp_path: Path, figures: Figures) -> None:
    pixels, alpha = photographs.portrait(), _fading()
    file = write_tiff(
        tmp_path / "glass.tif",
        np.dstack([pixels, photographs.gray(), alpha]),
        planarconfig="contig",
        extrasamples=["unspecified", UNASSOCIATED],
    )
    figures.check("tif infrared, alpha", open_pixels(file, tmp_path), on_white(pixels, alpha))


def test_spot_inks_are_left_out(tmp_path: Path, figures: Figures) -> None:
    inks = in_cmyk(photographs.portrait())
    file = write_tiff(
        tmp_path / "spot.tif",
        np.dstack([inks, photographs.gray()]),
        photometric="separated",
        planarconfig="contig",
        extrasamples=["unspecified"],
    )
    expected = in_srgb(inks, profiles.cmyk(), "CMYK")
    figures.check("tif CMYK, spot ink", open_pixels(file, tmp_path), expected)


def _fading() -> photographs.Pixels:
    """Return an alpha that goes from clear to opaque, from left to right."""
    return np.tile(np.linspace(0, 255, 200).astype(np.uint8), (150, 1))
