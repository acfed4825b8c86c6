"""A page's export: exactly the URL set, whole before it is visible, and not made twice."""

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import pyvips
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import BadImage, TransientError
from pipeline.geometry import Pyramid
from pipeline.layout import Layout
from pipeline.run import TiledPage
from pipeline.storage import MissingObject, Storage, open_storage
from pipeline.task import Options
from tests.builders import a_message, a_plan
from tests.exports import Export
from tests.images import textured, write_image, write_pages, write_truncated
from tests.steps import run_through
from worker.budget import MAX_SOURCE_BYTES
from worker.page import _publish_tiles, tile_page
from worker.receipt import Receipt
from worker.work import PageWork

SERVICE = "iiif/archive/Letters/tiles/book-1"
DOCUMENTS = {"info.json", "tilepool.json"}


def work_for(source: Path, dest: Path, name: str = "p1.tif", **plan: object) -> PageWork:
    etag = f'"{(source / name).stat().st_mtime_ns}"' if (source / name).exists() else ""
    message = a_message(key=name, etag=_listed_etag(source, name) or etag)
    return PageWork(message, a_plan(source, dest, **plan))


def _listed_etag(source: Path, name: str) -> str:
    return next(
        (found.etag for found in open_storage(source.as_uri()).objects("") if found.key == name),
        "",
    )


def publish(work: PageWork) -> TiledPage:
    with tempfile.TemporaryDirectory() as scratch:
        return run_through(tile_page(work, Path(scratch)))


def files_of(dest: Path, service: str = SERVICE) -> set[str]:
    root = dest / service
    return {file.relative_to(root).as_posix() for file in root.rglob("*") if file.is_file()}


def read_info(dest: Path) -> dict[str, object]:
    info: dict[str, object] = json.loads((dest / SERVICE / "info.json").read_bytes())
    return info


def test_a_file_is_as_large_as_it_is_now_whatever_its_message_says(
    source: Path, dest: Path
) -> None:
    (source / "p1.tif").touch()
    os.truncate(source / "p1.tif", MAX_SOURCE_BYTES + 1)  # takes no space
    work = work_for(source, dest)
    with pytest.raises(BadImage, match=r"has 25,000,000,001 bytes; .*; split it, or compress it"):
        publish(PageWork(replace(work.message, size=1), work.plan))
    write_image(source / "p1.tif", 300, 200)
    repaired = PageWork(replace(work.message, size=MAX_SOURCE_BYTES + 1), work.plan)
    assert publish(repaired).width == 300


def test_the_files_are_exactly_the_url_set_and_two_documents(source: Path, dest: Path) -> None:
    write_image(source / "p1.tif", 1300, 900)
    tiled = publish(work_for(source, dest))
    assert files_of(dest) == Pyramid(1300, 900).paths | DOCUMENTS
    assert (tiled.width, tiled.height) == (1300, 900)
    assert tiled.sizes == Pyramid(1300, 900).sizes
    assert tiled.tiles == len(Pyramid(1300, 900).paths)
    assert not tiled.reused


@given(width=st.integers(1, 900), height=st.integers(1, 900), tile_size=st.sampled_from([256, 300]))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_of_any_size(
    tmp_path_factory: pytest.TempPathFactory, width: int, height: int, tile_size: int
) -> None:
    source, dest = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dest")
    pyvips.Image.black(width, height).write_to_file(str(source / "p1.png"))
    publish(work_for(source, dest, "p1.png", options=Options(tile_size=tile_size)))
    assert files_of(dest) == Pyramid(width, height, tile_size).paths | DOCUMENTS


def test_every_file_has_the_size_its_name_says(source: Path, dest: Path) -> None:
    write_image(source / "p1.tif", 1300, 2100)
    publish(work_for(source, dest))
    for path in Pyramid(1300, 2100).paths:
        image = pyvips.Image.new_from_file(str(dest / SERVICE / path))
        region, size = path.split("/")[:2]
        if size == "max":
            assert (image.width, image.height) == (1300, 2100)
        elif size.endswith(","):
            assert image.width == int(size[:-1])
        else:
            assert f"{image.width},{image.height}" == size, region


@pytest.mark.parametrize("size", [(1300, 900), (256, 1500), (3, 2000), (2000, 3), (257, 800)])
def test_image_api_2_has_its_own_files_each_of_its_size(
    source: Path, dest: Path, size: tuple[int, int]
) -> None:
    pyvips.Image.black(*size).write_to_file(str(source / "p1.png"))
    work = work_for(source, dest, "p1.png", options=Options(tile_size=256, image_api=2))
    publish(work)
    assert files_of(dest) == Pyramid(*size, 256, image_api=2).paths | DOCUMENTS
    base_url = work.layout.base_url
    assert Export(dest, base_url).check_service(f"{base_url}/{SERVICE}")["width"] == size[0]


