"""An export that is whole passes; broken in any way it is found, named, and ends with 1."""

import json
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from console.__main__ import cli
from console.serve import make_server
from console.verify.findings import MAX_TOLD
from pipeline.geometry import Pyramid
from pipeline.task import Options
from tests.builders import a_message, failed
from tests.images import textured
from tests.published import BASE_URL, COLLECTION, PAGES, PREFIX, publish_export

TILES = f"{PREFIX}/tiles"
MAP = f"{TILES}/map-1"
FIRST, SECOND = (f"{MAP}/{x},0,256,256/256,256/0/default.jpg" for x in (0, 256))
FILES = sum(len(Pyramid(*size, 256).paths) for sizes in PAGES.values() for size in sizes)


def verify(target: object, *options: str) -> Result:
    """Run the command, wide enough that no line is cut."""
    if "--sample" not in options:
        options = (*options, "--sample", "5")
    result = CliRunner().invoke(cli, ["verify", str(target), *options], env={"COLUMNS": "1000"})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result


def errors(result: Result) -> list[str]:
    """Return the lines of a report that are no counts and no notes."""
    lines = result.stdout.splitlines()
    return [line.strip() for line in lines if ": " in line and not line.startswith("  note")]


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pristine")
    publish_export(tmp_path_factory.mktemp("source"), folder.as_uri())
    return folder


@pytest.fixture
def export(pristine: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pristine, tmp_path / "export"))


