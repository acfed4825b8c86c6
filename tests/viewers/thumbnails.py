"""What viewers ask for beside their zoom: thumbnails, and the image as a whole."""

from collections.abc import Iterator

from tests.viewers.service import Service, path

UNIVERSAL_VIEWER_WIDTHS_PX = (90, 200)


def listed_sizes(service: Service) -> Iterator[str]:
    """Yield every entry of `sizes` as `w,h`, in both versions.

    Mirador picks one from the manifest by the thumbnail's area. Clover takes the canvas's
    thumbnail, which is one.
    """
    for size in service.sizes:
        yield path("full", size)


def universal_viewer(service: Service) -> Iterator[str]:
    """Yield the thumbnails that Universal Viewer makes up, whatever the manifest offers.

    It asks for them of images too whose `full/max` is narrower, which nothing can answer: level 0
    does not upscale.
    """
    widest = service.width
    if service.max_size[0] is not None:
        widest = service.width * service.max_size[0] // max(service.whole)
    for width in UNIVERSAL_VIEWER_WIDTHS_PX:
        if width <= widest:
            yield path("full", f"{width},")


def tify(service: Service) -> Iterator[str]:
    """Yield the sizes that a canvas's thumbnail may have, and the image as a whole.

    Of images that are narrower than its column of thumbnails it asks `full/w,` beyond their width.
    """
    yield from listed_sizes(service)
    yield path("full", "max" if service.version == 3 else "full")
