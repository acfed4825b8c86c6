import math
import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice, product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.geometry import SUFFIX, Pyramid, Tile

REGION = r"(full|\d+,\d+,[1-9]\d*,[1-9]\d*)"
PATHS = {
    3: re.compile(rf"{REGION}/(max|[1-9]\d*,[1-9]\d*)/0/default\.jpg"),
    2: re.compile(rf"{REGION}/(full|max|[1-9]\d*,|[1-9]\d*,[1-9]\d*)/0/default\.jpg"),
}
CORNER_PATH_TWICE = Pyramid(1025, 3073, 512)
"""Its corner of one pixel has the same path at two scale factors."""


def sides(tile_size: int) -> st.SearchStrategy[int]:
    """Return lengths that are likely to go wrong."""
    doublings = st.integers(0, 4).map(lambda power: tile_size << power)
    return st.one_of(
        st.integers(1, 3),
        st.integers(1, 20 * tile_size),
        st.integers(1, 12).map(lambda count: count * tile_size),
        doublings,
        doublings.map(lambda side: side + 1),
        doublings.map(lambda side: max(1, side - 1)),
    )


@st.composite
def any_pyramid(draw: st.DrawFn) -> Pyramid:
    tile_size = draw(st.sampled_from([256, 512, 1024, 2048]) | st.integers(256, 2048))
    least = max(2048, 2 * tile_size)
    max_size = draw(st.sampled_from([least, 16_384, 65_500]) | st.integers(least, 65_500))
    width, height = draw(sides(tile_size)), draw(sides(tile_size))
    thin = st.tuples(st.integers(60_000, 200_000), st.integers(1, 40))
    if draw(st.integers(0, 9)) == 0:
        width, height = draw(thin | thin.map(lambda pair: (pair[1], pair[0])))
    image_api = draw(st.sampled_from([3, 2]))
    widths = draw(st.lists(st.integers(16, 2048), max_size=2).map(tuple))
    return Pyramid(width, height, tile_size, max_size, image_api, widths)


def levels(pyramid: Pyramid) -> Iterator[tuple[int, list[Tile]]]:
    """Yield each scale factor that has tiles, with them."""
    tiles = pyramid.tiles()
    for factor in pyramid.scale_factors[:-1]:
        step = pyramid.tile_size * factor
        count = math.ceil(pyramid.width / step) * math.ceil(pyramid.height / step)
        yield factor, list(islice(tiles, count))
    assert next(tiles, None) is None


def assert_partition(parts: list[tuple[int, int]], length: int) -> None:
    """Assert that (start, length) pairs follow each other without gap or overlap."""
    position = 0
    for start, part in sorted(parts):
        assert start == position
        assert part > 0
        position += part
    assert position == length


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 8))
def test_each_level_covers_every_pixel_exactly_once(
    width: int, height: int, tile_size: int
) -> None:
    for _, tiles in levels(Pyramid(width, height, tile_size)):
        covered = Counter(
            (tile.x + dx, tile.y + dy)
            for tile in tiles
            for dx, dy in product(range(tile.width), range(tile.height))
        )
        assert covered.keys() == set(product(range(width), range(height)))
        assert set(covered.values()) == {1}


@given(any_pyramid())
@example(CORNER_PATH_TWICE)
@example(Pyramid(100_000, 30))
@example(Pyramid(30, 100_000))
@example(Pyramid(1024, 2048))
@example(Pyramid(1, 513))
def test_the_tiles_of_a_level_are_rows_and_columns_without_gap_or_overlap(
    pyramid: Pyramid,
) -> None:
    for _, tiles in levels(pyramid):
        columns = {(tile.x, tile.width) for tile in tiles}
        rows = {(tile.y, tile.height) for tile in tiles}
        assert_partition(list(columns), pyramid.width)
        assert_partition(list(rows), pyramid.height)
        cells = Counter(((tile.x, tile.width), (tile.y, tile.height)) for tile in tiles)
        assert cells == Counter(product(columns, rows))


@given(any_pyramid())
@example(CORNER_PATH_TWICE)
@example(Pyramid(1536, 1024))
def test_tiles_are_delivered_at_sizes_rounded_up_and_never_beyond_the_tile_size(
    pyramid: Pyramid,
) -> None:
    for factor, tiles in levels(pyramid):
        for tile in tiles:
            assert tile.size == (math.ceil(tile.width / factor), math.ceil(tile.height / factor))
            assert min(tile.size) >= 1
            assert max(tile.size) <= pyramid.tile_size


