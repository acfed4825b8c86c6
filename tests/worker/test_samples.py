"""Samples of every depth, scale and meaning come out as 8 bits that mean the same."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, TiffImagePlugin

from tests import photographs, profiles
from tests.differences import Figures
from tests.files import write_pillow, write_png_16, write_tiff
from tests.photographs import deep_in_srgb, eight_bits, in_srgb, on_white
from worker.pixels import open_pixels

FLOATS = ["float16", "float32", "float64"]
S_MIN, S_MAX = 340, 341
"""Tags of TIFF: the least and the greatest sample."""
DOUBLE = 12
WHITE_IS_ZERO, BLACK_IS_ZERO = 0, 1
ASSOCIATED, UNASSOCIATED = "assocalpha", "unassalpha"


@pytest.mark.parametrize("kind", ["tif", "png"])
@pytest.mark.parametrize("colours", ["rgb", "gray"])
def test_16_bits(tmp_path: Path, figures: Figures, kind: str, colours: str) -> None:
    pixels = photographs.portrait_16() if colours == "rgb" else photographs.gray_16()
    write = write_tiff if kind == "tif" else write_png_16
    shown = open_pixels(write(tmp_path / f"deep.{kind}", pixels), tmp_path)
    figures.check(f"{kind} 16 bits {colours}", shown, eight_bits(pixels))


@pytest.mark.parametrize("kind", FLOATS)
@pytest.mark.parametrize("colours", ["rgb", "gray"])
def test_floats_from_0_to_1(tmp_path: Path, figures: Figures, kind: str, colours: str) -> None:
    pixels = photographs.portrait() if colours == "rgb" else photographs.gray()
    file = write_tiff(tmp_path / "float.tif", (pixels / 255).astype(kind))
    figures.check(f"tif {kind} {colours}", open_pixels(file, tmp_path), pixels)


def test_floats_that_do_not_reach_white_are_not_stretched(tmp_path: Path, figures: Figures) -> None:
    pixels = photographs.gray() // 2
    file = write_tiff(tmp_path / "dark.tif", (pixels / 255).astype("float32"))
    figures.check("tif float32 dark", open_pixels(file, tmp_path), pixels)


@pytest.mark.parametrize("scale", [255, 65_535])
@pytest.mark.parametrize("colours", ["rgb", "gray"])
def test_floats_on_the_scale_of_integers(
    tmp_path: Path, figures: Figures, scale: int, colours: str
) -> None:
    pixels = _full_range(photographs.portrait() if colours == "rgb" else photographs.gray())
    file = write_tiff(tmp_path / "float.tif", (pixels / 255 * scale).astype("float32"))
    figures.check(f"tif float32 to {scale} {colours}", open_pixels(file, tmp_path), pixels)


def test_floats_of_no_known_scale_go_from_their_least_to_their_greatest(
    tmp_path: Path, figures: Figures
) -> None:
    pixels = _full_range(photographs.gray())
    file = write_tiff(tmp_path / "float.tif", (pixels * 7.5 - 300).astype("float32"))
    figures.check("tif float32 measured", open_pixels(file, tmp_path), pixels)


@pytest.mark.parametrize("kind", ["float32", "float64", "uint16", "uint32", "int16", "int32"])
def test_a_declared_range_goes_from_black_to_white(
    tmp_path: Path, figures: Figures, kind: str
) -> None:
    pixels = photographs.gray() // 2 + 20
    scaled = np.rint(pixels / 255 * 4_000 + 100).astype(kind)
    tags = [(S_MIN, DOUBLE, 1, 100.0, True), (S_MAX, DOUBLE, 1, 4_100.0, True)]
    file = write_tiff(tmp_path / "declared.tif", scaled, extratags=tags)
    figures.check(f"tif {kind} declared", open_pixels(file, tmp_path), pixels)


def test_what_is_not_a_number_is_black_and_harms_nothing_else(
    tmp_path: Path, figures: Figures
) -> None:
    pixels = photographs.gray().copy()
    scaled = (pixels / 255).astype("float32")
    scaled[:5, :5], pixels[:5, :5] = np.nan, 0
    file = write_tiff(tmp_path / "holes.tif", scaled)
    figures.check("tif float32 with holes", open_pixels(file, tmp_path), pixels)


@pytest.mark.parametrize("colours", ["rgb", "gray"])
def test_32_bits(tmp_path: Path, figures: Figures, colours: str) -> None:
    pixels = photographs.portrait() if colours == "rgb" else photographs.gray()
    file = write_tiff(tmp_path / "deep.tif", pixels.astype("uint32") * 0x01010101)
    figures.check(f"tif uint32 {colours}", open_pixels(file, tmp_path), pixels)


@pytest.mark.parametrize("kind", ["int8", "int16", "int32"])
def test_signed_samples_of_the_full_range(tmp_path: Path, figures: Figures, kind: str) -> None:
    pixels, limits = _full_range(photographs.gray()), np.iinfo(kind)
    scaled = pixels / 255 * (float(limits.max) - limits.min) + limits.min
    file = write_tiff(tmp_path / "signed.tif", np.rint(scaled).astype(kind))
    figures.check(f"tif {kind}", open_pixels(file, tmp_path), pixels)


@pytest.mark.parametrize("profile", [profiles.adobe_rgb, profiles.prophoto])
@pytest.mark.parametrize("kind", FLOATS)
def test_floats_with_a_profile(tmp_path: Path, figures: Figures, profile: Any, kind: str) -> None:
    pixels = (photographs.portrait() / 255).astype(kind)
    file = write_tiff(tmp_path / "float.tif", pixels, iccprofile=profile())
    expected = deep_in_srgb(pixels.astype("float32"), profile())
    figures.check(f"tif {kind} {profile.__name__}", open_pixels(file, tmp_path), expected)


@pytest.mark.parametrize("bits", [2, 4])
def test_few_bits_of_gray(tmp_path: Path, figures: Figures, bits: int) -> None:
    levels = photographs.gray() >> (8 - bits)
    file = write_tiff(tmp_path / "few.tif", levels, bitspersample=bits)
    expected = (levels * (255 // (2**bits - 1))).astype(np.uint8)
    figures.check(f"tif {bits} bits", open_pixels(file, tmp_path), expected)


@pytest.mark.parametrize("bits", [10, 12, 14])
@pytest.mark.parametrize("colours", ["rgb", "gray"])
def test_bits_between_8_and_16(tmp_path: Path, figures: Figures, bits: int, colours: str) -> None:
    pixels = photographs.portrait_16() if colours == "rgb" else photographs.gray_16()
    file = write_tiff(tmp_path / "odd.tif", pixels >> (16 - bits), bitspersample=bits)
    figures.check(f"tif {bits} bits {colours}", open_pixels(file, tmp_path), eight_bits(pixels))


@pytest.mark.parametrize("compression", ["group4", "group3", "tiff_ccitt", "packbits", "raw"])
@pytest.mark.parametrize("zero", [WHITE_IS_ZERO, BLACK_IS_ZERO])
def test_black_and_white(tmp_path: Path, figures: Figures, compression: str, zero: int) -> None:
    page = photographs.page()
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[TiffImagePlugin.PHOTOMETRIC_INTERPRETATION] = zero
    file = write_pillow(
        tmp_path / "page.tif", Image.fromarray(page), compression=compression, tiffinfo=tags
    )
    with Image.open(file) as written:
        assert written.tag_v2[TiffImagePlugin.PHOTOMETRIC_INTERPRETATION] == zero
    expected = (page * 255).astype(np.uint8)
    name = f"tif 1 bit {compression}, {'white' if zero == WHITE_IS_ZERO else 'black'} is zero"
    figures.check(name, open_pixels(file, tmp_path), expected)


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
def test_gray_whose_zero_is_white(tmp_path: Path, figures: Figures, kind: str) -> None:
    pixels = photographs.gray().astype(kind) * (257 if kind == "uint16" else 1)
    inverted = np.iinfo(kind).max - pixels
    file = write_tiff(tmp_path / "gray.tif", inverted, photometric="miniswhite")
    figures.check(f"tif {kind} white is zero", open_pixels(file, tmp_path), photographs.gray())


@pytest.mark.parametrize("kind", ["png", "bmp"])
def test_black_and_white_of_other_kinds(tmp_path: Path, figures: Figures, kind: str) -> None:
    page = photographs.page()
    file = write_pillow(tmp_path / f"page.{kind}", Image.fromarray(page))
    figures.check(f"{kind} 1 bit", open_pixels(file, tmp_path), (page * 255).astype(np.uint8))


@pytest.mark.parametrize("kind", ["tif", "png", "gif", "bmp"])
@pytest.mark.parametrize("colours", [200, 16, 4, 2])
def test_palettes(tmp_path: Path, figures: Figures, kind: str, colours: int) -> None:
    palette = Image.fromarray(photographs.portrait()).quantize(colours)
    file = write_pillow(tmp_path / f"palette.{kind}", palette)
    expected = np.asarray(palette.convert("RGB"))
    figures.check(f"{kind} palette of {colours}", open_pixels(file, tmp_path), expected)


@pytest.mark.parametrize("kind", ["png", "gif"])
def test_a_transparent_colour_of_a_palette_is_white(
    tmp_path: Path, figures: Figures, kind: str
) -> None:
    palette = Image.fromarray(photographs.portrait()).quantize(64)
    file = write_pillow(tmp_path / f"palette.{kind}", palette, transparency=7)
    expected = np.asarray(palette.convert("RGB")).copy()
    expected[np.asarray(palette) == 7] = 255
    figures.check(f"{kind} palette, transparent", open_pixels(file, tmp_path), expected)


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
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("colours", ["rgb", "gray"])
def test_both_alphas_of_tiff_are_flattened_on_white(
    tmp_path: Path, figures: Figures, alpha_kind: str, bits: int, colours: str
) -> None:
    pixels, alpha = photographs.portrait(), _fading()
    bands = pixels if colours == "rgb" else pixels[..., :1]
    stored = bands * (alpha[..., None] / 255) if alpha_kind == ASSOCIATED else bands
    whole = np.rint(np.dstack([stored, alpha]).astype(float) * (257 if bits == 16 else 1))
    file = write_tiff(
        tmp_path / "glass.tif",
        whole.astype(f"uint{bits}"),
        photometric="rgb" if colours == "rgb" else "minisblack",
        planarconfig="contig",
        extrasamples=[alpha_kind],
    )
    expected = on_white(bands, alpha)
    expected = expected if colours == "rgb" else expected[..., 0]
    name = f"tif {alpha_kind} {bits} bits {colours}"
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


def test_cmyk_with_alpha_is_flattened_on_white(tmp_path: Path, figures: Figures) -> None:
    inks, alpha = photographs.in_cmyk(photographs.portrait()), _fading() // 255 * 255
    file = write_tiff(
        tmp_path / "glass.tif",
        np.dstack([inks, alpha]),
        photometric="separated",
        planarconfig="contig",
        extrasamples=[UNASSOCIATED],
    )
    expected = on_white(in_srgb(inks, profiles.cmyk(), "CMYK"), alpha)
    figures.check("tif CMYK alpha", open_pixels(file, tmp_path), expected)


def test_lab_of_8_bits(tmp_path: Path, figures: Figures) -> None:
    lab_profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    to_lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), lab_profile, "RGB", "LAB")
    lab = ImageCms.applyTransform(Image.fromarray(photographs.portrait()), to_lab)
    assert lab is not None
    file = write_pillow(tmp_path / "lab.tif", lab)
    to_srgb = ImageCms.buildTransform(lab_profile, ImageCms.createProfile("sRGB"), "LAB", "RGB")
    expected = np.asarray(ImageCms.applyTransform(lab, to_srgb))
    figures.check("tif Lab 8 bits", open_pixels(file, tmp_path), expected)


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


def test_bands_beyond_the_colours_are_left_out(tmp_path: Path, figures: Figures) -> None:
    infrared = np.dstack([photographs.portrait(), photographs.gray()])
    file = write_tiff(
        tmp_path / "infrared.tif", infrared, planarconfig="contig", extrasamples=["unspecified"]
    )
    figures.check("tif infrared", open_pixels(file, tmp_path), photographs.portrait())


def _fading() -> photographs.Pixels:
    """Return an alpha that goes from clear to opaque, from left to right."""
    return np.tile(np.linspace(0, 255, 200).astype(np.uint8), (150, 1))


def _full_range(pixels: photographs.Pixels) -> photographs.Pixels:
    """Give pixels a black and a white, so that a measured range is the same as a known one."""
    pixels = pixels.copy()
    pixels[0, 0], pixels[0, 1] = 0, 255
    return pixels
