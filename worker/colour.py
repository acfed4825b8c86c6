"""From the samples of any scanner to 8-bit sRGB or gray, band by band as libvips streams them.

The worker imports pyvips here and in `worker.opening`, `worker.pixels` and `worker.tiling` alone.
"""

from collections.abc import Callable

import pyvips

from pipeline.errors import BadImage
from worker.tiff import Samples

WHITE_8 = 255
WHITE_16 = 65_535
USUAL_WHITES = (1, WHITE_8, WHITE_16)
MAX_FLOAT = 3.4e38
INTENT = "relative"
"""With black point compensation, as image editors have it: the black of a print is black."""
GRAY = {"b-w", "grey16"}
BACKGROUNDS = {"cmyk": [0], "rgb16": [WHITE_16], "grey16": [WHITE_16]}
INTEGERS = {"uchar", "ushort"}
FLOATS = {"float", "double"}
NUMBERS = INTEGERS | FLOATS | {"char", "short", "uint", "int"}
COLOUR_BANDS = 3


def to_srgb(load: Callable[[], pyvips.Image], samples: Samples | None) -> pyvips.Image:
    """Return an image's pixels as 8-bit sRGB (three bands) or gray (one band).

    `load` opens the image anew, for a look at its range. Embedded profiles are honoured, alpha is
    flattened on white, bands beyond the colours are left out. Raises BadImage for samples
    that are no colours.
    """
    image = _without_unknown_bands(load(), samples)
    declared = samples.declared if samples is not None else None
    if image.interpretation == "lab":
        return image.icc_export(output_profile="srgb", pcs="lab", intent=INTENT, depth=8)
    if image.format not in NUMBERS:
        raise BadImage(f"its samples are of the kind {image.format}, which is no colour")
    if image.format == "ushort" and declared is not None:
        image = _to_16_bits(image, declared)
    elif image.format not in INTEGERS:
        image = _to_16_bits(image, declared or _measure(load))
        if samples is not None and samples.inverted:
            image = image.invert()
    if image.hasalpha():
        background = BACKGROUNDS.get(image.interpretation, [WHITE_8])
        opaque = WHITE_16 if image.format == "ushort" else WHITE_8
        image = image.flatten(background=background, max_alpha=opaque)
    wanted, bands = ("b-w", 1) if image.interpretation in GRAY else ("srgb", COLOUR_BANDS)
    image = _apply_profile(image)
    if (image.interpretation, image.bands, image.format) == (wanted, bands, "uchar"):
        # Steps that change nothing take libvips a cleared buffer each, for every band of rows.
        return image
    return image.colourspace(wanted).cast("uchar").extract_band(0, n=bands)


def _without_unknown_bands(image: pyvips.Image, samples: Samples | None) -> pyvips.Image:
    """Leave out bands that the file calls neither colour nor alpha: infrared, say."""
    if samples is None or not 0 < len(samples.extra) < image.bands:
        return image
    colours = image.bands - len(samples.extra)
    known = image.extract_band(0, n=colours)
    if not any(samples.extra):
        return known
    return known.bandjoin(image.extract_band(colours + samples.extra.index(True)))


def _measure(load: Callable[[], pyvips.Image]) -> tuple[float, float]:
    """Return the values of black and white that are usual for what is found."""
    image = load()
    if image.format == "uint":
        return 0, 2**32 - 1
    found = _finite(image).stats()
    low, high = found(0, 0)[0], found(1, 0)[0]
    if low >= 0 and image.format in FLOATS:
        for white in USUAL_WHITES:
            if high <= white:
                return 0, white
    return low, max(high, low + 1)


def _finite(image: pyvips.Image) -> pyvips.Image:
    """Return samples with 0 for whatever is no finite number."""
    if image.format not in FLOATS:
        return image
    return (image.abs() <= MAX_FLOAT).ifthenelse(image, 0)


def _to_16_bits(image: pyvips.Image, span: tuple[float, float]) -> pyvips.Image:
    low, high = span
    scaled = (_finite(image) - low) * (WHITE_16 / (high - low))
    # Encoded like whole numbers, though libvips takes floats for linear light.
    interpretation = "grey16" if image.bands < COLOUR_BANDS else "rgb16"
    if image.interpretation == "cmyk":
        interpretation = "cmyk"
    return scaled.rint().cast("ushort").copy(interpretation=interpretation)


def _apply_profile(image: pyvips.Image) -> pyvips.Image:
    options = {"intent": INTENT, "black_point_compensation": True, "depth": 8}
    if image.get_typeof("icc-profile-data") != 0:
        return image.icc_transform("srgb", embedded=True, **options)
    if image.interpretation == "cmyk":
        return image.icc_transform("srgb", input_profile="cmyk", **options)
    return image