def test_tiles_show_the_right_place_of_the_image(source: Path, dest: Path) -> None:
    write_image(source / "p1.tif", 1300, 900)
    publish(work_for(source, dest, options=Options(quality=100)))
    whole = textured(1300, 900)
    for tile in Pyramid(1300, 900).tiles():
        expected = whole.crop(tile.x, tile.y, tile.width, tile.height).thumbnail_image(
            tile.size.width, height=tile.size.height, size="force"
        )
        shown = pyvips.Image.new_from_file(str(dest / SERVICE / tile.path))
        assert (expected - shown).abs().avg() < 8, tile


def test_images_carry_no_profile_and_no_orientation(source: Path, dest: Path) -> None:
    image = textured(900, 600).icc_transform("p3", input_profile="srgb").copy()
    image.set_type(pyvips.GValue.gint_type, "orientation", 6)
    image.write_to_file(str(source / "p1.jpg"))
    tiled = publish(work_for(source, dest, "p1.jpg"))
    assert (tiled.width, tiled.height) == (600, 900)
    for path in Pyramid(600, 900).paths:
        fields = pyvips.Image.new_from_file(str(dest / SERVICE / path)).get_fields()
        assert not {"icc-profile-data", "orientation", "exif-data"} & set(fields)


def test_info_json_says_where_it_is_and_what_there_is(source: Path, dest: Path) -> None:
    write_image(source / "p1.tif", 1300, 900)
    publish(work_for(source, dest))
    assert next(iter(read_info(dest))) == "@context"
    assert read_info(dest) == {
        "@context": "http://iiif.io/api/image/3/context.json",
        "id": f"https://images.example.org/{SERVICE}",
        "type": "ImageService3",
        "protocol": "http://iiif.io/api/image",
        "profile": "level0",
        "width": 1300,
        "height": 900,
        "sizes": [
            {"width": 325, "height": 225},
            {"width": 650, "height": 450},
            {"width": 1300, "height": 900},
        ],
        "tiles": [{"width": 512, "height": 512, "scaleFactors": [1, 2, 4]}],
    }


def test_full_max_of_a_giant_is_scaled_down_and_info_json_says_so(source: Path, dest: Path) -> None:
    write_image(source / "p1.png", 3000, 200)
    publish(work_for(source, dest, "p1.png", options=Options(max_size=2048)))
    info = read_info(dest)
    assert (info["maxWidth"], info["maxHeight"]) == (1500, 1500)
    full = pyvips.Image.new_from_file(str(dest / SERVICE / "full/max/0/default.jpg"))
    assert (full.width, full.height) == (1500, 100)


def test_an_unchanged_page_is_not_tiled_again(source: Path, dest: Path) -> None:
    write_image(source / "p1.tif")
    first = publish(work_for(source, dest))
    before = {file: file.stat().st_mtime_ns for file in dest.rglob("*") if file.is_file()}
    again = publish(work_for(source, dest))
    assert again.reused
    assert replace(again, reused=False, seconds=first.seconds) == first
    assert {file: file.stat().st_mtime_ns for file in dest.rglob("*") if file.is_file()} == before


def test_a_changed_source_is_tiled_again(source: Path, dest: Path) -> None:
    write_image(source / "p1.tif", 700, 500)
    publish(work_for(source, dest))
    write_image(source / "p1.tif", 300, 200, seed=2)
    tiled = publish(work_for(source, dest))
    assert not tiled.reused
    assert read_info(dest)["width"] == 300
    assert files_of(dest) >= Pyramid(300, 200).paths | DOCUMENTS


def test_other_options_tile_again(source: Path, dest: Path) -> None:
    write_image(source / "p1.tif")
    publish(work_for(source, dest))
    assert not publish(work_for(source, dest, options=Options(quality=60))).reused


def test_another_address_rewrites_info_json_alone(source: Path, dest: Path) -> None:
    write_image(source / "p1.tif")
    publish(work_for(source, dest))
    before = {file: file.stat().st_mtime_ns for file in dest.rglob("*.jpg")}
    moved = Layout("iiif/archive/Letters", "http://127.0.0.1:8000")
    assert publish(work_for(source, dest, layout=moved)).reused
    assert read_info(dest)["id"] == f"http://127.0.0.1:8000/{SERVICE}"
    assert {file: file.stat().st_mtime_ns for file in dest.rglob("*.jpg")} == before


