"""The demo's collection: a book of six pages and a map of 48 million pixels, drawn with libvips."""

import csv
import io
import itertools
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pyvips

ITEMS = "Orchard_Papers"
CSV_NAME = "Orchard_Papers.csv"

BOOK = "Field_Notebook_1911"
PAPER = [238, 228, 205]
LINE_PX = 2
BOOK_PAGES = 6
BOOK_SIZE = (1_600, 2_200)
BOOK_LINES = (
    "Left the station at seven, frost on the rails.",
    "Counted forty-one trees in the lower orchard,",
    "nine of them past saving. The grafts of last",
    "April have taken, all but two.",
    "",
    "Bought twine, two pruning knives, a ledger.",
    "Rain by noon. Wrote up the survey indoors.",
)

MAP = "Valley_Survey"
MAP_SIZE = (6_000, 8_000)
MAP_CELL_PX = 1_000
SEED = 1911

DEST_URL = "http://127.0.0.1:8000"
ROWS = (
    ("identifier", "title", "description", "creator", "date"),
    (BOOK, "Field notebook", "Six pages of orchard notes.", "A. Fielding", "1911"),
    (MAP, "Survey of the valley", "Relief with contour lines.", "A. Fielding", "1912"),
)


def draw_sample(folder: Path) -> None:
    """Write scans, CSV and task file below a folder; what is there already stays as it is."""
    book = folder / ITEMS / BOOK / "Access"
    for number in range(1, BOOK_PAGES + 1):
        _save(book / f"page_{number}.tif", partial(_page, number))
    _save(folder / ITEMS / MAP / "Access" / "sheet.jpg", _map)
    text = io.StringIO(newline="")
    csv.writer(text).writerows(ROWS)
    _write(folder / ITEMS / CSV_NAME, text.getvalue())
    _write(folder / "task.json", json.dumps(_task(), indent=2) + "\n")


def _save(file: Path, draw: Callable[[], pyvips.Image]) -> None:
    if file.exists():
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f".unfinished{file.suffix}")
    options = {"Q": 90} if file.suffix == ".jpg" else {"compression": "deflate"}
    draw().write_to_file(str(unfinished), **options)
    unfinished.replace(file)


def _write(file: Path, text: str) -> None:
    if not file.exists():
        file.write_text(text, encoding="utf-8")


def _page(number: int) -> pyvips.Image:
    """Draw a page: paper with a grain, ruled, with a few lines of text."""
    width, height = BOOK_SIZE
    grain = pyvips.Image.gaussnoise(width, height, mean=0, sigma=3, seed=SEED + number)
    paper = (grain + PAPER).cast("uchar").copy(interpretation="srgb")
    rules = (pyvips.Image.xyz(width, height)[1] % 110) < LINE_PX
    paper = rules.ifthenelse([176, 190, 214], paper)
    turned = (*BOOK_LINES[number % len(BOOK_LINES) :], *BOOK_LINES[: number % len(BOOK_LINES)])
    text = f"{number}\n\n" + "\n".join(turned)
    ink = pyvips.Image.text(text, font="serif", width=width - 320, dpi=220, spacing=18)
    ink = ink.embed(160, 180, width, height)
    return ink.ifthenelse([48, 40, 74], paper, blend=True)


def _map() -> pyvips.Image:
    """Draw a map: relief from layered noise, tinted by height, with contour lines and a grid."""
    width, height = MAP_SIZE
    relief = sum(
        pyvips.Image.perlin(width, height, cell_size=MAP_CELL_PX // 2**octave, seed=SEED + octave)
        * (0.5**octave)
        for octave in range(4)
    )
    level = ((relief + 1.4) * 90).cast("uchar").copy_memory()
    tint = level.maplut(_tints())
    contours = level.maplut(_every(12)) > 0
    grid = pyvips.Image.xyz(width, height) % MAP_CELL_PX < LINE_PX
    drawn = contours.ifthenelse([120, 92, 60], tint)
    return (grid[0] | grid[1]).ifthenelse([90, 90, 96], drawn).copy(interpretation="srgb")


def _tints() -> pyvips.Image:
    stops = [
        (0, (92, 140, 176)),
        (90, (186, 212, 198)),
        (100, (146, 178, 120)),
        (255, (246, 238, 220)),
    ]
    rows = []
    for (low, below), (high, above) in itertools.pairwise(stops):
        rows += [
            [a + (b - a) * (value - low) / (high - low) for a, b in zip(below, above, strict=True)]
            for value in range(low, high)
        ]
    rows.append(list(stops[-1][1]))
    bands = [pyvips.Image.new_from_array([[row[band] for row in rows]]) for band in range(3)]
    return bands[0].bandjoin(bands[1:]).cast("uchar")


def _every(step: int) -> pyvips.Image:
    marks = [[255 if value % step == 0 else 0 for value in range(256)]]
    return pyvips.Image.new_from_array(marks).cast("uchar")


def _task() -> dict[str, object]:
    environment = {
        "AWS_REGION": "us-east-1",
        "COLLECTION_IDENTIFIER": ITEMS,
        "ACCESS_DIR": ITEMS,
        "AWS_SRC_BUCKET": "orchard-scans",
        "AWS_DEST_BUCKET": "orchard-iiif",
        "DEST_PREFIX": "iiif",
        "DEST_URL": DEST_URL,
        "CSV_PATH": ITEMS,
        "CSV_NAME": CSV_NAME,
    }
    return {
        "jobName": "orchard-demo",
        "environment": [{"name": name, "value": value} for name, value in environment.items()],
    }
