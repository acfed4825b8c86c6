"""`info.json` at level 0. Pure.

Image API 3.0: https://iiif.io/api/image/3.0/#5-image-information
Image API 2.1: https://iiif.io/api/image/2.1/#image-information
"""

import json
from typing import Any

from pipeline.geometry import Pyramid

CONTEXTS = {
    3: "http://iiif.io/api/image/3/context.json",
    2: "http://iiif.io/api/image/2/context.json",
}
PROFILE_2 = "http://iiif.io/api/image/2/level0.json"


def info_json(service_url: str, pyramid: Pyramid) -> bytes:
    """Return the document that describes an image service, `@context` first."""
    parts = [
        {"@context": CONTEXTS[pyramid.image_api]},
        _identity(service_url, pyramid),
        {
            "sizes": [{"width": size.width, "height": size.height} for size in pyramid.sizes],
            "tiles": [
                {
                    "width": pyramid.tile_size,
                    "height": pyramid.tile_size,
                    "scaleFactors": list(pyramid.scale_factors),
                }
            ],
        },
    ]
    document = {name: value for part in parts for name, value in part.items()}
    return json.dumps(document, indent=1).encode()


def _identity(service_url: str, pyramid: Pyramid) -> dict[str, Any]:
    limits = {}
    if pyramid.full != (pyramid.width, pyramid.height):
        # The box that `full/max` fits, not its size: these limit tiles as well, and Allmaps throws
        # at a tile that is larger (a strip of 60,000 by 400 would have a maxHeight of 109).
        limits = dict.fromkeys(("maxWidth", "maxHeight"), max(pyramid.full))
    protocol = {"protocol": "http://iiif.io/api/image"}
    dimensions = {"width": pyramid.width, "height": pyramid.height}
    if pyramid.image_api == 2:  # noqa: PLR2004  # the version's own number
        features = {"formats": ["jpg"], "qualities": ["default"], **limits}
        return {"@id": service_url, **protocol, "profile": [PROFILE_2, features], **dimensions}
    return {
        "id": service_url,
        "type": "ImageService3",
        **protocol,
        "profile": "level0",
        **dimensions,
        **limits,
    }