@pytest.mark.parametrize("receipt", [b"", b"{}", b"[1]", b'{"etag": 1}', b"\xff"])
def test_a_damaged_receipt_means_tiling_again(source: Path, dest: Path, receipt: bytes) -> None:
    write_image(source / "p1.tif")
    publish(work_for(source, dest))
    (dest / SERVICE / "tilepool.json").write_bytes(receipt)
    assert not publish(work_for(source, dest)).reused


def test_a_bad_source_writes_nothing(source: Path, dest: Path) -> None:
    write_truncated(source / "p1.tif")
    with pytest.raises(BadImage):
        publish(work_for(source, dest))
    assert files_of(dest) == set()


def test_a_missing_source_is_permanent(source: Path, dest: Path) -> None:
    with pytest.raises(MissingObject, match=r"p1\.tif"):
        publish(work_for(source, dest))


def work_for_part(source: Path, dest: Path, part: int, name: str = "p1.tif") -> PageWork:
    work = work_for(source, dest, name)
    return replace(work, message=replace(work.message, part=part))


def test_every_image_of_a_source_has_a_service_of_its_own(source: Path, dest: Path) -> None:
    sizes = [(700, 500), (300, 900), (20, 30)]
    write_pages(source / "p1.tif", sizes)
    for part, (width, height) in enumerate(sizes, 1):
        tiled = publish(work_for_part(source, dest, part))
        assert (tiled.width, tiled.height) == (width, height)
        service = SERVICE if part == 1 else f"{SERVICE}.{part}"
        assert files_of(dest, service) == Pyramid(width, height).paths | DOCUMENTS


def test_pages_that_begin_like_a_pyramid_are_all_there(source: Path, dest: Path) -> None:
    sizes = [(160, 80), (80, 40), (40, 20), (20, 10), (90, 90)]
    write_pages(source / "p1.tif", sizes)
    tiled = [publish(work_for_part(source, dest, part)) for part in range(1, 6)]
    assert tiled[0].parts == 5
    assert [(page.width, page.height) for page in tiled] == sizes


def test_the_first_image_tells_how_many_there_are_also_when_nothing_is_read_again(
    source: Path, dest: Path
) -> None:
    write_pages(source / "p1.tif", [(70, 50)] * 3)
    works = [work_for_part(source, dest, part) for part in (1, 2, 3)]
    assert [publish(work).parts for work in works] == [3, 1, 1]
    (source / "p1.tif").unlink()
    again = [publish(work) for work in works]
    assert [tiled.parts for tiled in again] == [3, 1, 1]
    assert all(tiled.reused for tiled in again)


def test_another_address_does_not_forget_how_many_images_there_are(
    source: Path, dest: Path
) -> None:
    write_pages(source / "p1.tif", [(70, 50)] * 3)
    publish(work_for(source, dest))
    moved = Layout("iiif/archive/Letters", "http://127.0.0.1:8000")
    assert [publish(work_for(source, dest, layout=moved)).parts for _ in range(2)] == [3, 3]


def test_pages_of_a_pdf_are_drawn_as_the_options_say(source: Path, dest: Path) -> None:
    write_pages(source / "p1.pdf", [(72, 144), (144, 36)])
    work = work_for_part(source, dest, 2, "p1.pdf")
    tiled = publish(replace(work, plan=replace(work.plan, options=Options(pdf_dpi=100))))
    assert (tiled.width, tiled.height) == (200, 50)


@pytest.mark.parametrize("name", ["p1.tif", "p1.pdf", "p1.png"])
def test_an_image_that_is_not_in_the_source_any_more_fails_and_writes_nothing(
    source: Path, dest: Path, name: str
) -> None:
    if name == "p1.png":
        write_image(source / name)
    else:
        write_pages(source / name, [(70, 50), (70, 50)])
    with pytest.raises(BadImage, match=r"no page 3.* run the task again"):
        publish(work_for_part(source, dest, 3, name))
    assert not [file for file in dest.rglob("*") if file.is_file()]


