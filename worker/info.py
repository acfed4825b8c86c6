"""`info.json` of Image API 3.0, level 0. Pure.

https://iiif.io/api/image/3.0/#5-image-information
"""

import json

from pipeline.geometry import Pyramid

CONTEXT = "http://iiif.io/api/image/3/context.json"


def info_json(service_url: str, pyramid: Pyramid) -> bytes:
    """Return the document that describes an image service, `@context` first."""
    limits = {}
    if pyramid.full != (pyramid.width, pyramid.height):
        limits = {"maxWidth": pyramid.full.width, "maxHeight": pyramid.full.height}
    document = {
        "@context": CONTEXT,
        "id": service_url,
        "type": "ImageService3",
        "protocol": "http://iiif.io/api/image",
        "profile": "level0",
        "width": pyramid.width,
        "height": pyramid.height,
        **limits,
        "sizes": [{"width": size.width, "height": size.height} for size in pyramid.sizes],
        "tiles": [
            {
                "width": pyramid.tile_size,
                "height": pyramid.tile_size,
                "scaleFactors": list(pyramid.scale_factors),
            }
        ],
    }
    return json.dumps(document, indent=1).encode()
