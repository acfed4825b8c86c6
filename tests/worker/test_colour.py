"""Profiles and inks come out in sRGB as Little CMS says, whatever wrote the file.

Relative colorimetric with black point compensation, as for prints and screens in a library.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pillow_heif
import pytest
import pyvips
from PIL import Image

from tests import photographs, profiles
from tests.differences import Figures
from tests.files import write_jp2, write_pillow, write_png_16, write_tiff
from tests.photographs import deep_in_srgb, in_cmyk, in_srgb
from tests.pixels import open_pixels
from worker.colour import to_srgb

PROFILES = {
    "sRGB": profiles.srgb,
    "Adobe RGB": profiles.adobe_rgb,
    "ProPhoto": profiles.prophoto,
    "Display P3": profiles.display_p3,
    "scanner": profiles.scanner,
}
GRAY_PROFILES = {"gamma 2.2": profiles.gray_gamma, "dot gain": profiles.gray_dot_gain}
each_profile = pytest.mark.parametrize("profile", PROFILES)
each_gray_profile = pytest.mark.parametrize("profile", GRAY_PROFILES)

LOSSLESS: dict[str, dict[str, Any]] = {"tif": {}, "png": {}, "webp": {"lossless": True}}
LOSSY: dict[str, dict[str, Any]] = {
    "jpg": {"quality": 95, "subsampling": 0},
    "webp": {"quality": 95},
    "avif": {"quality": 95, "subsampling": "4:4:4"},
}


@each_profile
@pytest.mark.parametrize("kind", LOSSLESS)
def test_rgb_with_a_profile(tmp_path: Path, figures: Figures, profile: str, kind: str) -> None:
    icc = PROFILES[profile]()
    for name, pixels in (("portrait", photographs.portrait()), ("cup", photographs.cup())):
        file = write_pillow(tmp_path / f"{name}.{kind}", pixels, icc, **LOSSLESS[kind])
        figures.check(f"{kind} {profile} {name}", open_pixels(file, tmp_path), in_srgb(pixels, icc))


@each_profile
@pytest.mark.parametrize("kind", LOSSY)
def test_lossy_rgb_with_a_profile(
    tmp_path: Path, figures: Figures, profile: str, kind: str
) -> None:
    icc = PROFILES[profile]()
    file = write_pillow(tmp_path / f"portrait.{kind}", photographs.portrait(), icc, **LOSSY[kind])
    with Image.open(file) as decoded:
        expected = in_srgb(np.asarray(decoded), icc)
    figures.check(f"{kind} {profile} lossy", open_pixels(file, tmp_path), expected)


@each_profile
@pytest.mark.parametrize("kind", ["tif", "png"])
def test_rgb_of_16_bits_with_a_profile(
    tmp_path: Path, figures: Figures, profile: str, kind: str
) -> None:
    icc, pixels = PROFILES[profile](), photographs.portrait_16()
    file = tmp_path / f"deep.{kind}"
    if kind == "tif":
        write_tiff(file, pixels, iccprofile=icc)
    else:
        write_png_16(file, pixels, icc)
    expected = deep_in_srgb(pixels, icc)
    figures.check(f"{kind} 16 bits {profile}", open_pixels(file, tmp_path), expected)


@pytest.mark.parametrize("settings", [{"bitspersample": 12}, {"compression": "zstd"}], ids=str)
def test_a_profile_counts_where_another_library_decodes(
    tmp_path: Path, figures: Figures, settings: dict[str, Any]
) -> None:
    icc, pixels = profiles.adobe_rgb(), photographs.portrait_16()
    stored = pixels >> (16 - settings.get("bitspersample", 16))
    file = write_tiff(tmp_path / "deep.tif", stored, iccprofile=icc, **settings)
    expected = deep_in_srgb(pixels, icc)
    figures.check(f"tif Adobe RGB {settings}", open_pixels(file, tmp_path), expected)


@each_profile
def test_jpeg_2000_with_a_profile(tmp_path: Path, figures: Figures, profile: str) -> None:
    icc, pixels = PROFILES[profile](), photographs.portrait()
    file = write_jp2(tmp_path / "portrait.jp2", pixels, icc)
    figures.check(f"jp2 {profile}", open_pixels(file, tmp_path), in_srgb(pixels, icc))


@each_profile
def test_heic_with_a_profile(tmp_path: Path, figures: Figures, profile: str) -> None:
    icc = PROFILES[profile]()
    image = pillow_heif.from_pillow(Image.fromarray(photographs.portrait()))
    file = tmp_path / "portrait.heic"
    image.save(file, quality=95, chroma=444, icc_profile=icc)
    decoded = np.asarray(pillow_heif.open_heif(file).to_pillow())
    figures.check(f"heic {profile}", open_pixels(file, tmp_path), in_srgb(decoded, icc))


@each_gray_profile
@pytest.mark.parametrize("kind", ["tif", "png", "jpg"])
def test_gray_with_a_profile_stays_gray(
    tmp_path: Path, figures: Figures, profile: str, kind: str
) -> None:
    icc = GRAY_PROFILES[profile]()
    file = write_pillow(tmp_path / f"gray.{kind}", photographs.gray(), icc)
    with Image.open(file) as decoded:
        expected = in_srgb(np.asarray(decoded), icc, "L")[..., 0]
    figures.check(f"{kind} gray {profile}", open_pixels(file, tmp_path), expected)


@each_gray_profile
@pytest.mark.parametrize("kind", ["tif", "png"])
def test_gray_of_16_bits_with_a_profile_stays_gray(
    tmp_path: Path, figures: Figures, profile: str, kind: str
) -> None:
    icc, pixels = GRAY_PROFILES[profile](), photographs.gray_16()
    file = tmp_path / f"deep.{kind}"
    if kind == "tif":
        write_tiff(file, pixels, iccprofile=icc)
    else:
        write_png_16(file, pixels, icc)
    expected = deep_in_srgb(pixels, icc, "gray")[..., 0]
    figures.check(f"{kind} gray 16 bits {profile}", open_pixels(file, tmp_path), expected)


@pytest.mark.parametrize("profile", [None, "embedded"])
def test_cmyk_tiff(tmp_path: Path, figures: Figures, profile: str | None) -> None:
    inks = in_cmyk(photographs.portrait())
    icc = profiles.cmyk() if profile else None
    file = write_tiff(tmp_path / "print.tif", inks, photometric="separated", iccprofile=icc)
    expected = in_srgb(inks, profiles.cmyk(), "CMYK")
    figures.check(f"tif CMYK {profile}", open_pixels(file, tmp_path), expected)


def test_cmyk_tiff_of_16_bits(tmp_path: Path, figures: Figures) -> None:
    inks = in_cmyk(photographs.portrait())
    file = write_tiff(
        tmp_path / "print.tif",
        inks.astype(np.uint16) * 257,
        photometric="separated",
        iccprofile=profiles.cmyk(),
    )
    expected = in_srgb(inks, profiles.cmyk(), "CMYK")
    figures.check("tif CMYK 16 bits", open_pixels(file, tmp_path), expected)


@pytest.mark.parametrize("profile", [None, "embedded"])
def test_cmyk_jpeg_as_adobe_writes_it(
    tmp_path: Path, figures: Figures, profile: str | None
) -> None:
    """Adobe's inks are inverted in the file, and Pillow writes them so."""
    inks = in_cmyk(photographs.portrait())
    icc = profiles.cmyk() if profile else None
    image = photographs.image(inks, "CMYK")
    file = write_pillow(tmp_path / "print.jpg", image, icc, quality=98, subsampling=0)
    assert b"Adobe" in file.read_bytes()[:64]
    figures.check(f"jpg CMYK {profile}", open_pixels(file, tmp_path), _inks_of(file))