@pytest.mark.parametrize("name", ["p1.tif", "p1.pdf"])
def test_a_source_of_too_many_images_is_refused(
    source: Path, dest: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.parts.MAX_PARTS", 3)
    write_pages(source / name, [(7, 5)] * 3)
    assert publish(work_for(source, dest, name)).parts == 3
    write_pages(source / name, [(7, 5)] * 4)
    with pytest.raises(BadImage, match="more than 3 pages; split it"):
        publish(work_for(source, dest, name))


class Torn(Storage):
    """A store whose network fails after some puts of tiles."""

    def __init__(self, storage: Storage, puts: int) -> None:
        super().__init__(storage._store)
        self._puts = puts

    def write_all(self, contents, content_type, max_age) -> int:  # type: ignore[no-untyped-def]
        def some() -> Iterator[tuple[str, bytes | Path]]:
            for number, entry in enumerate(contents):
                if number == self._puts:
                    raise TransientError("the network is gone")
                yield entry

        return super().write_all(some(), content_type, max_age)


@pytest.mark.parametrize("puts", [0, 1, 5])
def test_an_upload_cut_off_half_way_leaves_no_info_json(
    source: Path, dest: Path, puts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_image(source / "p1.tif", 700, 500)
    publish(work_for(source, dest))
    write_image(source / "p1.tif", 1200, 1200, seed=2)
    work = work_for(source, dest)
    with monkeypatch.context() as patch:
        patch.setattr("worker.page._open", lambda url: Torn(open_storage(url), puts))
        with pytest.raises(TransientError):
            publish(work)
    assert not files_of(dest) & DOCUMENTS
    again: TiledPage = publish(work)
    assert not again.reused
    assert files_of(dest) >= Pyramid(1200, 1200).paths | DOCUMENTS


class Watched(Storage):
    """A folder that tells what is deleted in it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(open_storage(folder.as_uri())._store)
        self.deleted: list[str] = []

    def delete(self, key: str) -> None:
        self.deleted.append(key)
        super().delete(key)

    def publish(self, work: PageWork) -> Receipt:
        """Do what a worker does that saw no receipt when it began."""
        with tempfile.TemporaryDirectory() as scratch:
            return run_through(_publish_tiles(work, self, Path(scratch)))


def test_a_first_tiling_deletes_nothing(source: Path, dest: Path) -> None:
    # A worker that was overtaken by another must not take away what that has published.
    write_image(source / "p1.tif")
    watched = Watched(dest)
    watched.publish(work_for(source, dest))
    assert watched.deleted == []


def test_a_worker_that_was_overtaken_leaves_what_the_other_has_published(
    source: Path, dest: Path
) -> None:
    write_image(source / "p1.tif")
    work = work_for(source, dest)
    publish(work)
    before = {file: file.stat().st_mtime_ns for file in dest.rglob("*.*")}
    watched = Watched(dest)
    receipt = watched.publish(work)
    assert receipt.covers(work.message.etag, work.plan.options)
    assert watched.deleted == []
    assert {file: file.stat().st_mtime_ns for file in dest.rglob("*.*")} == before


class Overtaken(Watched):
    """A folder where another worker publishes the page just after something was looked for."""

    def __init__(self, folder: Path, name: str, other: Callable[[], object]) -> None:
        super().__init__(folder)
        self._name = name
        self._other: Callable[[], object] | None = other

    def read(self, key: str, limit_bytes: int | None = None) -> bytes:
        try:
            return super().read(key, limit_bytes)
        finally:
            other = self._other
            if key.endswith(self._name) and other is not None:
                self._other = None
                other()


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_a_worker_takes_away_nothing_that_another_publishes_between_two_of_its_looks(
    source: Path, dest: Path, name: str
) -> None:
    write_image(source / "p1.tif")
    work = work_for(source, dest)
    overtaken = Overtaken(dest, name, lambda: publish(work))
    overtaken.publish(work)
    assert overtaken.deleted == []
    assert files_of(dest) >= DOCUMENTS


def test_an_info_json_that_is_gone_is_written_again_from_the_receipt(
    source: Path, dest: Path
) -> None:
    write_image(source / "p1.tif")
    work = work_for(source, dest)
    publish(work)
    info = (dest / SERVICE / "info.json").read_bytes()
    (dest / SERVICE / "info.json").unlink()
    assert publish(work).reused
    assert (dest / SERVICE / "info.json").read_bytes() == info


def test_what_was_published_of_another_source_goes_before_its_tiles_are_overwritten(
    source: Path, dest: Path
) -> None:
    write_image(source / "p1.tif", 300, 200)
    publish(work_for(source, dest))
    write_image(source / "p1.tif", 500, 400)
    watched = Watched(dest)
    watched.publish(work_for(source, dest))
    assert watched.deleted == [f"{SERVICE}/tilepool.json", f"{SERVICE}/info.json"]
    assert read_info(dest)["width"] == 500


def test_an_image_that_is_replaced_by_one_of_its_size_can_be_seen_throughout(
    source: Path, dest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_image(source / "p1.tif")
    publish(work_for(source, dest))
    before = files_of(dest)
    write_image(source / "p1.tif", seed=2)
    with monkeypatch.context() as patch:
        patch.setattr("worker.page._open", lambda url: Torn(open_storage(url), 1))
        with pytest.raises(TransientError):
            publish(work_for(source, dest))
    assert files_of(dest) == before - {"tilepool.json"}
    assert not publish(work_for(source, dest)).reused
    assert files_of(dest) == before
