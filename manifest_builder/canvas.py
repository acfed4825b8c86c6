"""A page's canvas: with its image, or without one where the page has failed. Pure.

https://iiif.io/api/presentation/3.0/#53-canvas
"""

from typing import Any

from iiif_prezi3 import Annotation, AnnotationBody, AnnotationPage, Canvas, ServiceV3

from manifest_builder.document import LanguageMap
from pipeline.geometry import IMAGE_API, SUFFIX, Size
from pipeline.layout import Layout
from pipeline.run import Page, TiledPage
from pipeline.task import Options


def gap_canvas(layout: Layout, page: Page, size: Size, name: LanguageMap) -> Canvas:
    """Return the canvas of a page that has no image: in its place, of the size that is given."""
    return Canvas(
        id=layout.canvas_url(*page.message.place),
        label=name,
        width=size.width,
        height=size.height,
        items=[],
    )


class ImageCanvas:
    """One tiled page's parts of a manifest."""

    def __init__(self, layout: Layout, options: Options, page: Page) -> None:
        assert page.tiled is not None  # noqa: S101  # a page that is done has this
        self._tiled: TiledPage = page.tiled
        self._pyramid = options.pyramid(page.tiled.width, page.tiled.height)
        self._service_url = layout.url(layout.service(*page.message.place))
        self._service = self._build_service()
        self.url = layout.canvas_url(*page.message.place)

    @property
    def size(self) -> Size:
        """Return the size of the canvas."""
        return Size(self._tiled.width, self._tiled.height)

    def build(self, name: LanguageMap) -> Canvas:
        """Return the canvas, of that label."""
        body = self._body("max", self._pyramid.full)
        annotation = Annotation(
            id=f"{self.url}/image",
            motivation="painting",
            body=body,
            target=self.url,
        )
        return Canvas(
            id=self.url,
            label=name,
            width=self._tiled.width,
            height=self._tiled.height,
            thumbnail=[self.thumbnail],
            items=[AnnotationPage(id=f"{self.url}/page", items=[annotation])],
        )

    @property
    def thumbnail(self) -> AnnotationBody:
        """Return a small image of the page."""
        size = self._pyramid.thumbnail
        return self._body(str(size), size)

    def _body(self, name: str, size: Size) -> AnnotationBody:
        return AnnotationBody(
            id=f"{self._service_url}/full/{name}{SUFFIX}",
            type="Image",
            format="image/jpeg",
            width=size.width,
            height=size.height,
            service=[self._service],
        )

    def _build_service(self) -> ServiceV3 | dict[str, Any]:
        # Without width and height: Mirador then builds thumbnails from `sizes`, which exist.
        sizes = [{"width": size.width, "height": size.height} for size in self._tiled.sizes]
        if self._pyramid.image_api == IMAGE_API:
            return ServiceV3(
                id=self._service_url, type="ImageService3", profile="level0", sizes=sizes
            )
        return {
            "@id": self._service_url,
            "@type": "ImageService2",
            "profile": "http://iiif.io/api/image/2/level0.json",
            "sizes": sizes,
        }
