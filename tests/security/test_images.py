"""An image is pixels and nothing else: it opens no file, calls nobody and runs nothing."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.images import write_image
from tests.security.canary import canary
from tests.security.hostile import HOSTILE

TILE = """
import sys
from pathlib import Path
from pipeline.errors import PermanentError
from worker.confinement import confine
from worker.parts import count_parts
from worker.pixels import with_source
confine(4_000_000_000)
source, scratch = Path(sys.argv[1]), Path(sys.argv[2])
try:
    count_parts(source)
    pixels = with_source(source, scratch, lambda image: image.load().copy_memory())
    print("read", pixels.width, pixels.height)
except PermanentError as error:
    print("refused", error)
"""
LOADERS = """
import json
import sys
import pyvips
from worker.confinement import confine
confine(4_000_000_000)
names, library = [], pyvips.vips_lib
@pyvips.ffi.callback("VipsTypeMap2Fn")
def note(kind, *_):
    names.append(pyvips.nickname_find(kind))
    library.vips_type_map(kind, note, pyvips.ffi.NULL, pyvips.ffi.NULL)
    return pyvips.ffi.NULL
every = pyvips.type_from_name("VipsForeignLoad")
library.vips_type_map(every, note, pyvips.ffi.NULL, pyvips.ffi.NULL)
found = {}
for name in {*names, "magickload", "pdfload", "matload"}:
    if not name.endswith("load"):
        continue  # of memory, not of files; an abstract class
    try:
        pyvips.Operation.call(name, sys.executable, *([1, 1, 1] if name == "rawload" else []))
    except pyvips.Error as error:
        found[name] = str(error)
files = {}
for file in sys.argv[1:]:
    try:
        files[file] = pyvips.Image.new_from_file(file).width
    except pyvips.Error as error:
        files[file] = str(error)
print(json.dumps([found, files]))
"""
ALLOWED = {"tiffload", "jpegload", "pngload", "webpload", "gifload", "heifload"}


def run(code: str, *arguments: object) -> str:
    """Run code in a process that is bound as a tiling process is."""
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    ).stdout


def test_the_canary_sings(tmp_path: Path) -> None:
    with canary(tmp_path) as bird:
        assert not bird.was_opened()
        assert not bird.was_called()
        bird.file.read_bytes()
        with pytest.raises(OSError, match="timed out"):
            urllib.request.urlopen(bird.url, timeout=0.1)  # noqa: S310  # it is http
        assert bird.was_opened()
        assert bird.was_called()


@pytest.mark.parametrize("name", HOSTILE)
def test_an_image_opens_no_file_and_calls_nobody(name: str, tmp_path: Path) -> None:
    nest, scratch = tmp_path / "nest", tmp_path / "scratch"
    nest.mkdir()
    scratch.mkdir()
    with canary(nest) as bird:
        source = tmp_path / "source"
        source.write_bytes(HOSTILE[name](bird))
        verdict = run(TILE, source, scratch)
        assert not bird.was_opened()
        assert not bird.was_called()
    assert "SECRET" not in verdict
    assert verdict.startswith("refused" if name in {"svg", "magick"} else "read"), verdict
    assert sorted(tmp_path.iterdir()) == [nest, scratch, source]


def test_libvips_runs_no_loader_but_ours(tmp_path: Path) -> None:
    drawing = tmp_path / "drawing.svg"
    drawing.write_text('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
    table = tmp_path / "table.csv"
    table.write_text("1,2,3\n")
    scans = [write_image(tmp_path / f"scan.{kind}", 40, 30) for kind in ("tif", "jpg", "png")]
    raw = write_image(tmp_path / "scan.v", 40, 30)
    found, files = json.loads(run(LOADERS, drawing, table, raw, *scans))
    assert found.keys() >= {"svgload", "csvload", "vipsload", "matrixload", "rawload", *ALLOWED}
    for name, error in found.items():
        refused = "blocked" in error or "not found" in error
        assert refused == (name not in ALLOWED), (name, error)
    for file in (drawing, table, raw):
        assert isinstance(files[str(file)], str), file
    assert [files[str(scan)] for scan in scans] == [40, 40, 40]


def test_a_link_to_a_file_of_the_system_is_refused_without_a_word_of_it(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    link = tmp_path / "scan.tif"
    link.symlink_to("/etc/passwd")
    verdict = run(TILE, link, scratch)
    assert verdict.startswith("refused the file is text")
    assert "root" not in verdict
