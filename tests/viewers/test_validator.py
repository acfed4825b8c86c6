"""The official validator of the Image API, at level 0, over what the worker made and we serve.

Its own process runs it: what it imports warns, and warnings are errors here.
https://github.com/IIIF/image-validator
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import files
from importlib.resources import as_file
from importlib.resources import files as resources
from pathlib import Path

import pytest
import pyvips

from console.serve import make_server
from pipeline.layout import Layout
from pipeline.task import Options
from tests.builders import a_message, a_plan
from tests.steps import run_through
from worker.page import tile_page
from worker.work import PageWork

PREFIX = "iiif/archive/Letters"
SQUARE_PX = 100
LEVEL_0_TESTS = {3: 5, 2: 4}
VERSIONS = {3: "3.0", 2: "2.0"}
COLOURS = """\
import json
from iiif_validator.validator import ValidationInfo
print(json.dumps(ValidationInfo().colorInfo))
"""


def run_python(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run Python where the validator finds its libmagic: the wheel's, or else the system's."""
    with as_file(resources("pylibmagic")) as folder:
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "LD_LIBRARY_PATH": str(folder)},
        )


@pytest.fixture(scope="module")
def reference() -> pyvips.Image:
    """The validator's reference image: ten by ten squares of the colours that it looks for."""
    found = run_python("-c", COLOURS)
    assert found.returncode == 0, found.stderr
    columns = json.loads(found.stdout.splitlines()[-1])
    squares = [
        pyvips.Image.black(SQUARE_PX, SQUARE_PX, bands=3).linear(1, columns[x][y])
        for y in range(10)
        for x in range(10)
    ]
    drawn = pyvips.Image.arrayjoin(squares, across=10)
    return drawn.cast("uchar").copy(interpretation="srgb")


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder; yield host and port."""
    with make_server(folder, 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def publish(source: Path, dest: Path, host: str, options: Options) -> None:
    """Tile the reference as the first page of the item `book`."""
    plan = a_plan(source, dest, options=options, layout=Layout(PREFIX, f"http://{host}"))
    scratch = source / "scratch"
    scratch.mkdir()
    run_through(tile_page(PageWork(a_message(key="p1.png"), plan), scratch))


def validate(host: str, image_api: int) -> subprocess.CompletedProcess[str]:
    """Run the command as its documentation says; it exits with the number of failures."""
    script = next(file for file in files("iiif-validator") or () if file.name == "iiif-validate.py")
    service = ["-s", host, "-p", f"{PREFIX}/tiles", "-i", "book-1"]
    version = f"--version={VERSIONS[image_api]}"
    return run_python(script.locate(), *service, version, "--level", 0, "-v")


@pytest.mark.parametrize("tile_size", [256, 1024])
@pytest.mark.parametrize("image_api", [3, 2])
def test_an_export_passes_level_0(
    reference: pyvips.Image, source: Path, dest: Path, image_api: int, tile_size: int
) -> None:
    reference.write_to_file(str(source / "p1.png"))
    with served(dest) as host:
        publish(source, dest, host, Options(tile_size=tile_size, image_api=image_api))
        done = validate(host, image_api)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Done ({LEVEL_0_TESTS[image_api]} tests, 0 failures)" in done.stderr


def test_the_validator_sees_what_is_wrong(
    reference: pyvips.Image, source: Path, dest: Path
) -> None:
    reference.flip("horizontal").write_to_file(str(source / "p1.png"))
    with served(dest) as host:
        publish(source, dest, host, Options())
        forbidden = dest / PREFIX / "tiles/book-1/full/full/0/default.jpg"
        forbidden.parent.mkdir(parents=True)
        forbidden.write_bytes((dest / PREFIX / "tiles/book-1/full/max/0/default.jpg").read_bytes())
        done = validate(host, 3)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "id_squares FAIL" in done.stderr
    assert "size_nofull FAIL" in done.stderr
