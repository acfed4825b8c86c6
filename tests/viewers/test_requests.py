"""Every file that a viewer asks for is there, and every file that is there is asked for."""

from collections import Counter
from collections.abc import Iterator
from itertools import product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.task import Options
from tests.viewers.service import Service, path, published
from tests.viewers.table import VIEWERS, Viewer

TILE_SIZES = (256, 512, 1024, 2048)
SIZES = [
    *[(1, 1), (1, 1000), (1000, 1), (2, 3), (3, 2), (89, 5), (90, 5), (199, 300), (200, 300)],
    *[(3073, 3073), (1025, 3073), (3000, 4500), (4096, 4096), (4097, 4096), (2049, 10)],
    *[(5, 9000), (9000, 5), (1, 9000), (9000, 1), (400, 5000), (5000, 400)],
    *[(60_000, 400), (400, 60_000), (17_000, 900), (900, 17_000)],
]


def sizes(tile_size: int) -> Iterator[tuple[int, int]]:
    """Yield sizes that are likely to go wrong, also by where they stand to the tile size."""
    yield from SIZES
    sides = [tile_size << power for power in range(4)]
    around = [side + offset for side in sides for offset in (-1, 0, 1)]
    yield from product(around[:6], around[:6])
    yield from ((side, side) for side in around[6:])
    yield from ((tile_size - tile_size // 3, side) for side in around)
    yield from ((side, tile_size - tile_size // 3) for side in around)
    yield from ((tile_size, 9 * tile_size + 7), (9 * tile_size + 7, tile_size))


def every_service() -> Iterator[tuple[Service, frozenset[str]]]:
    """Yield services of all sizes with all options, each with its files."""
    for tile_size, max_size, image_api, widths in product(
        TILE_SIZES, (2048, 16_384), (3, 2), ((), (64, 400, 2000))
    ):
        options = Options(
            tile_size=tile_size,
            max_size=max(max_size, 2 * tile_size),
            image_api=image_api,
            thumbnail_widths=widths,
        )
        for width, height in sizes(tile_size):
            yield published(width, height, options)


@pytest.fixture(scope="module")
def services() -> list[tuple[Service, frozenset[str]]]:
    return list(every_service())


@pytest.mark.parametrize("viewer", VIEWERS, ids=lambda viewer: viewer.name)
def test_a_viewer_misses_nothing(
    viewer: Viewer, services: list[tuple[Service, frozenset[str]]]
) -> None:
    asked, images, missed = 0, 0, Counter[tuple[Service, str]]()
    for service, files in services:
        if service.version in viewer.versions:
            requests = list(viewer.requests(service))
            missed.update((service, wanted) for wanted in requests if wanted not in files)
            asked, images = asked + len(requests), images + 1
    figures = f"{asked} requests to {images} images, {missed.total()} missed"
    print(f"{viewer.name}: {figures}")  # noqa: T201  # `pytest -s` shows the figures
    assert asked > images / 2
    assert not missed, missed.most_common(5)


@st.composite
def any_options(draw: st.DrawFn) -> Options:
    """Draw what concerns the files."""
    widths = st.lists(st.integers(16, 2048), max_size=3).map(tuple)
    tile_size = draw(st.sampled_from(TILE_SIZES) | st.integers(256, 2048))
    least = max(2048, 2 * tile_size)
    return Options(
        tile_size=tile_size,
        max_size=draw(st.sampled_from([least, 16_384, 65_500]) | st.integers(least, 65_500)),
        image_api=draw(st.sampled_from([3, 2])),
        thumbnail_widths=draw(widths),
    )


sides = st.integers(1, 3) | st.integers(1, 9000) | st.integers(1, 8).map(lambda n: 512 * n)


@given(sides, sides, any_options())
@example(512, 5000, Options(tile_size=512, max_size=2048))
@example(1024, 1024, Options(image_api=2))
@example(3, 2, Options(image_api=2))
@example(1, 5000, Options(image_api=2))
def test_no_viewer_misses_anything_of_any_image(width: int, height: int, options: Options) -> None:
    service, files = published(width, height, options)
    for viewer in VIEWERS:
        if service.version in viewer.versions:
            assert set(viewer.requests(service)) <= files, viewer.name


def promised(service: Service, widths: tuple[int, ...]) -> set[str]:
    """Return what is made whoever asks: the specification, a manifest's painting, the task.

    https://iiif.io/api/image/3.0/#47-format and https://iiif.io/api/image/2.1/#size
    """
    asked = {path("full", "max"), *(path("full", f"{width},") for width in widths)}
    return asked if service.version == 3 else {*asked, path("full", "full")}


@given(sides, sides, any_options())
@example(300, 200, Options(image_api=2))
@example(512, 5000, Options(image_api=2))
@example(1536, 1024, Options())
def test_every_file_is_asked_for_by_somebody(width: int, height: int, options: Options) -> None:
    service, files = published(width, height, options)
    asked = promised(service, options.thumbnail_widths)
    for viewer in VIEWERS:
        if service.version in viewer.versions:
            asked |= set(viewer.requests(service))
    assert files <= asked


@pytest.mark.parametrize("tile_size", TILE_SIZES)
@given(sides, sides)
def test_api_3_never_says_full_full(tile_size: int, width: int, height: int) -> None:
    _, files = published(width, height, Options(tile_size=tile_size))
    assert path("full", "full") not in files
