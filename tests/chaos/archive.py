"""The scans of a chaos run: small good ones, two files of several images, and poisonous ones."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.builders import ENVIRONMENT
from tests.chaos.strikes import Scale
from tests.images import write_corrupt, write_image, write_pages, write_truncated

ROOT = ENVIRONMENT["ACCESS_DIR"]
CSV_KEY = f"{ENVIRONMENT['CSV_PATH']}/{ENVIRONMENT['CSV_NAME']}"
HUGE_PAGE_POINTS = (2400, 2400)
"""Drawn at 300 pixels per inch, it takes 400 MB at once."""
IMAGES_OF_ONE = 3


@dataclass(frozen=True, slots=True)
class Archive:
    """Source files in a folder, by key; those that cannot be tiled, and what repairs them."""

    folder: Path
    keys: tuple[str, ...]
    poison: frozenset[str]
    images: int
    """How many rows a run of it has."""

    def file(self, key: str) -> Path:
        return self.folder / key

    def repaired(self, key: str) -> Path:
        """Return a good image to put in the place of a poisonous one."""
        return self.folder / "repaired" / f"{Path(key).stem}.png"

    @property
    def missing(self) -> frozenset[str]:
        """Return the keys to remove once the run is dispatched."""
        return frozenset(key for key in self.poison if "/missing-" in key)


def write_archive(folder: Path, scale: Scale) -> Archive:
    """Write so many items of so many pages, the poisonous images among them."""
    names = dict(_names(scale))
    poison = []
    for number, (key, kind) in enumerate(names.items()):
        file = folder / key
        file.parent.mkdir(parents=True, exist_ok=True)
        size = 40 + number * 37 % 340, 40 + number * 29 % 270
        if kind == "several":
            write_pages(file, [size] * IMAGES_OF_ONE)
        elif kind == "memory":
            write_pages(file, [HUGE_PAGE_POINTS])
        elif kind == "corrupt":
            (write_corrupt if number % 2 else write_truncated)(file)
        else:
            write_image(file, *size, seed=number)
        if kind in scale.poison:
            poison.append(key)
    archive = Archive(
        folder,
        tuple(names),
        frozenset(poison),
        len(names) + scale.several * (IMAGES_OF_ONE - 1),
    )
    for number, key in enumerate(poison):
        write_image(archive.repaired(key), 50 + 7 * number, 60, seed=number)
    csv = folder / CSV_KEY
    csv.parent.mkdir(parents=True, exist_ok=True)
    items = "".join(f"item-{item:02d},Item {item}\n" for item in range(scale.items))
    csv.write_text(f"identifier,title\n{items}", encoding="utf-8")
    return archive


def _names(scale: Scale) -> Iterator[tuple[str, str]]:
    """Yield keys and kinds; the poison is spread over the items, but some have none."""
    kinds = [*scale.poison, *["several"] * scale.several]
    step = scale.images // len(kinds)
    for number in range(scale.images):
        item, page = divmod(number, scale.pages)
        place, rest = divmod(number, step)
        kind = kinds[place] if rest == 0 and place < len(kinds) else "good"
        suffix = {"several": "tif", "memory": "pdf", "corrupt": "png"}.get(
            kind, ("jpg", "png", "tif")[number % 3]
        )
        yield f"{ROOT}/item-{item:02d}/Access/{kind}-{page:02d}.{suffix}", kind