@given(any_pyramid())
def test_scale_factors_are_powers_of_two_from_one_without_a_gap(pyramid: Pyramid) -> None:
    factors = pyramid.scale_factors
    assert factors == tuple(2**power for power in range(len(factors)))


@given(any_pyramid())
@example(Pyramid(512, 512))
@example(Pyramid(513, 512))
@example(Pyramid(1024, 1))
def test_the_smallest_level_is_the_first_that_fits_one_tile(pyramid: Pyramid) -> None:
    assert max(pyramid.smallest) <= pyramid.tile_size
    for factor in pyramid.scale_factors[:-1]:
        assert max(pyramid.width, pyramid.height) / factor > pyramid.tile_size


@given(any_pyramid())
@example(Pyramid(100_000, 30))
def test_sizes_ascend_and_are_levels_of_the_pyramid(pyramid: Pyramid) -> None:
    every_level = {pyramid.level(factor) for factor in pyramid.scale_factors}
    assert pyramid.sizes
    assert set(pyramid.sizes) <= every_level
    for smaller, larger in zip(pyramid.sizes, pyramid.sizes[1:], strict=False):
        assert smaller.width <= larger.width
        assert smaller.height <= larger.height
        assert smaller != larger


@given(any_pyramid())
def test_sizes_are_all_levels_or_another_count_than_the_scale_factors(pyramid: Pyramid) -> None:
    every_level = {pyramid.level(factor) for factor in pyramid.scale_factors}
    if len(pyramid.sizes) == len(pyramid.scale_factors):
        assert set(pyramid.sizes) == every_level
    assert pyramid.smallest in pyramid.sizes


@given(any_pyramid())
@example(Pyramid(200_000, 1))
@example(Pyramid(16_384, 16_385))
def test_full_is_within_its_limit_and_never_larger_than_the_image(pyramid: Pyramid) -> None:
    full = pyramid.full
    assert min(full) >= 1
    assert max(full) <= pyramid.max_size
    assert max(full) > pyramid.tile_size or full == (pyramid.width, pyramid.height)
    assert full.width <= pyramid.width
    assert full.height <= pyramid.height


