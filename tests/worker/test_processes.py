"""Tiling processes: errors pass through, and a page that kills its process costs only that."""

import os
import signal
import struct
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
import pyvips

from pipeline.errors import BadImage, TransientError
from pipeline.geometry import Pyramid
from pipeline.run import TiledPage
from tests.builders import a_message, a_plan
from tests.images import write_image, write_truncated
from worker.page import PageWork
from worker.processes import TilerProcesses

PATIENCE_SECONDS = 30


@pytest.fixture(scope="module")
def tiler() -> Iterator[TilerProcesses]:
    with TilerProcesses(processes=2, page_seconds=PATIENCE_SECONDS) as processes:
        yield processes


def work_for(source: Path, dest: Path, name: str = "p1.tif", page: int = 1) -> PageWork:
    return PageWork(a_message(key=name, page=page), a_plan(source, dest))


def write_slow(source: Path) -> None:
    """Write a p1.tif of 400 million pixels: small on disk, many seconds of work."""
    pyvips.Image.black(20_000, 20_000).write_to_file(str(source / "p1.tif"), compression="deflate")


def await_tiling(before: set[int]) -> int:
    """Wait until a new child works on a source; return its process id."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        for pid in children() - before:
            if any("/tilepool-" in file and file.endswith("/source") for file in open_files(pid)):
                return pid
        threading.Event().wait(0.02)
    raise AssertionError("no process took the page up")


def open_files(pid: int) -> list[str]:
    """Return the names of the files that a process has open; it closes some meanwhile."""
    names = []
    for link in Path(f"/proc/{pid}/fd").glob("*"):
        with suppress(FileNotFoundError):
            names.append(str(link.readlink()))
    return names


def children() -> set[int]:
    """Return the process ids of this process's children."""
    return {
        int(pid)
        for task in Path("/proc/self/task").iterdir()
        for pid in (task / "children").read_text().split()
    }


def test_a_page_is_tiled(tiler: TilerProcesses, source: Path, dest: Path) -> None:
    write_image(source / "p1.tif", 700, 500)
    tiled = tiler.tile(work_for(source, dest))
    assert isinstance(tiled, TiledPage)
    assert tiled.tiles == len(Pyramid(700, 500).paths)


def test_a_bad_image_says_so_across_the_process(
    tiler: TilerProcesses, source: Path, dest: Path
) -> None:
    write_truncated(source / "p1.jpg")
    with pytest.raises(BadImage, match="damaged"):
        tiler.tile(work_for(source, dest, "p1.jpg"))


def test_a_page_that_kills_its_process_costs_only_that(
    source: Path, dest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    write_slow(source)
    write_image(source / "p2.tif", 300, 200)
    before = children()
    with TilerProcesses(2, PATIENCE_SECONDS) as tiler, ThreadPoolExecutor() as threads:
        slow = threads.submit(tiler.tile, work_for(source, dest))
        os.kill(await_tiling(before), signal.SIGKILL)
        with pytest.raises(TransientError, match="died"):
            slow.result(PATIENCE_SECONDS)
        assert list(scratch.iterdir()) == []
        for page in range(3):
            assert tiler.tile(work_for(source, dest, "p2.tif", page)).width == 300


def test_a_page_that_wants_too_much_memory_costs_only_that(source: Path, dest: Path) -> None:
    width = height = 12_000
    header = struct.pack("<2sIHHI", b"BM", 0, 0, 0, 54)
    header += struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    with (source / "p1.bmp").open("wb") as file:
        file.write(header)
        file.truncate(54 + 3 * width * height)
    write_image(source / "p2.tif", 300, 200)
    with TilerProcesses(1, PATIENCE_SECONDS, memory_bytes=900_000_000) as tiler:
        with pytest.raises(TransientError, match="more than 900,000,000 bytes"):
            tiler.tile(work_for(source, dest, "p1.bmp"))
        assert tiler.tile(work_for(source, dest, "p2.tif", 2)).width == 300


def test_a_page_that_takes_too_long_is_stopped(source: Path, dest: Path) -> None:
    write_slow(source)
    with (
        TilerProcesses(1, page_seconds=1) as tiler,
        pytest.raises(TransientError, match="longer than 1 s"),
    ):
        tiler.tile(work_for(source, dest))


def test_a_stop_ends_a_page_that_is_under_way(source: Path, dest: Path) -> None:
    write_slow(source)
    before = children()
    tiler = TilerProcesses(1, PATIENCE_SECONDS)
    with ThreadPoolExecutor() as threads:
        slow = threads.submit(tiler.tile, work_for(source, dest))
        await_tiling(before)
        tiler.stop()
        with pytest.raises(TransientError):
            slow.result(PATIENCE_SECONDS)
    with pytest.raises(TransientError, match="stopping"):
        tiler.tile(work_for(source, dest))


def test_an_idle_process_that_dies_is_replaced(source: Path, dest: Path) -> None:
    write_image(source / "p2.tif", 300, 200)
    before = children()
    with TilerProcesses(1, PATIENCE_SECONDS) as tiler:
        tiler.tile(work_for(source, dest, "p2.tif"))
        for pid in children() - before:
            os.kill(pid, signal.SIGKILL)
        outcomes = []
        for _ in range(20):
            try:
                outcomes.append(tiler.tile(work_for(source, dest, "p2.tif")))
            except TransientError:
                continue
            break
        assert outcomes
