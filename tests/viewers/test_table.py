"""docs/viewers.md says which viewers are modelled, and nothing else."""

from pathlib import Path

from tests.viewers.table import VIEWERS

PAGE = Path(__file__).parents[2] / "docs/viewers.md"


def test_the_page_lists_the_viewers_that_are_modelled() -> None:
    lines = PAGE.read_text("utf-8").splitlines()
    rows = [
        tuple(cell.strip() for cell in line.strip("|").split("|"))
        for line in lines
        if line.startswith("|")
    ]
    assert rows[2:] == [
        (
            viewer.name + (" (Image API 2 only)" if viewer.versions == (2,) else ""),
            ", ".join(viewer.compared),
            ", ".join(viewer.read),
        )
        for viewer in VIEWERS
    ]
