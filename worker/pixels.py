"""From a file of any scanner to upright 8-bit sRGB or gray pixels, the only kind that gets tiled.

With `worker.tiling` the only importer of pyvips.
"""

from pathlib import Path

import pyvips

from pipeline.errors import BadImage

MAX_PIXELS = 2_000_000_000
"""A larger image is refused before anything is decoded."""
IN_MEMORY_PIXELS = 64_000_000
"""Decoded images up to here stay in memory (some 200 MB); larger ones go to scratch."""

LOADERS = {
    "VipsForeignLoadJpegFile": "JPEG",
    "VipsForeignLoadPngFile": "PNG",
    "VipsForeignLoadTiffFile": "TIFF",
    "VipsForeignLoadWebpFile": "WebP",
    "VipsForeignLoadNsgifFile": "GIF",
    "VipsForeignLoadHeifFile": "AVIF",
}
"""The kinds that are read; libvips' other loaders never see an untrusted file."""

FAIL_ON = {"VipsForeignLoadJpegFile": "warning"}
"""libjpeg only warns of corrupt data; other loaders warn of harmless things, unknown tags say."""

TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

WHITE = 255.0
WHITE_16 = 65_535.0
UPRIGHT = 1
SAMPLES = ("uchar", "ushort")


def open_pixels(source: Path, scratch: Path) -> pyvips.Image:
    """Decode a source once, normalised, into memory or a scratch file, for random access.

    Raises BadImage where it cannot be read whole.
    """
    if source.stat().st_size == 0:
        raise BadImage("the file is empty (0 bytes); copy it again from its original")
    # libvips keeps the messages of earlier images until they are cleared.
    pyvips.vips_lib.vips_error_clear()
    loader = _find_loader(source)
    try:
        image = pyvips.Image.new_from_file(
            str(source), access="sequential", fail_on=FAIL_ON.get(loader, "error")
        )
        if image.width * image.height > MAX_PIXELS:
            raise BadImage(
                f"{image.width} × {image.height} pixels are too many;"
                f" expected at most {MAX_PIXELS:,} in all"
            )
        if image.get_typeof("orientation") != 0 and image.get("orientation") != UPRIGHT:
            # Turning reads columns, which a sequential source cannot give.
            image = _decode(image, scratch / "turned.v").autorot()
        return _decode(_normalise(image), scratch / "pixels.v")
    except pyvips.Error as error:
        raise BadImage(f"the {LOADERS[loader]} file is damaged: {_detail(error)}") from error


def _find_loader(source: Path) -> str:
    found = pyvips.vips_lib.vips_foreign_find_load(str(source).encode())
    name: str = pyvips.ffi.string(found).decode() if found != pyvips.ffi.NULL else ""
    if name in LOADERS:
        return name
    with source.open("rb") as file:
        if file.read(4) in TIFF_MAGIC:
            raise BadImage("the TIFF file is damaged: its directory of images cannot be read")
    kinds = ", ".join(LOADERS.values())
    raise BadImage(f"not an image of a kind that can be read ({kinds})")


def _decode(image: pyvips.Image, scratch: Path) -> pyvips.Image:
    if image.width * image.height <= IN_MEMORY_PIXELS:
        return image.copy_memory()
    image.write_to_file(str(scratch))
    return pyvips.Image.new_from_file(str(scratch))


def _normalise(image: pyvips.Image) -> pyvips.Image:
    if image.format not in SAMPLES:
        raise BadImage(f"its samples are of the kind {image.format}; expected 8 or 16 bits")
    if image.hasalpha():
        deep = image.interpretation in {"rgb16", "grey16"}
        image = image.flatten(background=[WHITE_16 if deep else WHITE])
    gray = image.interpretation in {"b-w", "grey16"}
    if image.get_typeof("icc-profile-data") != 0:
        image = image.icc_transform("srgb", embedded=True, intent="relative", depth=8)
    elif image.interpretation == "cmyk":
        image = image.icc_transform("srgb", input_profile="cmyk", depth=8)
    image = image.colourspace("b-w" if gray else "srgb").cast("uchar")
    # What some scanners add beyond the colours, infrared say, is left out.
    return image.extract_band(0, n=1 if gray else 3)


def _detail(error: pyvips.Error) -> str:
    lines = [line.strip() for line in str(error.detail).splitlines() if line.strip()]
    return lines[0] if lines else error.message