def test_ycck_jpeg(tmp_path: Path, figures: Figures) -> None:
    file = tmp_path / "print.jpg"
    inverted = 255 - in_cmyk(photographs.portrait())
    file.write_bytes(
        imagecodecs.jpeg8_encode(inverted, 98, colorspace="CMYK", outcolorspace="YCCK")
    )
    figures.check("jpg YCCK", open_pixels(file, tmp_path), _inks_of(file))


def _inks_of(jpeg: Path) -> photographs.Pixels:
    with Image.open(jpeg) as image:
        assert image.mode == "CMYK"
        return in_srgb(np.asarray(image), profiles.cmyk(), "CMYK")


@pytest.mark.parametrize("compression", [None, "lzw"])
def test_ycbcr_tiff_that_is_no_jpeg(
    tmp_path: Path, figures: Figures, compression: str | None
) -> None:
    luma = Image.fromarray(photographs.portrait()).convert("YCbCr")
    file = write_tiff(
        tmp_path / "luma.tif",
        np.asarray(luma),
        photometric="ycbcr",
        subsampling=(1, 1),
        compression=compression,
    )
    expected = np.asarray(luma.convert("RGB"))
    figures.check(f"tif YCbCr {compression}", open_pixels(file, tmp_path), expected)


WRONG: dict[str, Callable[[], bytes]] = {
    "of inks": profiles.cmyk,
    "of grays": profiles.gray_gamma,
    "cut off": lambda: profiles.adobe_rgb()[:300],
    "nonsense": lambda: b"This is not a profile. " * 20,
    "empty": lambda: bytes(128),
    "without its curves": lambda: profiles.adobe_rgb().replace(b"rTRC", b"xTRC"),
}


