"""Tiling processes: errors pass through, and a page that kills its process costs only that."""

import importlib
import os
import pickle
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from types import ModuleType

import pytest
import pyvips

from pipeline.errors import BadImage, TilepoolError, TransientError
from pipeline.geometry import Pyramid
from pipeline.run import TiledPage
from tests.builders import a_message, a_plan
from tests.images import write_image, write_truncated
from tests.pdfs import write_endless_pdf
from worker.confinement import OOM_SCORE
from worker.processes import NoProcess, TilingProcess
from worker.work import PageWork

PATIENCE_SECONDS = 60
MEMORY_BYTES = 900_000_000

POISON = '''
"""Stands for libraries at their worst; imported by tiling processes."""

import os
import time

from pipeline.run import TiledPage


class Stubborn(Exception):
    """Can be pickled, and not unpickled."""

    def __init__(self, one, two):
        super().__init__(one)


class Lambdas(Exception):
    """Cannot be pickled."""

    def __init__(self):
        super().__init__(lambda: None)


def tile(work, scratch):
    (scratch / "source").write_text("x")
    what = work.message.key
    if what == "stubborn":
        raise Stubborn(1, 2)
    if what == "lambdas":
        raise Lambdas
    if what == "leave":
        raise SystemExit(0)
    if what == "exit 3":
        os._exit(3)
    if what == "abort":
        os.abort()
    if what == "spin":
        while True:
            pass
    if what == "hold":
        file = (scratch / "source").open()
        time.sleep(600)
    if what == "allocate":
        grown = []
        while True:
            grown.append(bytearray(10_000_000))
    if what == "unpicklable":
        return lambda: None
    if what == "worn" and not hasattr(os, "worn"):
        os.worn = True
    elif what == "worn":
        raise MemoryError
    if what.startswith("turn"):
        yield
        _, seconds, folder = what.split(":")
        if not seconds:
            os._exit(3)
        os.mkdir(f"{folder}/inside")  # where another is, it raises
        time.sleep(float(seconds))
        os.rmdir(f"{folder}/inside")
        yield
    return TiledPage(width=7, height=5, sizes=(), tiles=1, seconds=os.getpid())
    yield
'''


@pytest.fixture(scope="module")
def tiler() -> Iterator[TilingProcess]:
    with closing(TilingProcess(PATIENCE_SECONDS)) as process:
        yield process


