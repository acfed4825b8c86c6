"""Every kind of file that is read, as the README's table has it: who writes one, what it shows.

A writer takes the file's path and returns the upright sRGB or gray pixels to be seen.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pillow_heif
import tifffile
from PIL import Image

from tests import photographs
from tests.files import (
    Bmp,
    padded,
    run_lengths,
    write_bmp,
    write_interlaced_png,
    write_jp2,
    write_pillow,
    write_png_16,
    write_tiff,
)
from tests.pdfs import PdfPage, write_pdf
from tests.photographs import Pixels
from tests.profiles import cmyk

Writer = Callable[[Path], Pixels]

SUFFIXES = {
    "TIFF": "tif",
    "JPEG": "jpg",
    "JPEG 2000": "jp2",
    "PNG": "png",
    "WebP": "webp",
    "GIF": "gif",
    "BMP": "bmp",
    "HEIC": "heic",
    "AVIF": "avif",
    "PDF": "pdf",
}


def _tiff(file: Path, **settings: Any) -> Pixels:
    write_tiff(file, photographs.portrait(), **settings)
    return photographs.portrait()


def _lossy_tiff(file: Path, **settings: Any) -> Pixels:
    write_tiff(file, photographs.portrait(), **settings)
    return np.asarray(tifffile.imread(file))


def _planar_tiff(file: Path) -> Pixels:
    planes = np.ascontiguousarray(np.moveaxis(photographs.portrait(), 2, 0))
    write_tiff(file, planes, planarconfig="separate", photometric="rgb")
    return photographs.portrait()


def _pyramid_tiff(file: Path, *, sub: bool) -> Pixels:
    whole = photographs.portrait()
    tile: dict[str, Any] = {"tile": (64, 64), "photometric": "rgb"}
    with tifffile.TiffWriter(file) as tiff:
        tiff.write(whole, subifds=2 if sub else None, metadata=None, **tile)
        for step in (2, 4):
            tiff.write(whole[::step, ::step], subfiletype=1, metadata=None, **tile)
    return whole


def _tiff_of_pages(file: Path) -> Pixels:
    with tifffile.TiffWriter(file) as tiff:
        for page in (photographs.portrait(), photographs.cup()):
            tiff.write(page, metadata=None, photometric="rgb")
    return photographs.portrait()


def _black_and_white_tiff(file: Path, compression: str) -> Pixels:
    write_pillow(file, Image.fromarray(photographs.page()), compression=compression)
    return (photographs.page() * 255).astype(np.uint8)


def _deep_tiff(file: Path) -> Pixels:
    write_tiff(file, photographs.portrait_16())
    return photographs.eight_bits(photographs.portrait_16())


def _float_tiff(file: Path) -> Pixels:
    write_tiff(file, (photographs.gray() / 255).astype(np.float32))
    return photographs.gray()


def _cmyk_tiff(file: Path) -> Pixels:
    inks = photographs.in_cmyk(photographs.portrait())
    write_tiff(file, inks, photometric="separated")
    return photographs.in_srgb(inks, cmyk(), "CMYK")


def _lossless(
    file: Path, pixels: Callable[[], Pixels] = photographs.portrait, **settings: Any
) -> Pixels:
    write_pillow(file, pixels(), **settings)
    return pixels()


def _lossy(
    file: Path, pixels: Callable[[], Pixels] = photographs.portrait, **settings: Any
) -> Pixels:
    write_pillow(file, pixels(), **settings)
    with Image.open(file) as decoded:
        return np.asarray(decoded)


def _cmyk_jpeg(file: Path, space: str) -> Pixels:
    inverted = 255 - photographs.in_cmyk(photographs.portrait())
    file.write_bytes(imagecodecs.jpeg8_encode(inverted, 98, colorspace="CMYK", outcolorspace=space))
    with Image.open(file) as decoded:
        return photographs.in_srgb(np.asarray(decoded), cmyk(), "CMYK")


def _rgb_jpeg(file: Path) -> Pixels:
    encoded = imagecodecs.jpeg8_encode(photographs.portrait(), 98, outcolorspace="RGB")
    file.write_bytes(encoded)
    return np.asarray(imagecodecs.jpeg8_decode(encoded))


def _jp2(file: Path, pixels: Callable[[], Any] = photographs.portrait, **settings: Any) -> Pixels:
    write_jp2(file, pixels(), **settings)
    shown = pixels()
    return photographs.eight_bits(shown) if shown.dtype == np.uint16 else shown


def _lossy_jp2(file: Path) -> Pixels:
    write_jp2(file, photographs.portrait(), irreversible=True, quality_layers=[10])
    with Image.open(file) as decoded:
        return np.asarray(decoded)


def _deep_jp2(file: Path) -> Pixels:
    file.write_bytes(imagecodecs.jpeg2k_encode(photographs.portrait_16(), codecformat="jp2"))
    return photographs.eight_bits(photographs.portrait_16())


def _jp2_with_alpha(file: Path) -> Pixels:
    return _with_alpha(file)


def _interlaced_png(file: Path) -> Pixels:
    write_interlaced_png(file, photographs.portrait())
    return photographs.portrait()


def _deep_png(file: Path) -> Pixels:
    write_png_16(file, photographs.portrait_16())
    return photographs.eight_bits(photographs.portrait_16())


def _with_alpha(file: Path, **settings: Any) -> Pixels:
    alpha = np.tile(np.linspace(0, 255, 200).astype(np.uint8), (150, 1))
    write_pillow(file, np.dstack([photographs.portrait(), alpha]), **settings)
    return photographs.on_white(photographs.portrait(), alpha)


def _palette(file: Path, colours: int = 200) -> Pixels:
    image = Image.fromarray(photographs.portrait()).quantize(colours)
    write_pillow(file, image)
    return np.asarray(image.convert("RGB"))


def _animation(file: Path, **settings: Any) -> Pixels:
    """Of a moving picture the first is shown."""
    first, second = (Image.fromarray(p()) for p in (photographs.portrait, photographs.cup))
    if file.suffix == ".gif":
        first, second = first.quantize(200), second.quantize(200)
    write_pillow(file, first, save_all=True, append_images=[second], **settings)
    return np.asarray(first.convert("RGB"))


def _gray_palette(levels: int) -> bytes:
    return b"".join(bytes([255 * v // (levels - 1)] * 3 + [0]) for v in range(levels))


def _bmp_of_gray(file: Path, bits: int, *, runs: bool = False, top_down: bool = False) -> Pixels:
    levels: Pixels = np.asarray(photographs.gray() >> (8 - bits), np.uint8)
    packed = levels if bits == 8 else np.asarray(levels[:, ::2] << 4 | levels[:, 1::2], np.uint8)
    rows = run_lengths(packed) if runs else padded(packed[::-1] if top_down else packed)
    write_bmp(
        file,
        Bmp(
            *(200, 150, bits, rows),
            compression=1 if runs else 0,
            palette=_gray_palette(2**bits),
            top_down=top_down,
        ),
    )
    return np.asarray(levels * (255 // (2**bits - 1)), np.uint8)


def _bmp_of_4_bits(file: Path) -> Pixels:
    return np.dstack([_bmp_of_gray(file, 4)] * 3)


def _bmp_of_16_bits(file: Path, *, masks: bool) -> Pixels:
    green_bits = 6 if masks else 5
    red, green, blue = (
        photographs.portrait()[..., band].astype("<u2") >> (8 - bits)
        for band, bits in enumerate((5, green_bits, 5))
    )
    rows = padded((red << (5 + green_bits) | green << 5 | blue).astype("<u2"))
    layout = np.array([0xF800, 0x07E0, 0x001F], "<u4").tobytes() if masks else b""
    write_bmp(file, Bmp(200, 150, 16, rows, compression=3 if masks else 0, masks=layout))
    full = [band / (2**bits - 1) for band, bits in ((red, 5), (green, green_bits), (blue, 5))]
    return np.asarray(np.rint(np.dstack(full) * 255), np.uint8)


def _bmp_of_32_bits(file: Path) -> Pixels:
    bgr = photographs.portrait()[..., ::-1]
    rows = padded(np.dstack([bgr, np.zeros((150, 200), np.uint8)]).reshape(150, -1))
    write_bmp(file, Bmp(200, 150, 32, rows))
    return photographs.portrait()


def _heic(file: Path, **settings: Any) -> Pixels:
    image = pillow_heif.from_pillow(Image.fromarray(photographs.portrait()))
    image.save(file, quality=95, **settings)
    return np.asarray(pillow_heif.open_heif(file).to_pillow())


def _deep_heic(file: Path) -> Pixels:
    deep = photographs.portrait_16()
    image = pillow_heif.from_bytes("RGB;16", (200, 150), deep.tobytes())
    image.save(file, quality=95, chroma=444)
    return np.asarray(pillow_heif.open_heif(file).to_pillow())


def _heic_with_alpha(file: Path) -> Pixels:
    alpha = np.tile(np.linspace(0, 255, 200).astype(np.uint8), (150, 1))
    whole = np.dstack([photographs.portrait(), alpha])
    pillow_heif.from_pillow(Image.fromarray(whole)).save(file, quality=95, chroma=444)
    decoded = np.asarray(pillow_heif.open_heif(file).to_pillow())
    return photographs.on_white(decoded[..., :3], decoded[..., 3])


def _deep_avif(file: Path) -> Pixels:
    ten_bits = photographs.portrait_16() >> 6
    encoded = imagecodecs.avif_encode(ten_bits, level=100, bitspersample=10)
    file.write_bytes(encoded)
    return np.rint(imagecodecs.avif_decode(encoded) / 1023 * 255).astype(np.uint8)


def _pdf(file: Path, page: PdfPage, shown: Pixels) -> Pixels:
    write_pdf(file, [page])
    return shown


def _pdf_of_scan(file: Path) -> Pixels:
    return _pdf(file, PdfPage(photographs.portrait()), photographs.portrait())


def _turned_pdf(file: Path) -> Pixels:
    picture = photographs.portrait()
    return _pdf(file, PdfPage(picture, rotate=90), np.rot90(picture, -1))


def _cropped_pdf(file: Path) -> Pixels:
    picture = photographs.portrait()
    return _pdf(file, PdfPage(picture, crop=(20, 10, 140, 110)), picture[40:140, 20:140])


def _enlarged_pdf(file: Path) -> Pixels:
    small = photographs.portrait()[::2, ::2].copy()
    image = Image.fromarray(small).resize((200, 150), Image.Resampling.BILINEAR)
    return _pdf(file, PdfPage(small, user_unit=2.0), np.asarray(image))


def _pdf_of_pages(file: Path) -> Pixels:
    write_pdf(file, [PdfPage(photographs.portrait()), PdfPage(photographs.cup())])
    return photographs.portrait()


SUPPORTED: dict[str, dict[str, Writer]] = {
    "TIFF": {
        "strips": partial(_tiff, rowsperstrip=16),
        "tiles": partial(_tiff, tile=(64, 64)),
        "pyramids": partial(_pyramid_tiff, sub=False),
        "pyramids in sub-directories": partial(_pyramid_tiff, sub=True),
        "planes": _planar_tiff,
        "several pages": _tiff_of_pages,
        "BigTIFF": partial(_tiff, bigtiff=True),
        "big-endian": partial(_tiff, byteorder=">"),
        "LZW": partial(_tiff, compression="lzw", predictor=True),
        "Deflate": partial(_tiff, compression="deflate"),
        "PackBits": partial(_tiff, compression="packbits"),
        "ZSTD": partial(_tiff, compression="zstd"),
        "LZMA": partial(_tiff, compression="lzma"),
        "WebP": partial(_tiff, compression="webp", compressionargs={"lossless": True}),
        "JPEG": partial(_lossy_tiff, compression="jpeg", compressionargs={"level": 95}),
        "YCbCr": partial(_lossy_tiff, compression="jpeg", photometric="ycbcr", subsampling=(1, 1)),
        "CCITT G3": partial(_black_and_white_tiff, compression="group3"),
        "CCITT G4": partial(_black_and_white_tiff, compression="group4"),
        "16 bits": _deep_tiff,
        "float": _float_tiff,
        "palette": _palette,
        "CMYK": _cmyk_tiff,
        "alpha": _with_alpha,
    },
    "JPEG": {
        "baseline": partial(_lossy, quality=95),
        "progressive": partial(_lossy, quality=95, progressive=True),
        "gray": partial(_lossy, pixels=photographs.gray, quality=95),
        "RGB": _rgb_jpeg,
        "CMYK": partial(_cmyk_jpeg, space="CMYK"),
        "YCCK": partial(_cmyk_jpeg, space="YCCK"),
    },
    "JPEG 2000": {
        "JP2": _jp2,
        "codestream": partial(_jp2, no_jp2=True),
        "tiles": partial(_jp2, tile_size=(64, 64)),
        "lossy": _lossy_jp2,
        "gray": partial(_jp2, pixels=photographs.gray),
        "16 bits": _deep_jp2,
        "16 bits gray": partial(_jp2, pixels=photographs.gray_16),
        "alpha": _jp2_with_alpha,
    },
    "PNG": {
        "colours": _lossless,
        "gray": partial(_lossless, pixels=photographs.gray),
        "palette": _palette,
        "alpha": _with_alpha,
        "interlaced": _interlaced_png,
        "16 bits": _deep_png,
    },
    "WebP": {
        "lossy": partial(_lossy, quality=95),
        "lossless": partial(_lossless, lossless=True),
        "alpha": partial(_with_alpha, lossless=True),
        "first of an animation": partial(_animation, lossless=True),
    },
    "GIF": {
        "palette": _palette,
        "first of an animation": _animation,
    },
    "BMP": {
        "1 bit": lambda file: _palette(file, 2),
        "4 bits": _bmp_of_4_bits,
        "8 bits": partial(_bmp_of_gray, bits=8),
        "16 bits": partial(_bmp_of_16_bits, masks=False),
        "16 bits with masks": partial(_bmp_of_16_bits, masks=True),
        "24 bits": _lossless,
        "32 bits": _bmp_of_32_bits,
        "RLE": partial(_bmp_of_gray, bits=8, runs=True),
        "top-down": partial(_bmp_of_gray, bits=8, top_down=True),
    },
    "HEIC": {
        "8 bits": partial(_heic, chroma=444),
        "10 bits": _deep_heic,
        "alpha": _heic_with_alpha,
    },
    "AVIF": {
        "8 bits": partial(_lossy, quality=95, subsampling="4:4:4"),
        "10 bits": _deep_avif,
        "alpha": partial(_with_alpha, quality=100, subsampling="4:4:4"),
    },
    "PDF": {
        "scans": _pdf_of_scan,
        "turned": _turned_pdf,
        "cropped": _cropped_pdf,
        "enlarged": _enlarged_pdf,
        "several pages": _pdf_of_pages,
    },
}
"""By kind and variant."""