def edit(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a document."""
    document = json.loads(file.read_bytes())
    change(document)
    file.write_text(json.dumps(document))


def assert_found(result: Result, *words: str) -> None:
    """Assert that one finding alone, with these words, is an error."""
    assert result.exit_code == 1, result.output
    (line,) = errors(result)
    assert all(word in line for word in words), line


# What is right


def test_a_whole_export_passes_without_a_note(pristine: Path) -> None:
    result = verify(pristine, "--sample", "1000")
    assert result.exit_code == 0, result.output
    assert "All is there and right" in result.output
    assert "note" not in result.output
    assert f"{FILES} there, the size of {FILES} read" in result.output
    assert f"{FILES} decoded" in result.output
    for name, count in {"collections": 1, "manifests": 2, "images": 3}.items():
        assert f"  {name:<12}{count}\n" in result.output


def test_an_export_with_a_page_that_failed_passes_and_the_gap_is_named(
    tmp_path: Path, source: Path
) -> None:
    missing = a_message(item="map", page=2)
    publish_export(source, tmp_path.as_uri(), also=[failed(missing)])
    result = verify(tmp_path, "--sample", "1000")
    assert result.exit_code == 0, result.output
    assert "All that is named is there and right" in result.output
    assert "note" not in result.output
    assert "  gaps        1\n" in result.output
    assert "map/manifest.json: canvas 2 shows no image" in result.output


def test_an_export_of_image_api_2_passes_without_a_note(tmp_path: Path, source: Path) -> None:
    publish_export(source, tmp_path.as_uri(), options=Options(tile_size=256, image_api=2))
    result = verify(tmp_path, "--sample", "1000")
    assert result.exit_code == 0, result.output
    assert "note" not in result.output


def test_a_capped_image_passes_without_a_note(tmp_path: Path, source: Path) -> None:
    (dest := tmp_path / "dest").mkdir()
    publish_export(source, dest.as_uri(), options=Options(tile_size=256, max_size=1024))
    assert "maxWidth" in (dest / MAP / "info.json").read_text()
    result = verify(dest)
    assert result.exit_code == 0, result.output
    assert "note" not in result.output


@pytest.mark.parametrize(
    ("target", "images"),
    [
        ("..", 3),
        (PREFIX, 3),
        (COLLECTION, 3),
        (f"{PREFIX}/map/manifest.json", 1),
        (f"{MAP}/info.json", 1),
        (MAP, 1),
    ],
)
def test_it_may_be_pointed_at_any_document_or_folder(
    export: Path, target: str, images: int
) -> None:
    result = verify(export / target)
    assert result.exit_code == 0, result.output
    assert f"  images      {images}\n" in result.output


@pytest.mark.parametrize("depth", [0, 1])
def test_without_a_collection_every_manifest_and_image_is_looked_at(
    export: Path, depth: int
) -> None:
    (export / COLLECTION).unlink()
    if depth:
        shutil.rmtree(export / PREFIX / "map")
    result = verify(export)
    assert result.exit_code == 0, result.output
    assert "  images      3\n" in result.output


def test_several_collections_are_all_walked(export: Path, pristine: Path) -> None:
    shutil.copytree(pristine / "iiif", export / "second/iiif")
    result = verify(export)
    assert result.exit_code == 0, result.output
    assert "  collections 2\n" in result.output
    assert "  images      6\n" in result.output


def test_sub_collections_are_walked(export: Path) -> None:
    inner = export / PREFIX / "collection-1.json"
    shutil.copy(export / COLLECTION, inner)
    url = f"{BASE_URL}/{PREFIX}/collection-1.json"
    edit(inner, lambda document: document.update(id=url))
    entry = {"id": url, "type": "Collection", "label": {"none": ["1"]}}
    edit(export / COLLECTION, lambda document: document.update(items=[entry]))
    result = verify(export / COLLECTION)
    assert result.exit_code == 0, result.output
    assert "  collections 2\n" in result.output
    assert "  images      3\n" in result.output


def test_the_receipts_do_not_matter(export: Path) -> None:
    for receipt in export.rglob("tilepool.json"):
        receipt.write_bytes(b"{")
    assert verify(export).exit_code == 0


# What is wrong with files


def test_a_missing_tile_is_named(export: Path) -> None:
    (export / FIRST).unlink()
    assert_found(verify(export), "missing", MAP, "0,0,256,256/256,256/0/default.jpg")


def test_missing_files_are_counted_and_the_first_named(export: Path) -> None:
    tiles = [tile.path for tile in Pyramid(1300, 900, 256).tiles()]
    for path in tiles:
        (export / MAP / path).unlink()
    result = verify(export)
    assert_found(result, "missing", f"and {len(tiles) - 3} more")
    assert f"{len(tiles)} errors found" in result.output


def test_what_only_some_viewers_ask_for_is_a_note(export: Path) -> None:
    (export / MAP / "full/90,/0/default.jpg").unlink()
    (export / MAP / "0,0,1300,900/163,113/0/default.jpg").unlink()
    result = verify(export)
    assert result.exit_code == 0, result.output
    assert "Universal Viewer asks for" in result.output
    assert "Leaflet-IIIF and Allmaps ask for" in result.output


def test_swapped_tiles_are_found_by_the_sample_with_where_they_belong(export: Path) -> None:
    first, second = (export / FIRST).read_bytes(), (export / SECOND).read_bytes()
    (export / FIRST).write_bytes(second)
    (export / SECOND).write_bytes(first)
    assert verify(export, "--sample", "0").exit_code == 0
    result = verify(export, "--sample", "1000")
    assert result.exit_code == 1
    found = errors(result)
    assert len(found) == 2, result.output
    assert "wrong place" in found[0] and "would fit at 256,0,256,256" in found[0]  # noqa: PT018
    assert "would fit at 0,0,256,256" in found[1]


def test_a_tile_of_another_image_is_found_by_the_sample(export: Path) -> None:
    Image.new("RGB", (256, 256), "red").save(export / FIRST)
    assert_found(verify(export, "--sample", "1000"), "wrong place", FIRST)


def test_a_sample_is_the_same_each_time_and_another_with_another_seed(export: Path) -> None:
    Image.new("RGB", (256, 256), "red").save(export / FIRST)
    half = ["--sample", str(FILES // 4), "--seed"]
    codes = [[verify(export, *half, str(seed)).exit_code for seed in range(8)] for _ in range(2)]
    assert codes[0] == codes[1]
    assert set(codes[0]) == {0, 1}


def test_a_resized_tile_is_named_with_both_sizes(export: Path) -> None:
    Image.open(export / FIRST).resize((255, 256)).save(export / FIRST)
    assert_found(verify(export, "--sample", "0"), "wrong size", FIRST, "255 × 256", "256 × 256")


def test_a_truncated_file_is_found_without_a_sample(export: Path) -> None:
    content = (export / FIRST).read_bytes()
    (export / FIRST).write_bytes(content[: len(content) // 2])
    assert_found(verify(export, "--sample", "0"), "damaged", FIRST, "truncated")


def test_what_follows_the_end_of_a_jpeg_is_forgiven(export: Path) -> None:
    with (export / FIRST).open("ab") as file:
        file.write(b"\0" * 7)
    assert verify(export, "--sample", "0").exit_code == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "0 bytes"),
        (b"<html>not found</html>", "not a JPEG"),
        (b"\xff", "not a JPEG"),
        (b"\xff\xd8", "ends within its header"),
        (b"\xff\xd8\xff\xd9", "ends within its header"),
        (b"\xff\xd8" + b"\0" * 100, "damaged"),
    ],
)
def test_what_is_no_jpeg_is_found_without_a_sample(
    export: Path, content: bytes, words: str
) -> None:
    (export / FIRST).write_bytes(content)
    assert_found(verify(export, "--sample", "0"), "damaged", FIRST, words)


def test_a_size_far_behind_profiles_and_previews_is_read(export: Path) -> None:
    content = (export / FIRST).read_bytes()
    comment = b"\xff\xfe\xea\x60" + b"x" * 59_998
    (export / FIRST).write_bytes(content[:2] + comment + content[2:])
    assert verify(export).exit_code == 0


# What is wrong with documents


def test_a_missing_info_json_is_named_with_who_names_it(export: Path) -> None:
    (export / MAP / "info.json").unlink()
    assert_found(verify(export), "missing", f"{MAP}/info.json", "map/manifest.json")


def test_a_dangling_manifest_is_named_with_its_entry(export: Path) -> None:
    (export / PREFIX / "map/manifest.json").unlink()
    assert_found(verify(export), "missing", "map/manifest.json", "collection.json, entry 1")


@pytest.mark.parametrize("name", [f"{MAP}/info.json", f"{PREFIX}/map/manifest.json"])
def test_an_id_that_is_not_the_url_it_is_fetched_from(export: Path, name: str) -> None:
    edit(export / name, lambda document: document.update(id="https://elsewhere.example/x"))
    assert_found(verify(export), name, "its id is https://elsewhere.example/x, but it is fetched")


def test_an_address_that_only_the_collection_has(export: Path) -> None:
    moved = f"https://moved.example.org/{COLLECTION}"
    edit(export / COLLECTION, lambda document: document.update(id=moved))
    result = verify(export)
    assert result.exit_code == 1
    assert "is not below https://moved.example.org/" in result.output


def canvas_of(manifest: dict[str, Any]) -> dict[str, Any]:
    canvas: dict[str, Any] = manifest["items"][0]
    return canvas


def test_a_canvas_of_another_shape_than_its_image(export: Path) -> None:
    edit(
        export / PREFIX / "map/manifest.json",
        lambda document: canvas_of(document).update(width=900, height=1300),
    )
    assert_found(verify(export), "wrong size", "is 1300 × 900", "canvas 1 is 900 × 1300")


def test_a_canvas_of_the_same_shape_and_another_size_is_a_note(export: Path) -> None:
    edit(
        export / PREFIX / "map/manifest.json",
        lambda document: canvas_of(document).update(width=2600, height=1800),
    )
    result = verify(export)
    assert result.exit_code == 0, result.output
    assert "another size" in result.output


def test_an_image_of_another_size_than_the_manifest_says(export: Path) -> None:
    def change(document: dict[str, Any]) -> None:
        canvas_of(document)["items"][0]["items"][0]["body"]["width"] = 1301

    edit(export / PREFIX / "map/manifest.json", change)
    assert_found(verify(export), "wrong size", "canvas 1's image", "1301 × 900", "1300 × 900")


def test_a_manifest_that_names_an_image_that_is_not_there(export: Path) -> None:
    thumbnail = f"{BASE_URL}/{PREFIX}/thumbs/none.jpg"
    edit(
        export / PREFIX / "map/manifest.json",
        lambda document: document["thumbnail"].append({"id": thumbnail, "type": "Image"}),
    )
    assert_found(verify(export), "missing", "thumbs/none.jpg", "its thumbnail")


def test_sizes_that_only_the_manifest_lists_are_looked_for(export: Path) -> None:
    def change(document: dict[str, Any]) -> None:
        service = canvas_of(document)["items"][0]["items"][0]["body"]["service"][0]
        service["sizes"].append({"width": 400, "height": 277})

    edit(export / PREFIX / "map/manifest.json", change)
    assert_found(verify(export), "missing", "full/400,277/0/default.jpg")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"\xff\xfe\xff", "is not JSON"),
        (b'{"width": NaN}', "NaN"),
        (b"[" * 200_000, "nested too deep"),
        (b"[]", "not an object"),
        (b"{}", ""),
        (b'{"@type": "sc:Manifest", "@id": "https://x.org/m"}', "Presentation API 2"),
        (b'{"type": ["Manifest"], "id": 3, "items": {"items": 5}}', ""),
    ],
)
@pytest.mark.parametrize("name", [COLLECTION, f"{PREFIX}/map/manifest.json", f"{MAP}/info.json"])
def test_a_malformed_document_is_named(export: Path, name: str, content: bytes, words: str) -> None:
    (export / name).write_bytes(content)
    result = verify(export / name if name == COLLECTION else export)
    assert result.exit_code == 1
    told = [line for line in errors(result) if name in line]
    if name.endswith("info.json") and words.startswith("Presentation"):
        words = "neither that of Image API 3 nor that of 2"
    assert any(words in line for line in told), result.output


def test_collections_within_each_other_are_an_error_and_not_endless(export: Path) -> None:
    inner = export / PREFIX / "inner.json"
    urls = [f"{BASE_URL}/{COLLECTION}", f"{BASE_URL}/{PREFIX}/inner.json"]
    shutil.copy(export / COLLECTION, inner)
    for file, own, other in zip((export / COLLECTION, inner), urls, urls[::-1], strict=True):
        edit(file, partial(dict.update, id=own, items=[{"id": other, "type": "Collection"}]))
    assert_found(verify(export / COLLECTION), "inner.json", "which contains it")


@pytest.mark.parametrize(
    "escape", ["../../../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "a\0b", "a//b", "\ud800"]
)
def test_documents_do_not_lead_out_of_the_folder(export: Path, escape: str) -> None:
    entry = {"id": f"{BASE_URL}/{escape}", "type": "Manifest"}
    edit(export / COLLECTION, lambda document: document.update(items=[entry]))
    result = verify(export)
    assert result.exit_code == 1
    assert len(errors(result)) == 1, result.output


def test_names_do_not_steer_the_terminal(export: Path) -> None:
    entry = {"id": f"{BASE_URL}/%1b%5b2J", "type": "Manifest"}
    edit(export / COLLECTION, lambda document: document.update(items=[entry]))
    result = verify(export)
    assert result.exit_code == 1
    assert "\x1b" not in result.output


def test_only_the_first_errors_are_told_and_all_counted(export: Path) -> None:
    urls = [f"{BASE_URL}/{PREFIX}/{number}/manifest.json" for number in range(1000)]
    entries = [{"id": url, "type": "Manifest"} for url in urls]
    edit(export / COLLECTION, lambda document: document.update(items=entries))
    result = verify(export)
    assert "1,000 errors found" in result.output
    assert len(errors(result)) == MAX_TOLD
    assert f"… and {1000 - MAX_TOLD} more" in result.output


# Exports of other tools


@pytest.mark.parametrize("layout", ["iiif3", "iiif"])
def test_what_libvips_writes_by_itself_lacks_the_full_image(tmp_path: Path, layout: str) -> None:
    textured(1300, 900).dzsave(
        str(tmp_path / "scan"), layout=layout, tile_size=256, id="https://x.org/iiif"
    )
    result = verify(tmp_path)
    full = "full/max" if layout == "iiif3" else "full/full"
    assert_found(result, "missing", "scan", full)
    assert "names no sizes" in result.output
    assert "Leaflet-IIIF" in result.output


@pytest.mark.parametrize(
    ("tiles", "words"),
    [
        ([{"width": 256, "scaleFactors": [1, 3]}], "powers of two"),
        ([{"width": 256, "scaleFactors": [1, 8]}], "powers of two"),
        ([{"width": 256, "scaleFactors": []}], "without a usable width"),
        ([{"width": 0, "scaleFactors": [1]}], "without a usable width"),
        ([{"width": 16, "scaleFactors": [1]}], "missing"),
        ("no list", "names no tiles"),
        ([[], None, 7], "without a usable width"),
    ],
)
def test_odd_pyramids_are_told_in_words(export: Path, tiles: object, words: str) -> None:
    edit(export / MAP / "info.json", lambda document: document.update(tiles=tiles))
    assert words in verify(export).output


def test_a_promise_of_endless_tiles_is_not_looked_for(export: Path) -> None:
    edit(
        export / MAP / "info.json",
        lambda document: document.update(
            width=90_000_000, height=90_000_000, tiles=[{"width": 1, "scaleFactors": [1]}]
        ),
    )
    result = verify(export)
    assert "8,100,000,000,000,000 tiles; not looked for" in result.output


def test_tiles_that_are_no_squares_are_looked_for(export: Path) -> None:
    grid = {"width": 256, "height": 128, "scaleFactors": [1, 2, 4, 8]}
    edit(export / MAP / "info.json", lambda document: document.update(tiles=[grid]))
    result = verify(export)
    assert_found(result, "missing", "0,0,1024,512/256,128/0/default.jpg")
    assert "of names that nobody asks for" in result.output


# Other places


@pytest.fixture
def served(tmp_path: Path, source: Path) -> Iterator[tuple[str, Path]]:
    """Address and folder of an export that is served there."""
    (dest := tmp_path / "served").mkdir()
    with make_server(dest, 0) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        publish_export(source, dest.as_uri(), url)
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield url, dest
        server.shutdown()
        thread.join()


def test_an_export_on_the_web_is_asked_as_viewers_ask(served: tuple[str, Path]) -> None:
    url, dest = served
    result = verify(f"{url}/{COLLECTION}", "--sample", "1000")
    assert result.exit_code == 0, result.output
    assert f"{FILES} there, the size of {FILES} read" in result.output
    assert f"{FILES} decoded" in result.output
    assert "note" not in result.output
    (dest / FIRST).unlink()
    (dest / SECOND).write_bytes(b"")
    result = verify(f"{url}/{COLLECTION}")
    assert result.exit_code == 1
    missing, empty = sorted(errors(result), reverse=True)
    assert "missing" in missing and "0,0,256,256/256,256" in missing  # noqa: PT018
    assert "damaged" in empty and "0 bytes" in empty  # noqa: PT018


def test_an_export_served_at_another_address_is_found_out(
    served: tuple[str, Path], tmp_path: Path, source: Path
) -> None:
    url, dest = served
    publish_export(source, dest.as_uri(), "http://127.0.0.1:1")
    result = verify(f"{url}/{MAP}/info.json")
    assert_found(result, f"its id is http://127.0.0.1:1/{MAP}, but it is fetched from {url}/{MAP}")


def test_an_export_in_a_bucket_passes_and_is_found_out(bucket: str, s3: Any, source: Path) -> None:
    publish_export(source, f"s3://{bucket}")
    for target in (f"s3://{bucket}", f"s3://{bucket}/iiif/", f"s3://{bucket}/{COLLECTION}"):
        result = verify(target)
        assert result.exit_code == 0, result.output
        assert f"{FILES} there" in result.output
        assert f"the size of {FILES} read" not in result.output
    every = verify(f"s3://{bucket}", "--every-header")
    assert f"{FILES} there, the size of {FILES} read" in every.output
    s3.delete_object(Bucket=bucket, Key=FIRST)
    s3.put_object(Bucket=bucket, Key=SECOND, Body=b"")
    result = verify(f"s3://{bucket}")
    assert result.exit_code == 1
    assert len(errors(result)) == 2, result.output


@pytest.mark.parametrize(
    "target", ["nowhere", "ftp://x.org/collection.json", "s3://", "file:///etc", ""]
)
def test_a_target_that_is_none_is_a_usage_error(target: str) -> None:
    result = verify(target)
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "expected a folder or file that is there" in result.stderr


def test_a_folder_without_documents_is_an_error(tmp_path: Path) -> None:
    result = verify(tmp_path)
    assert result.exit_code == 1
    assert "no collection, manifest or info.json" in result.stderr


def test_a_bucket_that_is_not_there_is_an_error(s3: object) -> None:
    result = verify("s3://no-such-bucket-anywhere/iiif")
    assert result.exit_code == 1
    assert "no such bucket" in result.stderr
