"""Image files, each kind as a function of bytes that bears anything."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from pipeline.errors import PermanentError
from pipeline.layout import has_utf8_form
from tests.fuzz.documents import Target
from tests.kinds.table import SUFFIXES, SUPPORTED
from tests.pixels import open_pixels
from worker.budget import MAX_PARTS
from worker.kinds import Kind
from worker.parts import count_parts
from worker.tiff import list_pages, read_samples
from worker.tiff_decoding import check_segments

MAX_SEED_BYTES = 200_000
DPI = 72


def read_image(content: bytes) -> None:
    """Do with a file what the worker does, up to its pixels."""
    with tempfile.TemporaryDirectory(prefix="tilepool-fuzz-") as folder:
        source, scratch = Path(folder, "source"), Path(folder, "scratch")
        scratch.mkdir()
        source.write_bytes(content)
        try:
            parts = count_parts(source)
            pixels = open_pixels(source, scratch, min(parts, 2), DPI)
            pixels.avg()
        except PermanentError as error:
            check_shown(folder, str(error))


def check_shown(folder: str, reason: str) -> None:
    """Fail where a reason tells where our copy lies, or cannot be stored."""
    assert folder not in reason
    assert has_utf8_form(reason)


def read_directories(content: bytes) -> None:
    """Read what a TIFF says of itself, without its pixels."""
    with tempfile.TemporaryDirectory(prefix="tilepool-fuzz-") as folder:
        source = Path(folder, "source")
        source.write_bytes(content)
        try:
            for number in list_pages(source, MAX_PARTS)[:3]:
                read_samples(source, number)
            check_segments(source, 1)
        except PermanentError:
            return


def seeds(kind: str) -> Sequence[bytes]:
    """Return a small file of each form of a kind."""
    found = []
    with tempfile.TemporaryDirectory(prefix="tilepool-fuzz-") as folder:
        for number, write in enumerate(SUPPORTED[kind].values()):
            file = Path(folder, f"{number}.{SUFFIXES[kind]}")
            write(file)
            found.append(file.read_bytes())
    return [content for content in found if len(content) <= MAX_SEED_BYTES] or found


def _target(kind: str, run: Callable[[bytes], None] = read_image) -> Target:
    return Target(run, partial(seeds, kind))


IMAGES: Mapping[str, Target] = {
    **{kind.name.lower(): _target(kind) for kind in Kind},
    "tiff_directories": _target(Kind.TIFF, read_directories),
}
