"""What kind of file a source is, told from its first bytes, never from its name."""

from enum import StrEnum
from pathlib import Path

from pipeline.errors import BadImage

HEAD_BYTES = 1_024
"""So far into a file a PDF's header may lie (ISO 32000-1, annex H)."""


class Kind(StrEnum):
    """The kinds that are read, named as people know them."""

    TIFF = "TIFF"
    JPEG = "JPEG"
    JPEG_2000 = "JPEG 2000"
    PNG = "PNG"
    WEBP = "WebP"
    GIF = "GIF"
    BMP = "BMP"
    HEIC = "HEIC"
    AVIF = "AVIF"
    PDF = "PDF"


_STARTS = {
    b"II*\0": Kind.TIFF,
    b"MM\0*": Kind.TIFF,
    b"II+\0": Kind.TIFF,
    b"MM\0+": Kind.TIFF,
    b"\xff\xd8\xff": Kind.JPEG,
    b"\0\0\0\x0cjP  \r\n\x87\n": Kind.JPEG_2000,
    b"\xff\x4f\xff\x51": Kind.JPEG_2000,
    b"\x89PNG\r\n\x1a\n": Kind.PNG,
    b"GIF87a": Kind.GIF,
    b"GIF89a": Kind.GIF,
}
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_AVIF_BRANDS = {b"avif", b"avis"}
SPACE = 0x20
WHITESPACE = b"\t\n\r\f"
_BMP_HEADER_BYTES = (12, 16, 40, 52, 56, 64, 108, 124)


def tell_kind(head: bytes) -> Kind | None:
    """Return the kind of a file that begins with these bytes, None for any other."""
    for start, kind in _STARTS.items():
        if head.startswith(start):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return Kind.WEBP
    # Two letters alone are too few to know a file by.
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADER_BYTES:
        return Kind.BMP
    if head[4:8] == b"ftyp":
        return _tell_heif(head)
    return Kind.PDF if b"%PDF-" in head[:HEAD_BYTES] else None


def _tell_heif(head: bytes) -> Kind | None:
    """Tell AVIF from HEIC by the brands of the file type box; `mif1` alone may be either."""
    end = min(int.from_bytes(head[:4], "big"), HEAD_BYTES)
    brands = {head[8:12], *(head[start : start + 4] for start in range(16, end, 4))}
    if brands & _AVIF_BRANDS:
        return Kind.AVIF
    return Kind.HEIC if brands & _HEIC_BRANDS else None


def read_kind(source: Path) -> Kind:
    """Return a file's kind; raises BadImage for one that cannot be read, saying what it is."""
    with source.open("rb") as file:
        head = file.read(HEAD_BYTES)
    kind = tell_kind(head)
    if kind is not None:
        return kind
    if not head:
        raise BadImage("the file is empty (0 bytes); copy it again from its original")
    if not head.strip(b"\0"):
        raise BadImage("the file holds nothing but zeros; copy it again from its original")
    known = ", ".join(Kind)
    raise BadImage(f"{_describe(head)} not an image of a kind that can be read ({known})")


def _describe(head: bytes) -> str:
    if head.lstrip()[:1] == b"<":
        return "the file is a web page or drawing (it begins with '<'),"
    if all(byte >= SPACE or byte in WHITESPACE for byte in head):
        return "the file is text,"
    return "the file is"