@pytest.mark.parametrize("profile", WRONG)
@pytest.mark.parametrize(
    ("kind", "bits"), [("tif", 8), ("tif", 16), ("png", 8), ("png", 16), ("jpg", 8)]
)
def test_rgb_with_a_wrong_profile_comes_out_as_if_it_had_none(
    tmp_path: Path, figures: Figures, profile: str, kind: str, bits: int
) -> None:
    file, icc = tmp_path / f"wrong.{kind}", WRONG[profile]()
    pixels = photographs.portrait()
    if bits == 16 and kind == "tif":
        write_tiff(file, pixels.astype(np.uint16) * 257, iccprofile=icc)
    elif bits == 16:
        write_png_16(file, pixels.astype(np.uint16) * 257, icc)
    else:
        write_pillow(file, pixels, icc, **({"quality": 95} if kind == "jpg" else {}))
    with Image.open(file) as decoded:
        expected = np.asarray(decoded.convert("RGB")) if bits == 8 else pixels
    figures.check(
        f"{kind} {bits} bits, wrong profile {profile}", open_pixels(file, tmp_path), expected
    )


@pytest.mark.parametrize("profile", ["of inks", "of colours", "nonsense"])
def test_gray_with_a_wrong_profile_comes_out_as_if_it_had_none(
    tmp_path: Path, figures: Figures, profile: str
) -> None:
    icc = profiles.srgb() if profile == "of colours" else WRONG[profile]()
    file = write_pillow(tmp_path / "gray.tif", photographs.gray(), icc)
    name = f"tif gray, wrong profile {profile}"
    figures.check(name, open_pixels(file, tmp_path), photographs.gray())


@pytest.mark.parametrize("profile", ["of colours", "nonsense"])
def test_cmyk_with_a_wrong_profile_comes_out_as_if_it_had_none(
    tmp_path: Path, figures: Figures, profile: str
) -> None:
    icc = profiles.srgb() if profile == "of colours" else WRONG[profile]()
    inks = in_cmyk(photographs.portrait())
    file = write_tiff(tmp_path / "print.tif", inks, photometric="separated", iccprofile=icc)
    expected = in_srgb(inks, profiles.cmyk(), "CMYK")
    figures.check(f"tif CMYK, wrong profile {profile}", open_pixels(file, tmp_path), expected)


@pytest.mark.parametrize(("interpretation", "bands"), [("srgb", 3), ("b-w", 1)])
def test_pixels_that_need_no_conversion_are_left_alone(interpretation: str, bands: int) -> None:
    """Each step of libvips clears, and fills, a buffer for each band of rows."""
    image = pyvips.Image.black(8, 8, bands=bands).copy(interpretation=interpretation)
    assert to_srgb(lambda: image, None) is image
