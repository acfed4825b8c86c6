"""Measure and write into docs/performance.md: python benchmarks/run.py [--repeats N] [SECTION …].

Each section is a module of this folder. What it measures replaces what stands between its marks in
the page; the other sections, and the prose around the marks, stay as they are.
"""

import argparse
import sys
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

ROOT = Path(__file__).parents[1]
# Last, so that what is measured is the wheel.
sys.path.append(str(ROOT))

PAGE = ROOT / "docs" / "performance.md"
SECTIONS = ("peers", "steps", "latency", "workers", "pool", "dispatcher", "manifests", "startup")
REPEATS = 3


class Section(Protocol):
    """A module that measures."""

    def measure(self, repeats: int) -> str:
        """Return its tables in Markdown, of medians over so many runs."""


def main() -> None:
    """Measure the sections that are named, else all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--repeats", type=int, default=REPEATS)
    arguments = parser.parse_args()
    unknown = set(arguments.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    for name in arguments.sections or SECTIONS:
        section = cast("Section", import_module(f"benchmarks.{name}"))
        print(f"{name} …", flush=True)
        measured = section.measure(arguments.repeats)
        print(measured)
        PAGE.write_text(replace_section(PAGE.read_text("utf-8"), name, measured), "utf-8")


def replace_section(page: str, name: str, content: str) -> str:
    """Return a page with other content between a section's marks; raises ValueError without."""
    first, last = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    before, begun, rest = page.partition(first)
    _, ended, after = rest.partition(last)
    if not begun or not ended:
        raise ValueError(f"{PAGE}: there are no marks of {name}")
    return f"{before}{first}{content.strip()}\n{last}{after}"


if __name__ == "__main__":
    main()
