"""What a user would pick instead, on the same images: CPU, time, memory, disk and requests."""

import os
from collections.abc import Callable, Iterator, Mapping

from benchmarks import scripts, tools
from benchmarks.calls import MANY, calls_table, count_calls, requests_table
from benchmarks.contest import Result
from benchmarks.figures import (
    AWS,
    CONTESTANTS,
    DEBIAN,
    PARALLEL,
    SERIAL,
    WHEEL,
    WORKER,
    Figures,
    gather,
)
from benchmarks.images import Kind, set_size
from benchmarks.tables import number, ratio, table

MB = 1e6
FEW = 256
METHOD = """\
All read from one bucket and write to another, of `rclone serve s3` on the same machine, whose files
lie in memory as all scratch does. CPU time, user's and system's, is of the process and all that it
has started; rclone and moto, which plays SQS and DynamoDB, are not in it, but take time from the
same cores. The worker's is without that of a worker that finds its queue empty, the wheel's without
that of a Python that imports pyvips; walls have all in them but where they say *up*: from the first
page begun to the last done. Bare `dzsave` reads and writes files in memory. vips has as many
threads as there are cores, the worker as many processes. Requests, and bytes to disk (those that
the kernel saw written to files), are counted in a run of their own, through a proxy and with
scratch on a disk. Debian's vips 8.14 names some files otherwise, and leaves out one level."""
Value = Callable[[Figures], float | None]


def peak_megabytes(result: Result) -> float:
    """Return the largest process's resident set."""
    return result.usage.peak_bytes / MB


def busy_percent(result: Result) -> float:
    """Return how much of all cores' time a contestant took, with the servers that it used."""
    taken = result.usage.cpu_seconds + result.server_seconds + result.cloud_seconds
    return 100 * taken / (result.wall_seconds * (os.cpu_count() or 1))


def _cpu_of(label: str) -> Value:
    return lambda seen: ratio(seen.cpu(WORKER), seen.cpu(label))


def _wall_of(label: str, *, started: bool) -> Value:
    return lambda seen: ratio(seen.wall(WORKER, started=started), seen.wall(label))


TARGETS: Mapping[str, tuple[str, Value]] = {
    f"CPU, of {WHEEL}": ("1.25", _cpu_of(WHEEL)),
    f"CPU, of {DEBIAN}": ("1.25", _cpu_of(DEBIAN)),
    **{
        f"wall, of {label}{note}": (
            target,
            _wall_of(label, started=started),
        )
        for label, target in ((SERIAL, "0.45"), (PARALLEL, "0.8"), (AWS, "0.2"))
        for note, started in (("", False), (", the worker being up", True))
    },
}


def measure(repeats: int) -> str:
    """Return tables of all contestants, for photographs, scans and the giant apart."""
    seen = {kind: gather(kind, repeats) for kind in Kind}
    seen = {kind: figures for kind, figures in seen.items() if figures.pictures}
    calls = count_calls(FEW if set_size() == "small" else MANY)
    parts = [
        f"On {tools.machine()}; medians of {repeats}; the {set_size()} set of images.",
        METHOD,
        _images(seen),
        *(f"### {kind.capitalize()}\n\n{_contest(figures)}" for kind, figures in seen.items()),
        f"### Tile by tile\n\n{_cropped(seen)}",
        f"### Requests\n\n{requests_table(seen)}\n\n{calls_table(*calls)}",
        f"### Targets\n\n{_targets(seen)}",
        f"### Commands\n\n{_commands()}",
    ]
    return "\n\n".join(parts)


def _images(seen: Mapping[Kind, Figures]) -> str:
    rows = []
    for kind, figures in seen.items():
        sizes = [picture.megapixels for picture in figures.pictures]
        forms = sorted({picture.form for picture in figures.pictures})
        rows.append(
            [
                kind,
                str(len(sizes)),
                f"{min(sizes):.0f}–{max(sizes):.0f}",
                ", ".join(forms),
                number(sum(file.stat().st_size for file in figures.files) / MB),
                number(figures.tile_bytes / figures.megapixels(WORKER) / MB),
            ]
        )
    head = ["images", "number", "megapixels", "form", "MB in all", "tiles' bytes per pixel"]
    return table(head, rows)