@pytest.fixture
def poison(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    (tmp_path / "poison_for_tiling.py").write_text(POISON, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "poison_for_tiling", raising=False)
    return importlib.import_module("poison_for_tiling")


@pytest.fixture
def poisoned(poison: ModuleType) -> Iterator[TilingProcess]:
    """A process that does what a message's key says."""
    with closing(TilingProcess(PATIENCE_SECONDS, MEMORY_BYTES, poison.tile)) as process:
        yield process


def work_for(source: Path, dest: Path, name: str = "p1.tif", page: int = 1) -> PageWork:
    return PageWork(a_message(key=name, page=page), a_plan(source, dest))


def play(key: str) -> PageWork:
    return work_for(Path("/"), Path("/"), key)


def write_slow(source: Path) -> None:
    """Write a p1.tif of 400 million pixels: small on disk, many seconds of work."""
    pyvips.Image.black(20_000, 20_000).write_to_file(str(source / "p1.tif"), compression="deflate")


def busy() -> set[int]:
    """Return the process ids of the children that have a source open."""
    return {
        pid
        for pid in children()
        if any("/tilepool-" in file and file.endswith("/source") for file in open_files(pid))
    }


def open_files(pid: int | str) -> list[str]:
    """Return the names of the files that a process has open; it closes some meanwhile."""
    names = []
    for link in Path(f"/proc/{pid}/fd").glob("*"):
        with suppress(FileNotFoundError):
            names.append(str(link.readlink()))
    return names


def children(parent: int | str = "self") -> set[int]:
    """Return the process ids of this process's children, and of theirs: all forks of the first."""
    found: set[int] = set()
    with suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{parent}/task").iterdir():
            found.update(int(pid) for pid in (task / "children").read_text().split())
    return found.union(*(children(pid) for pid in found))


def await_end(pid: int) -> None:
    """Wait until a process that is not ours is gone."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            if "(zombie)" in Path(f"/proc/{pid}/status").read_text():
                return
        except (FileNotFoundError, ProcessLookupError):
            return
        threading.Event().wait(0.02)
    raise AssertionError(f"process {pid} lives on")


def tile_in_background(
    threads: ThreadPoolExecutor, tiler: TilingProcess, work: PageWork
) -> tuple[Future[TiledPage], int]:
    """Start on a page, and return the id of the process that has taken it up."""
    before = busy()
    page = threads.submit(tiler.tile, work)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        for pid in busy() - before:
            return page, pid
        threading.Event().wait(0.02)
    raise AssertionError("no process took the page up")


def test_a_page_is_tiled(tiler: TilingProcess, source: Path, dest: Path) -> None:
    write_image(source / "p1.tif", 700, 500)
    tiled = tiler.tile(work_for(source, dest))
    assert isinstance(tiled, TiledPage)
    assert tiled.tiles == len(Pyramid(700, 500).paths)


def test_a_bad_image_says_so_across_the_process(
    tiler: TilingProcess, source: Path, dest: Path
) -> None:
    write_truncated(source / "p1.jpg")
    with pytest.raises(BadImage, match="damaged"):
        tiler.tile(work_for(source, dest, "p1.jpg"))


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGSEGV, signal.SIGBUS])
def test_a_page_that_kills_its_process_costs_only_that(
    poisoned: TilingProcess, poison: ModuleType, signum: signal.Signals
) -> None:
    with (
        closing(TilingProcess(PATIENCE_SECONDS, tile=poison.tile)) as neighbour,
        ThreadPoolExecutor() as threads,
    ):
        untouched = neighbour.tile(play("good")).seconds
        other, _ = tile_in_background(threads, neighbour, play("hold"))
        page, victim = tile_in_background(threads, poisoned, play("hold"))
        os.kill(victim, signum)
        with pytest.raises(TransientError, match=f"died.*exit code -{signum.value}"):
            page.result(PATIENCE_SECONDS)
        assert poisoned.tile(play("good")).seconds != victim
        assert not other.done()
        neighbour.revoke()
        with pytest.raises(TransientError):
            other.result(PATIENCE_SECONDS)
        assert untouched


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("exit 3", "died .exit code 3."),
        ("stubborn", "Stubborn: 1"),
        ("lambdas", "Lambdas: "),
        ("leave", "SystemExit: 0"),
        ("unpicklable", "exit code 1"),
    ],
)
def test_whatever_a_library_does_the_next_page_is_tiled(
    poisoned: TilingProcess, key: str, reason: str
) -> None:
    with pytest.raises(Exception, match=reason) as caught:
        poisoned.tile(play(key))
    assert not isinstance(caught.value, BadImage)
    assert poisoned.tile(play("good")).width == 7


@pytest.mark.parametrize("key", ["allocate", "abort"])
def test_a_page_that_a_fresh_process_has_no_memory_for_fails_at_once(
    poisoned: TilingProcess, key: str
) -> None:
    with pytest.raises(BadImage, match="more than 900,000,000 bytes of memory"):
        poisoned.tile(play(key))
    assert poisoned.tile(play("good")).width == 7


def test_a_page_that_a_worn_process_has_no_memory_for_gets_a_fresh_one(
    poisoned: TilingProcess,
) -> None:
    worn = poisoned.tile(play("worn")).seconds
    assert poisoned.tile(play("worn")).seconds != worn


def test_a_page_that_wants_too_much_memory_costs_only_that(source: Path, dest: Path) -> None:
    width = height = 12_000
    header = struct.pack("<2sIHHI", b"BM", 0, 0, 0, 54)
    header += struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    with (source / "p1.bmp").open("wb") as file:
        file.write(header)
        file.truncate(54 + 3 * width * height)
    write_image(source / "p2.tif", 300, 200)
    with closing(TilingProcess(PATIENCE_SECONDS, MEMORY_BYTES)) as tiler:
        with pytest.raises(BadImage, match="more than 900,000,000 bytes"):
            tiler.tile(work_for(source, dest, "p1.bmp"))
        assert tiler.tile(work_for(source, dest, "p2.tif", 2)).width == 300


@pytest.mark.parametrize(
    ("name", "options"),
    [("p1.jpg", {"interlace": True}), ("p1.png", {"interlace": True}), ("p1.webp", {})],
)
def test_an_image_that_libvips_gets_no_memory_for_is_not_called_damaged(
    source: Path, dest: Path, name: str, options: dict[str, bool]
) -> None:
    image = (pyvips.Image.black(12_000, 12_000, bands=3) + 77).cast("uchar")
    image.copy(interpretation="srgb").write_to_file(str(source / name), **options)
    with (
        closing(TilingProcess(PATIENCE_SECONDS, memory_bytes=500_000_000)) as tiler,
        pytest.raises(BadImage, match="more than 500,000,000 bytes of memory"),
    ):
        tiler.tile(work_for(source, dest, name))


@pytest.mark.parametrize("suffix", ["tif", "jpg", "png", "webp", "gif"])
def test_a_source_is_not_kept_open_when_its_page_is_through(
    tiler: TilingProcess, source: Path, dest: Path, suffix: str
) -> None:
    write_image(source / f"p1.{suffix}", 300, 200)
    tiler.tile(work_for(source, dest, f"p1.{suffix}"))
    held = [file for pid in children() for file in open_files(pid) if "/tilepool-" in file]
    assert held == []


def test_a_pdf_whose_form_draws_itself_fails_at_once(source: Path, dest: Path) -> None:
    write_endless_pdf(source / "p1.pdf")
    with (
        closing(TilingProcess(PATIENCE_SECONDS, MEMORY_BYTES)) as tiler,
        pytest.raises(BadImage, match="memory, or is damaged"),
    ):
        tiler.tile(work_for(source, dest, "p1.pdf"))


def test_a_page_that_takes_too_long_is_stopped(source: Path, dest: Path) -> None:
    write_slow(source)
    with (
        closing(TilingProcess(page_seconds=1)) as tiler,
        pytest.raises(TransientError, match="longer than 1 s"),
    ):
        tiler.tile(work_for(source, dest))


def test_a_page_that_turns_in_circles_is_stopped(poison: ModuleType) -> None:
    with closing(TilingProcess(page_seconds=1, tile=poison.tile)) as tiler:
        with pytest.raises(TransientError, match="longer than 1 s"):
            tiler.tile(play("spin"))
        assert tiler.tile(play("good")).width == 7


@contextmanager
def sharing_a_turn(poison: ModuleType, page_seconds: float) -> Iterator[list[TilingProcess]]:
    """Three processes that are up."""
    turn = threading.Lock()
    tilers = [TilingProcess(page_seconds, tile=poison.tile, turn=turn) for _ in range(3)]
    with ExitStack() as stack:
        for tiler in tilers:
            stack.enter_context(closing(tiler))
            tiler.prepare()
        yield tilers


def test_processes_of_one_turn_compute_one_after_another_and_waiting_is_not_their_time(
    poison: ModuleType, tmp_path: Path
) -> None:
    work = play(f"turn:1.2:{tmp_path}")
    with sharing_a_turn(poison, 2) as tilers, ThreadPoolExecutor() as threads:
        pages = [threads.submit(tiler.tile, work) for tiler in tilers]
        assert len({page.result(PATIENCE_SECONDS).seconds for page in pages}) == 3


def test_a_process_that_dies_in_its_turn_holds_up_nobody(
    poison: ModuleType, tmp_path: Path
) -> None:
    with sharing_a_turn(poison, PATIENCE_SECONDS) as tilers:
        with pytest.raises(TransientError, match="died"):
            tilers[0].tile(play("turn::"))
        assert tilers[1].tile(play(f"turn:0:{tmp_path}")).width == 7


def test_a_process_that_stands_still_is_replaced(poison: ModuleType) -> None:
    with closing(TilingProcess(page_seconds=2, tile=poison.tile)) as tiler:
        with ThreadPoolExecutor() as threads:
            page, pid = tile_in_background(threads, tiler, play("hold"))
            os.kill(pid, signal.SIGSTOP)
            with pytest.raises(TransientError, match="longer than 2 s"):
                page.result(PATIENCE_SECONDS)
        assert tiler.tile(play("good")).width == 7


@pytest.mark.parametrize("verb", ["stop", "revoke"])
def test_a_stop_ends_a_page_that_is_under_way_and_waits_until_it_is_gone(
    poisoned: TilingProcess, verb: str
) -> None:
    with ThreadPoolExecutor() as threads:
        page, pid = tile_in_background(threads, poisoned, play("hold"))
        getattr(poisoned, verb)()
        with pytest.raises(TransientError, match="stopped"):
            page.result(PATIENCE_SECONDS)
    assert not Path(f"/proc/{pid}").exists()
    with pytest.raises(TransientError, match="stopped"):
        poisoned.tile(play("good"))


def test_after_a_revoke_the_next_page_is_tiled(poisoned: TilingProcess) -> None:
    poisoned.revoke()
    poisoned.prepare()
    assert poisoned.tile(play("good")).width == 7


def test_after_a_stop_nothing_is_prepared(poisoned: TilingProcess) -> None:
    poisoned.stop()
    poisoned.prepare()
    with pytest.raises(TransientError, match="stopped"):
        poisoned.tile(play("good"))


@pytest.mark.parametrize("prepare", [False, True])
def test_an_idle_process_that_dies_costs_no_page(poisoned: TilingProcess, prepare: bool) -> None:
    for _ in range(3):
        os.kill(int(poisoned.tile(play("good")).seconds), signal.SIGKILL)
        if prepare:
            poisoned.prepare()
    assert poisoned.tile(play("good")).width == 7


def test_a_machine_on_which_no_process_starts_says_so() -> None:
    with (
        closing(TilingProcess(PATIENCE_SECONDS, memory_bytes=1)) as tiler,
        pytest.raises(NoProcess, match="no tiling process came up"),
    ):
        tiler.prepare()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_whole_session_leaves_the_page_to_the_worker(
    poisoned: TilingProcess, signum: signal.Signals
) -> None:
    with ThreadPoolExecutor() as threads:
        page, pid = tile_in_background(threads, poisoned, play("hold"))
        os.kill(pid, signum)
        threading.Event().wait(0.5)
        assert not page.done()
        poisoned.stop()
        with pytest.raises(TransientError):
            page.result(PATIENCE_SECONDS)


def test_the_system_takes_a_tiling_process_before_its_worker(poisoned: TilingProcess) -> None:
    pid = int(poisoned.tile(play("good")).seconds)
    assert int(Path(f"/proc/{pid}/oom_score_adj").read_text()) > int(OOM_SCORE.read_text())
    limits = Path(f"/proc/{pid}/limits").read_text()
    (core,) = [line for line in limits.splitlines() if line.startswith("Max core file size")]
    assert core.split()[4:6] == ["0", "0"]


WORKER = """
import pickle, sys
import poison_for_tiling
from worker.processes import TilingProcess

if __name__ == "__main__":
    TilingProcess(600, tile=poison_for_tiling.tile).tile(pickle.load(open(sys.argv[1], "rb")))
"""


@pytest.mark.usefixtures("poison")
def test_a_tiling_process_ends_with_its_worker(tmp_path: Path) -> None:
    script, work = tmp_path / "script.py", tmp_path / "work"
    script.write_text(WORKER)
    work.write_bytes(pickle.dumps(play("hold")))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(scratch)}
    with subprocess.Popen([sys.executable, script, work], env=environment) as worker:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (sources := list(scratch.rglob("source"))):
            assert time.monotonic() < deadline
            assert worker.poll() is None
            threading.Event().wait(0.02)
        holder = await_holder(sources[0])
        worker.kill()
        await_end(holder)


@pytest.mark.usefixtures("poison")
def test_a_scratch_folder_may_have_a_path_of_any_length(tmp_path: Path) -> None:
    script, work, scratch = tmp_path / "script.py", tmp_path / "work", tmp_path / ("x" * 120)
    script.write_text(WORKER)
    work.write_bytes(pickle.dumps(play("good")))
    scratch.mkdir()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(scratch)}
    subprocess.run([sys.executable, script, work], env=environment, check=True, timeout=60)


def await_holder(file: Path) -> int:
    """Return the id of the process that has a file open."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(PermissionError):
                if str(file) in open_files(folder.name):
                    return int(folder.name)
        threading.Event().wait(0.02)
    raise AssertionError(f"nobody has {file} open")


def test_a_long_life_with_many_crashes_leaves_nothing_behind(
    poison: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    with closing(TilingProcess(PATIENCE_SECONDS, MEMORY_BYTES, poison.tile)) as tiler:
        counts = []
        for key in ["exit 3", "abort"] * 8:
            with suppress(TilepoolError):
                tiler.tile(play(key))
            tiler.prepare()
            assert list(scratch.iterdir()) == []
            counts.append((len(open_files("self")), threading.active_count(), len(children())))
    assert max(counts[-4:]) <= max(counts[:4])
