"""The demo's collection: drawn once, whole, and what the task says it is."""

import csv
import json
from pathlib import Path

import pytest
import pyvips

from console.sample import BOOK, BOOK_PAGES, BOOK_SIZE, ITEMS, MAP, draw_sample
from pipeline.csv_file import check_csv
from pipeline.task import parse_task


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Draw the sample once: the map takes seconds."""
    folder = tmp_path_factory.mktemp("sample")
    draw_sample(folder)
    return folder


def stamps(folder: Path) -> dict[str, tuple[int, int]]:
    """Return inode and time of every file: any writing changes one of them."""
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def size(file: Path) -> tuple[int, int]:
    image = pyvips.Image.new_from_file(str(file), fail_on="warning")
    return image.width, image.height


def test_the_sample_is_scans_a_csv_and_a_task(sample: Path) -> None:
    pages = {f"{ITEMS}/{BOOK}/Access/page_{n}.tif" for n in range(1, BOOK_PAGES + 1)}
    assert stamps(sample).keys() == {
        *pages,
        f"{ITEMS}/{MAP}/Access/sheet.jpg",
        f"{ITEMS}/{ITEMS}.csv",
        "task.json",
    }


def test_drawn_twice_it_writes_nothing_twice(sample: Path) -> None:
    before = stamps(sample)
    draw_sample(sample)
    assert stamps(sample) == before


def test_the_map_is_large_enough_to_zoom_into(sample: Path) -> None:
    width, height = size(sample / ITEMS / MAP / "Access" / "sheet.jpg")
    assert (width >= 6000, height >= 8000) == (True, True)


def test_the_pages_are_whole_images_that_differ(sample: Path) -> None:
    files = sorted((sample / ITEMS / BOOK / "Access").iterdir())
    assert [size(file) for file in files] == [BOOK_SIZE] * BOOK_PAGES
    assert len({file.read_bytes() for file in files}) == BOOK_PAGES


def test_the_task_is_good_and_names_the_sample(sample: Path) -> None:
    task = parse_task((sample / "task.json").read_bytes())
    assert (sample / task.access_dir).is_dir()
    assert (sample / task.csv_key).is_file()


def test_the_csv_describes_both_items(sample: Path) -> None:
    content = (sample / ITEMS / f"{ITEMS}.csv").read_bytes()
    check_csv(content)
    rows = list(csv.DictReader(content.decode().splitlines()))
    assert {row["identifier"] for row in rows} == {BOOK, MAP}
    assert all(row["title"] for row in rows)


def test_what_is_already_there_is_kept(tmp_path: Path, sample: Path) -> None:
    for name in stamps(sample):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("mine")
    draw_sample(tmp_path)
    assert all((tmp_path / name).read_text() == "mine" for name in stamps(sample))


def test_the_tasks_address_is_that_of_serve(sample: Path) -> None:
    environment = json.loads((sample / "task.json").read_bytes())["environment"]
    assert {"name": "DEST_URL", "value": "http://127.0.0.1:8000"} in environment
