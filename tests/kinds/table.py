"""Every kind of file that is read, and each of its forms, as the README's table has them."""

from tests.kinds.bmp import BMP
from tests.kinds.jpeg import JPEG
from tests.kinds.jpeg2000 import JPEG_2000
from tests.kinds.pdf import PDF
from tests.kinds.plain import Writer
from tests.kinds.tiff import TIFF
from tests.kinds.web import AVIF, GIF, HEIC, PNG, WEBP

SUPPORTED: dict[str, dict[str, Writer]] = {
    "TIFF": TIFF,
    "JPEG": JPEG,
    "JPEG 2000": JPEG_2000,
    "PNG": PNG,
    "WebP": WEBP,
    "GIF": GIF,
    "BMP": BMP,
    "HEIC": HEIC,
    "AVIF": AVIF,
    "PDF": PDF,
}
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
