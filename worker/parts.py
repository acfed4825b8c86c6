"""How many images a source holds: pages of a TIFF or PDF; any other kind has one."""

from pathlib import Path

from pipeline.errors import BadImage
from worker.budget import MAX_PARTS
from worker.kinds import Kind, read_kind
from worker.pdf import count_pages
from worker.tiff import list_pages


def count_parts(source: Path) -> int:
    """Return how many images a source holds, at least 1; raises BadImage."""
    kind = read_kind(source)
    parts = 1
    if kind is Kind.TIFF:
        parts = len(list_pages(source, MAX_PARTS))
    elif kind is Kind.PDF:
        parts = count_pages(source)
    if parts > MAX_PARTS:
        raise BadImage(f"the {kind} file has more than {MAX_PARTS:,} pages; split it")
    return parts
