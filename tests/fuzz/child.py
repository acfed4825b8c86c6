"""One target under fire, in a process of its own: python child.py TARGET SEED SECONDS FOLDER.

What is about to be tried lies in FOLDER/input, so that whoever started this knows what has killed
it. A fault is kept as FOLDER/<fault>.bin, its traceback beside it as .txt.
"""

import faulthandler
import random
import resource
import sys
import time
import traceback
from pathlib import Path

# The installed packages come first; only `tests` is found here.
ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT))

import worker.budget  # noqa: E402
from tests.fuzz.documents import DOCUMENTS  # noqa: E402
from tests.fuzz.exports import EXPORTS  # noqa: E402
from tests.fuzz.images import IMAGES  # noqa: E402
from tests.fuzz.mutation import mutate, mutate_json  # noqa: E402

TARGETS = {**DOCUMENTS, **EXPORTS, **IMAGES}
MEMORY_BYTES = 4_000_000_000
"""As a tiling process has."""
MAX_PIXELS = 30_000_000
"""Larger images are refused sooner than in earnest: it is their headers that are tried."""
INPUT_SECONDS = 60


def main(name: str, seed: int, seconds: float, folder: Path) -> None:
    """Try broken inputs until the time is over; keep the first of each fault."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    worker.budget.MAX_PIXELS = MAX_PIXELS
    target, chance, tried = TARGETS[name], random.Random(seed), 0
    corpus, change = target.seeds(), mutate_json if target.is_json else mutate
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        content = change(chance, corpus)
        (folder / "input").write_bytes(content)
        faulthandler.dump_traceback_later(INPUT_SECONDS, exit=True)
        try:
            target.run(content)
        except Exception as error:  # noqa: BLE001  # whatever is not expected is a fault
            keep(folder, error, content)
        faulthandler.cancel_dump_traceback_later()
        tried += 1
        (folder / "tried").write_text(str(tried))


def keep(folder: Path, error: Exception, content: bytes) -> None:
    """Keep an input that has raised what it should not, once for each place that raised."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if frame.filename.startswith(str(ROOT))] or frames
    place = f"{type(error).__name__}-{Path(ours[-1].filename).stem}-{ours[-1].lineno}"
    if not (folder / f"{place}.bin").exists():
        (folder / f"{place}.bin").write_bytes(content)
        (folder / f"{place}.txt").write_text("".join(traceback.format_exception(error)))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), Path(sys.argv[4]))
