"""ICC profiles built by hand, as bytes, so that what they mean is known without any library.

ICC.1:2022 (version 4) and ICC.1:2001-04 (version 2), https://www.color.org/specification/ICC.1-2022-05.pdf
"""

import struct
from functools import cache

import numpy as np
import pyvips
from numpy.typing import NDArray

Floats = NDArray[np.float64]

D50 = np.array([0.9642, 1.0, 0.8249])
D65_XY = (0.3127, 0.3290)
D50_XY = (0.3457, 0.3585)
SRGB_XY = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
ADOBE_XY = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
P3_XY = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
PROPHOTO_XY = ((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001))
BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
GRID = 17
"""Steps of a colour table along each channel."""


def rgb_to_xyz(
    primaries: tuple[tuple[float, float], ...], white: tuple[float, float]
) -> NDArray[np.float64]:
    """Return the matrix from linear RGB to XYZ relative to D50, by Bradford's adaptation."""
    columns = np.array([_xyz(*xy) for xy in primaries]).T
    whole = columns * np.linalg.solve(columns, _xyz(*white))
    cones = np.diag((BRADFORD @ D50) / (BRADFORD @ _xyz(*white)))
    return np.asarray(np.linalg.inv(BRADFORD) @ cones @ BRADFORD @ whole)


def xyz_to_lab(xyz: Floats) -> Floats:
    """Return CIE L*a*b* of XYZ relative to D50."""
    ratio = xyz / D50
    root = np.where(ratio > 216 / 24389, np.cbrt(ratio), (24389 / 27 * ratio + 16) / 116)
    x, y, z = np.moveaxis(root, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def linear(encoded: Floats) -> Floats:
    """Return the light of sRGB values, both 0 to 1."""
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


@cache
def srgb() -> bytes:
    return _matrix_shaper(rgb_to_xyz(SRGB_XY, D65_XY), SRGB_CURVE, version=4)


@cache
def adobe_rgb() -> bytes:
    return _matrix_shaper(rgb_to_xyz(ADOBE_XY, D65_XY), _gamma(2.19921875), version=2)


@cache
def prophoto() -> bytes:
    return _matrix_shaper(rgb_to_xyz(PROPHOTO_XY, D50_XY), _gamma(1.8), version=2)


@cache
def display_p3() -> bytes:
    return _matrix_shaper(rgb_to_xyz(P3_XY, D65_XY), SRGB_CURVE, version=4)


@cache
def gray_gamma() -> bytes:
    return _profile(b"scnr", b"GRAY", b"XYZ ", {b"kTRC": _gamma(2.2)}, version=2)


@cache
def gray_dot_gain() -> bytes:
    """Return a gray for print: dots grow by a fifth in the midtones."""
    ink = 1 - np.linspace(0, 1, 256)
    light = 1 - (ink + 0.8 * ink * (1 - ink))
    curve = struct.pack(">4s4xI256H", b"curv", 256, *np.rint(light * 65_535).astype(int))
    return _profile(b"prtr", b"GRAY", b"XYZ ", {b"kTRC": curve}, version=2)


@cache
def scanner() -> bytes:
    """Return a scanner's profile: a table from RGB to Lab, with crosstalk and a lifted black."""
    steps = np.linspace(0, 1, GRID)
    rgb = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1) ** 2.0
    crosstalk = np.array([[0.86, 0.10, 0.04], [0.07, 0.84, 0.09], [0.02, 0.13, 0.85]])
    light = 0.006 + 0.994 * rgb @ crosstalk.T
    lab = xyz_to_lab(light @ rgb_to_xyz(ADOBE_XY, D65_XY).T)
    coded = (
        np.rint((lab + np.array([0, 128, 128])) * [652.8, 256, 256]).clip(0, 65_535).astype(">u2")
    )
    identity = [65_536 * (row == column) for row in range(3) for column in range(3)]
    ramps = struct.pack(">6H", *(0, 65_535) * 3)
    head = struct.pack(">4s4x4B9iHH", b"mft2", 3, 3, GRID, 0, *identity, 2, 2)
    table = head + ramps + coded.tobytes() + ramps
    return _profile(b"scnr", b"RGB ", b"Lab ", {b"A2B0": table}, version=2)


@cache
def cmyk() -> bytes:
    """Return the profile of a press that comes with libvips."""
    return bytes(pyvips.Operation.call("profile_load", "cmyk"))


def _xyz(x: float, y: float) -> Floats:
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _gamma(value: float) -> bytes:
    return struct.pack(">4s4xIH", b"curv", 1, round(value * 256))


def _parametric(*parameters: float) -> bytes:
    return struct.pack(">4s4xHxx5i", b"para", 3, *(round(value * 65_536) for value in parameters))


SRGB_CURVE = _parametric(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def _xyz_tag(xyz: Floats) -> bytes:
    return struct.pack(">4s4x3i", b"XYZ ", *(round(value * 65_536) for value in xyz))


def _matrix_shaper(matrix: Floats, curve: bytes, version: int) -> bytes:
    columns = {name + b"XYZ": _xyz_tag(matrix[:, place]) for place, name in enumerate(CHANNELS)}
    curves = {name + b"TRC": curve for name in CHANNELS}
    return _profile(b"mntr", b"RGB ", b"XYZ ", columns | curves, version)


CHANNELS = (b"r", b"g", b"b")


def _words(text: str, version: int) -> bytes:
    if version == 4:
        coded = text.encode("utf-16-be")
        return struct.pack(">4s4xII2s2sII", b"mluc", 1, 12, b"en", b"US", len(coded), 28) + coded
    ascii_text = text.encode() + b"\0"
    return struct.pack(">4s4xI", b"desc", len(ascii_text)) + ascii_text + bytes(78)


def _profile(
    kind: bytes, space: bytes, pcs: bytes, tags: dict[bytes, bytes], version: int
) -> bytes:
    copyright_tag = _words("none", 4) if version == 4 else b"text\0\0\0\0none\0"
    all_tags = {
        b"desc": _words("made for a test", version),
        b"cprt": copyright_tag,
        b"wtpt": _xyz_tag(D50),
        **tags,
    }
    directory, data = struct.pack(">I", len(all_tags)), b""
    start = 128 + 4 + 12 * len(all_tags)
    for name, tag in all_tags.items():
        directory += struct.pack(">4sII", name, start + len(data), len(tag))
        data += tag + bytes(-len(tag) % 4)
    header = struct.pack(
        ">I4xI4s4s4s6H4s28x3i48x",
        start + len(data),
        version << 24,
        kind,
        space,
        pcs,
        *(2026, 1, 1, 0, 0, 0),
        b"acsp",
        *(round(value * 65_536) for value in D50),
    )
    return header + directory + data
