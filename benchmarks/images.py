"""The images that are tiled: made from seeds, strip by strip, and kept for the next time.

Noise of all octaves, edges, grain and lines of text stand in for what cameras and scanners see. A
texture is periodic; two of different periods, each shifted by chance, make no two places alike.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from random import Random

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Samples = NDArray[np.int16]
Pixels = NDArray[np.uint8]

PERIODS = (2_048, 1_920)
STRIP_ROWS = 64
"""Rows of a TIFF's strip, and of what is held while an image is made."""
CAMERA_QUALITY = 92
LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Kind(StrEnum):
    """What an image stands in for."""

    PHOTO = "photographs"
    SCAN = "scans"
    GIANT = "giant"


@dataclass(frozen=True, slots=True)
class Picture:
    """An image to be made; `compression` is a TIFF's."""

    kind: Kind
    number: int
    width: int
    height: int
    compression: str | None = None

    @property
    def name(self) -> str:
        suffix = "jpg" if self.kind is Kind.PHOTO else "tif"
        return f"{self.kind}-{self.number:02}-{self.width}x{self.height}.{suffix}"

    @property
    def form(self) -> str:
        if self.kind is Kind.PHOTO:
            return f"JPEG of quality {CAMERA_QUALITY}"
        return f"TIFF, {self.compression or 'uncompressed'}"

    @property
    def megapixels(self) -> float:
        return self.width * self.height / 1e6


CAMERAS = ((4_000, 3_000), (4_608, 3_456), (5_184, 3_456), (5_472, 3_648), (6_000, 4_000))
"""12 to 24 megapixels."""
SCANNERS = ((6_300, 8_000), (7_000, 9_200), (8_200, 10_000), (9_000, 10_700), (9_600, 11_450))
"""50 to 110 megapixels."""
GIANT = (26_000, 20_000)


SETS = {"full": (50, 20, 1), "medium": (15, 6, 1), "small": (6, 3, 0)}
"""How many of each kind, by what TILEPOOL_BENCH_IMAGES says."""


def pictures(size: str) -> dict[Kind, list[Picture]]:
    """Return the images of one of SETS; every third scan is LZW."""
    photos, scans, giants = SETS[size]
    return {
        Kind.PHOTO: [Picture(Kind.PHOTO, n, *CAMERAS[n % len(CAMERAS)]) for n in range(photos)],
        Kind.SCAN: [
            Picture(Kind.SCAN, n, *SCANNERS[n % len(SCANNERS)], "lzw" if n % 3 == 2 else None)
            for n in range(scans)
        ],
        Kind.GIANT: [Picture(Kind.GIANT, n, *GIANT) for n in range(giants)],
    }


def kept(picture: Picture, folder: Path) -> Path:
    """Return an image's file in a folder, and make it if it is not there."""
    file = folder / picture.name
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        write(picture, part)
        part.rename(file)
    return file


def write(picture: Picture, file: Path) -> None:
    """Write an image as its kind of machine would."""
    if picture.kind is Kind.PHOTO:
        pixels = np.concatenate(list(strips(picture)))
        with file.open("wb") as stream:
            Image.fromarray(pixels).save(stream, "JPEG", quality=CAMERA_QUALITY)
        return
    with file.open("wb") as stream:
        tifffile.imwrite(
            stream,
            map(_lzw, strips(picture)) if picture.compression else strips(picture),
            shape=(picture.height, picture.width, 3),
            dtype=np.uint8,
            photometric="rgb",
            rowsperstrip=STRIP_ROWS,
            compression=picture.compression,
            predictor=picture.compression is not None,
            maxworkers=1,
        )


def _lzw(strip: Pixels) -> bytes:
    """Encode a strip, of differences between neighbours."""
    return bytes(imagecodecs.lzw_encode(imagecodecs.delta_encode(strip, axis=-2).tobytes()))


def strips(picture: Picture) -> Iterator[Pixels]:
    """Yield an image's rows, STRIP_ROWS at a time."""
    chance = Random(f"{picture.kind} {picture.number}")
    layers = [
        (texture, chance.randrange(len(texture)), chance.randrange(len(texture)))
        for texture in _textures(picture.kind)
    ]
    for top in range(0, picture.height, STRIP_ROWS):
        rows = min(STRIP_ROWS, picture.height - top)
        total = np.zeros((rows, picture.width, 3), np.int16)
        for texture, down, right in layers:
            # Modulo the period, in both directions.
            band = np.take(texture, range(top + down, top + down + rows), axis=0, mode="wrap")
            for left in range(-right, picture.width, len(texture)):
                here = slice(max(left, 0), left + len(texture))
                part = total[:, here]
                part += band[:, here.start - left :][:, : part.shape[1]]
        yield np.clip(total, 0, 255).astype(np.uint8)


@cache
def _textures(kind: Kind) -> tuple[Samples, Samples]:
    """Return what images of a kind are the sum of."""
    noise = np.random.default_rng(sum(kind.encode()))
    first, second = PERIODS
    if kind is Kind.PHOTO:
        shapes = np.where(_clouds(noise, first, 1.9) > 0.4, 38, -12)[..., None]
        seen = 110 + shapes + 30 * _colours(noise, first, 1.5)
        grain = 6 * _clouds(noise, second, 0.8)[..., None] + 1.2 * _colours(noise, second, 0)
    else:
        seen = [196, 184, 160] + 9 * _colours(noise, first, 1.2)
        grain = 4 * _clouds(noise, second, 0.5)[..., None] + 1.2 * _colours(noise, second, 0)
        grain -= _text(second)[..., None]
    return seen.astype(np.int16), np.rint(grain).astype(np.int16)


def _colours(noise: np.random.Generator, period: int, slope: float) -> NDArray[np.float64]:
    """Return noise that is mostly the same in red, green and blue."""
    common = _clouds(noise, period, slope)[..., None]
    own = np.stack([_clouds(noise, period, slope) for _ in range(3)], axis=-1)
    return 0.9 * common + 0.44 * own


def _clouds(noise: np.random.Generator, period: int, slope: float) -> NDArray[np.float64]:
    """Return periodic noise of deviation 1 whose amplitudes fall as 1 / frequency ** slope."""
    spectrum = np.fft.rfft2(noise.standard_normal((period, period)))
    down, right = np.fft.fftfreq(period)[:, None], np.fft.rfftfreq(period)[None, :]
    spectrum /= np.maximum(np.hypot(down, right), 4 / period) ** slope
    spectrum[0, 0] = 0
    clouds = np.fft.irfft2(spectrum, (period, period))
    return np.asarray(clouds / clouds.std())


def _text(period: int) -> Pixels:
    """Return lines of words, as ink: 0 is none."""
    chance, height = Random("text"), 64
    page = Image.new("L", (period, period))
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(44)
    for top in range(3 * height, period - 3 * height, height):
        words = ["".join(chance.choices(LETTERS, k=chance.randint(2, 9))) for _ in range(20)]
        draw.text((3 * height, top), " ".join(words), fill=130, font=font)
    page.paste(0, (period - 3 * height, 0, period, period))
    return np.asarray(page)


def set_size() -> str:
    """Return which set is asked for."""
    return os.environ.get("TILEPOOL_BENCH_IMAGES", "full")
