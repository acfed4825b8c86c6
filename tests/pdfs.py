"""PDF files built by hand: each page shows one picture, in points as large as its pixels.

ISO 32000-1: 7.5 (structure of a file), 7.7.3.3 (pages), 8.9 (images).
"""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.photographs import Pixels

Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class PdfPage:
    """A picture on a page, turned clockwise by `rotate` and cut to `crop`."""

    picture: Pixels
    rotate: int = 0
    crop: Box | None = None


def write_pdf(file: Path, pages: Sequence[PdfPage]) -> Path:
    """Write a document of one picture a page."""
    kids = " ".join(f"{3 + 3 * number} 0 R" for number in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
    ]
    for number, page in enumerate(pages):
        objects += _page(page, 3 + 3 * number)
    return _write(file, objects)


def write_endless_pdf(file: Path) -> Path:
    """Write a document whose page shows a form that shows itself, twice: it has no end."""
    resources = b"/Resources << /XObject << /Form 4 0 R >> >>"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 99 99] /Contents 5 0 R %s >>" % resources,
        _stream(
            f"/Type /XObject /Subtype /Form /BBox [0 0 99 99] {resources.decode()}",
            b"q 0.9 0 0 0.9 0 0 cm /Form Do /Form Do Q 0 0 9 9 re f",
        ),
        _stream("", b"/Form Do"),
    ]
    return _write(file, objects)


def _write(file: Path, objects: Sequence[bytes]) -> Path:
    whole, places = b"%PDF-1.7\n", []
    for number, content in enumerate(objects, start=1):
        places.append(len(whole))
        whole += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    entries = b"".join(b"%010d 00000 n \n" % place for place in places)
    table = b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, entries)
    end = b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
    file.write_bytes(whole + table + end % (len(objects) + 1, len(whole)))
    return file


def _page(page: PdfPage, number: int) -> Iterator[bytes]:
    height, width = page.picture.shape[:2]
    crop = f"/CropBox [{' '.join(map(str, page.crop))}]" if page.crop else ""
    yield (
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {width} {height}] {crop}"
        f" /Rotate {page.rotate} /Contents {number + 1} 0 R"
        f" /Resources << /XObject << /Scan {number + 2} 0 R >> >> >>"
    ).encode()
    yield _stream("", f"q {width} 0 0 {height} 0 0 cm /Scan Do Q".encode())
    space = "DeviceRGB" if page.picture.ndim == 3 else "DeviceGray"
    yield _stream(
        f"/Type /XObject /Subtype /Image /Width {width} /Height {height}"
        f" /ColorSpace /{space} /BitsPerComponent 8",
        page.picture.tobytes(),
    )


def _stream(entries: str, content: bytes) -> bytes:
    packed = zlib.compress(content)
    head = f"<< {entries} /Filter /FlateDecode /Length {len(packed)} >>".encode()
    return head + b"\nstream\n" + packed + b"\nendstream"
