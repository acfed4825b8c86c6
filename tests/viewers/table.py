"""All viewers that are modelled, and what each model was compared with."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.viewers import layers, openseadragon, thumbnails
from tests.viewers.service import Service


@dataclass(frozen=True, slots=True)
class Viewer:
    """A viewer: from a service, the paths below it that it asks for.

    `compared` names the releases whose own source was run over the same documents: its tiles were
    those of the model, its thumbnails were among them. `read` names those that were only read.
    """

    name: str
    requests: Callable[[Service], Iterator[str]]
    compared: tuple[str, ...] = ()
    read: tuple[str, ...] = ()
    versions: tuple[int, ...] = (3, 2)


VIEWERS = (
    Viewer("OpenSeadragon 2.4.0", openseadragon.V2_4_0.requests, ("2.4.0",), versions=(2,)),
    Viewer("OpenSeadragon 2.4.2", openseadragon.V2_4_2.requests, ("2.4.2",)),
    Viewer("OpenSeadragon 3", openseadragon.V3.requests, ("3.0.0", "3.1.0")),
    Viewer(
        "OpenSeadragon 4.1 and 5",
        openseadragon.V4_1.requests,
        ("4.1.0", "4.1.1", "5.0.0", "5.0.1"),
    ),
    Viewer("OpenSeadragon 6", openseadragon.V6.requests, ("6.0.1", "6.0.2", "6.1.0", "6.1.1")),
    Viewer("OpenLayers", layers.openlayers, ("10.11.0",)),
    Viewer("Leaflet-IIIF", layers.leaflet, ("3.0.0",)),
    Viewer("Allmaps", layers.allmaps, ("@allmaps/iiif-parser 1.0.0-beta.49",)),
    Viewer("Mirador, its thumbnails", thumbnails.listed_sizes, ("4.0.0",), ("3.4.3",)),
    Viewer("Clover, its thumbnails", thumbnails.listed_sizes, read=("3.3.8",)),
    Viewer(
        "Universal Viewer, its thumbnails",
        thumbnails.universal_viewer,
        ("manifesto.js 4.3.5",),
        ("4.4.0",),
    ),
    Viewer("Tify, its thumbnails and downloads", thumbnails.tify, read=("0.35.0",)),
)