@given(any_pyramid())
def test_full_is_the_largest_level_within_the_limit(pyramid: Pyramid) -> None:
    if max(pyramid.width, pyramid.height) <= pyramid.max_size:
        assert pyramid.full == (pyramid.width, pyramid.height)
    else:
        (factor,) = [f for f in pyramid.scale_factors if pyramid.level(f) == pyramid.full]
        assert max(pyramid.level(factor // 2)) > pyramid.max_size


@given(any_pyramid())
@example(Pyramid(30, 100_000))
def test_the_thumbnail_is_one_of_sizes_and_wide_enough_if_any_is(pyramid: Pyramid) -> None:
    assert pyramid.thumbnail in pyramid.sizes
    if any(size.width >= 200 for size in pyramid.sizes):
        assert pyramid.thumbnail.width >= 200


@given(any_pyramid())
@example(CORNER_PATH_TWICE)
@example(Pyramid(1, 1))
def test_every_path_is_of_the_form_that_its_version_knows(pyramid: Pyramid) -> None:
    thumbnails = {f"full/{width},{SUFFIX}" for width in (90, 200, *pyramid.thumbnail_widths)}
    for path in pyramid.paths - thumbnails:
        assert PATHS[pyramid.image_api].fullmatch(path)


@given(any_pyramid())
@example(CORNER_PATH_TWICE)
@example(Pyramid(1025, 2400, 512, image_api=2))
@example(Pyramid(5, 9000, 512, image_api=2))
@example(Pyramid(180, 90, 512, image_api=2))
def test_a_path_holds_one_image(pyramid: Pyramid) -> None:
    names = [*pyramid.tile_paths.values(), *pyramid.whole_images.values()]
    paths = [path for paths in names for path in paths]
    assert len(paths) == len(set(paths))
    assert set(paths) == pyramid.paths


@given(any_pyramid())
def test_no_whole_image_is_larger_than_the_image(pyramid: Pyramid) -> None:
    for size, paths in pyramid.whole_images.items():
        assert paths
        assert min(size) >= 1
        assert size.width <= pyramid.width
        assert size.height <= pyramid.height


@given(any_pyramid())
def test_a_file_of_the_whole_image_has_the_size_that_its_path_says(pyramid: Pyramid) -> None:
    for size, paths in pyramid.whole_images.items():
        for path in paths:
            asked = path.split("/")[1]
            if asked in {"max", "full"}:
                assert size == pyramid.full
            elif asked.endswith(","):
                assert f"{size.width}," == asked
            else:
                assert str(size) == asked


def ceil_div(length: int, s: int) -> int:
    return length // s + (length % s > 0)


def named(pyramid: Pyramid, region: str, w: int, h: int) -> str:
    return f"{region}/{w},{h}" if pyramid.image_api == 3 else f"{region}/{w},"


def spec_tiles(pyramid: Pyramid, s: int) -> Iterator[str]:
    """Yield the tiles of a level that has more than one."""
    width, height, t = pyramid.width, pyramid.height, pyramid.tile_size
    columns, rows = ceil_div(width, t * s), ceil_div(height, t * s)
    if columns * rows == 1:
        return
    for n, m in product(range(columns), range(rows)):
        x, y = n * t * s, m * t * s
        w, h = min(t * s, width - x), min(t * s, height - y)
        yield named(pyramid, f"{x},{y},{w},{h}", ceil_div(w, s), ceil_div(h, s))
        # Image API 2: a row as wide as the image.
        if pyramid.image_api == 2 and ceil_div(w, s) == width:
            yield from (f"{x},{y},{w},{h}/full", f"{x},{y},{w},{h}/max")


def spec_paths(pyramid: Pyramid) -> set[str]:
    """Return what a level 0 export must hold, rule by rule of the export's specification."""
    width, height, t = pyramid.width, pyramid.height, pyramid.tile_size
    s_max = 1
    while ceil_div(width, s_max) > t or ceil_div(height, s_max) > t:
        s_max *= 2
    levels = [
        (s, ceil_div(width, s), ceil_div(height, s))
        for s in (2**power for power in range(s_max.bit_length()))
    ]
    # 2: the tiles of every level.
    parts = {tile for s, _, _ in levels for tile in spec_tiles(pyramid, s)}
    # 3 and 6: the level of one tile, and its alias.
    for region in ("full", f"0,0,{width},{height}"):
        parts.add(named(pyramid, region, *levels[-1][1:]))
    # 4: the full image.
    parts |= {"full/max"} if pyramid.image_api == 3 else {"full/max", "full/full"}
    # 5: every entry of sizes: the levels of at most 2,048 pixels; `w,h` in both versions.
    listed = [(w, h) for _, w, h in levels if w <= 2048 and h <= 2048]
    parts |= {f"full/{w},{h}" for w, h in listed}
    parts |= {named(pyramid, "full", w, h) for w, h in listed}
    # 7: thumbnails, never wider than the image, nor than what full/max shows of it.
    allowed = max(side for _, *level in levels if (side := max(level)) <= pyramid.max_size)
    widest = width * allowed // max(width, height)
    parts |= {f"full/{w}," for w in (90, 200, *pyramid.thumbnail_widths) if w <= widest}
    return {f"{part}/0/default.jpg" for part in parts}


@given(any_pyramid())
@example(CORNER_PATH_TWICE)
@example(Pyramid(1, 1))
@example(Pyramid(512, 512))
@example(Pyramid(100_000, 30))
@example(Pyramid(30, 100_000))
@example(Pyramid(100, 60_000))
@example(Pyramid(16_385, 16_384))
@example(Pyramid(512, 5000, image_api=2))
@example(Pyramid(5, 9000, image_api=2))
def test_the_files_are_those_of_the_specification(pyramid: Pyramid) -> None:
    assert pyramid.paths == spec_paths(pyramid)


def test_a_corner_with_one_path_at_two_scale_factors_is_one_file() -> None:
    paths = [tile.path for tile in CORNER_PATH_TWICE.tiles()]
    assert paths.count(f"1024,3072,1,1/1,1{SUFFIX}") == 2
    assert len(set(paths)) == len(paths) - 1


@pytest.mark.parametrize(
    ("width", "height", "priced"),
    [(4000, 6000, 132), (10_000, 14_000, 755), (30_000, 26_000, 4064)],
)
def test_an_image_has_the_files_that_its_price_was_computed_from_and_three_aliases(
    width: int, height: int, priced: int
) -> None:
    aliases = {f"full/90,{SUFFIX}", f"full/200,{SUFFIX}"}
    pyramid = Pyramid(width, height, 512)
    aliases.add(f"0,0,{width},{height}/{pyramid.smallest}{SUFFIX}")
    assert aliases <= pyramid.paths
    assert len(pyramid.paths - aliases) == priced