def _contest(figures: Figures) -> str:
    rows = [
        [label, *_cpu(figures, label), *["–"] * 7]
        for label in (WHEEL, DEBIAN)
        if label in figures.bare
    ]
    rows += [
        [_with_sample(figures, label), *_cpu(figures, label), *_others(figures, label)]
        for label in CONTESTANTS
    ]
    head = [
        "per image",
        "CPU s",
        "CPU ms per megapixel",
        "wall s",
        "wall s when up",
        "largest process, MB",
        "MB to disk beyond the source",
        "rclone's CPU s",
        "moto's CPU s",
        "of the cores' time, all of these, %",
    ]
    return table(head, rows)


def _cpu(figures: Figures, label: str) -> Iterator[str]:
    """Yield CPU seconds per image, and milliseconds per megapixel."""
    per_megapixel = figures.cpu(label)
    if per_megapixel is None:
        yield from ("–", "–")
        return
    images = len(figures.given(label))
    yield number(per_megapixel * figures.megapixels(label) / images)
    yield number(per_megapixel * 1_000)


def _others(figures: Figures, label: str) -> Iterator[str]:
    """Yield what of a contestant is not its CPU time, in the order of the table's columns."""
    if label not in figures.repeats:
        yield from ["–"] * 7
        return
    images = len(figures.given(label))
    for started in (False, True):
        wall = figures.wall(label, started=started) or 0
        yield number(wall * figures.megapixels(label) / images)
    yield number(figures.median(label, peak_megabytes))
    yield number(figures.written(label) / MB)
    yield number(figures.median(label, lambda result: result.server_seconds / images))
    yield number(figures.median(label, lambda result: result.cloud_seconds / images))
    yield number(figures.median(label, busy_percent))


def _with_sample(figures: Figures, label: str) -> str:
    """Return a contestant's label, with a word where it got fewer images."""
    if label not in figures.repeats:
        return f"{label}: there is no vips"
    given = len(figures.given(label))
    return label if given == len(figures.pictures) else f"{label} ({given} of them)"


def _targets(seen: Mapping[Kind, Figures]) -> str:
    rows = [
        [name, f"≤ {target}", *(number(value(figures)) for figures in seen.values())]
        for name, (target, value) in TARGETS.items()
    ]
    cropping = {Kind.PHOTO: "0.02", Kind.SCAN: "0.003", Kind.GIANT: "0.003"}
    targets = [f"≤ {target}" for target in dict.fromkeys(cropping[kind] for kind in seen)]
    against = [ratio(_wall_per_image(figures), _cropping(figures)) for figures in seen.values()]
    rows.append(["wall, of ImageMagick tile by tile", ", ".join(targets), *map(number, against)])
    peaks = [figures.median(WORKER, peak_megabytes) for figures in seen.values()]
    rows.append(["largest process, MB (not of the giant)", "≤ 400", *map(number, peaks)])
    disk = [figures.written(WORKER) / MB for figures in seen.values()]
    rows.append(["MB to disk beyond the source", "0", *map(number, disk)])
    return table(["the worker's", "target", *seen], rows)


def _wall_per_image(figures: Figures) -> float | None:
    """Return the worker's seconds for an image of the size that was cropped."""
    per_megapixel = figures.wall(WORKER, started=True)
    if per_megapixel is None or figures.cropped is None:
        return None
    return per_megapixel * figures.cropped.picture.megapixels


def _cropping(figures: Figures) -> float | None:
    return None if figures.cropped is None else figures.cropped.wall_seconds


def _cropped(seen: Mapping[Kind, Figures]) -> str:
    rows = []
    for kind, figures in seen.items():
        found = figures.cropped
        if found is None:
            rows.append([f"{kind}: there is no convert, or its policy forbids it", *["–"] * 4])
            continue
        counts = [f"{found.tiles:,}", str(found.made)]
        seconds = [number(found.wall_seconds), number(found.cpu_seconds)]
        rows.append([f"{kind}: {found.picture.name}", *counts, *seconds])
    head = ["ImageMagick at one image", "tiles", "of them made", "wall s for all", "CPU s for all"]
    return table(head, rows)


def _commands() -> str:
    blocks = {SERIAL: scripts.S5CMD, AWS: scripts.AWS}
    return "\n\n".join(f"{label}:\n\n```sh\n{text}```" for label, text in blocks.items())
