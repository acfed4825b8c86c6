"""The figures of one kind of image: every contestant in turn, repeated, and medians of that."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks import contest, scripts, tools, usage
from benchmarks.contest import Contestant, Result
from benchmarks.cropping import Cropped, crop
from benchmarks.endpoint import Endpoint, s3_endpoint
from benchmarks.images import Kind, Picture, kept, pictures, set_size

WORKER = "tilepool's worker"
SERIAL, PARALLEL, AWS = "s5cmd + vips, serial", "s5cmd + vips, xargs -P 2", "aws s3 + vips, serial"
WHEEL, DEBIAN = "bare dzsave, the wheel's libvips", "bare dzsave, Debian's vips"
CONTESTANTS: Mapping[str, Contestant] = {
    WORKER: contest.worker,
    SERIAL: contest.script(scripts.S5CMD, scripts.one_after_another),
    PARALLEL: contest.script(scripts.S5CMD, scripts.two_at_a_time),
    AWS: contest.script(scripts.AWS, scripts.one_after_another),
}
SAMPLES = {AWS: 5}
"""The slow ones get no more images of a kind: the first ones, which are of all sizes."""


@dataclass
class Figures:
    """What one kind of image came to.

    `bare` is of `dzsave` alone, by label; `idle` of a worker that finds nothing in its queue;
    `cropped` of ImageMagick at one image.
    """

    pictures: Sequence[Picture]
    files: Sequence[Path]
    tile_bytes: int = 0
    repeats: dict[str, list[Result]] = field(default_factory=dict)
    counts: dict[str, Result] = field(default_factory=dict)
    bare: dict[str, list[float]] = field(default_factory=dict)
    idle: list[float] = field(default_factory=list)
    cropped: Cropped | None = None

    def given(self, label: str) -> Sequence[Picture]:
        """Return the images that a contestant gets."""
        return self.pictures[: SAMPLES.get(label, len(self.pictures))]

    def names(self, label: str) -> list[str]:
        return [picture.name for picture in self.given(label)]

    def megapixels(self, label: str) -> float:
        """Return the size of all images that a contestant gets."""
        return sum(picture.megapixels for picture in self.given(label))

    def source_bytes(self, label: str) -> int:
        return sum(file.stat().st_size for file in self.files[: len(self.given(label))])

    def written(self, label: str) -> float:
        """Return the bytes per image that went to a disk, without the source's own."""
        if label not in self.counts:
            return 0.0
        beyond = self.counts[label].usage.disk_bytes - self.source_bytes(label)
        return max(0, beyond) / len(self.given(label))

    def median(self, label: str, value: Callable[[Result], float]) -> float | None:
        """Return a value's median over the repeats; None for one who did not take part."""
        return median(map(value, self.repeats[label])) if label in self.repeats else None

    def cpu(self, label: str) -> float | None:
        """Return CPU seconds per megapixel, without those of a start."""
        if label in self.bare:
            return median(self.bare[label]) / self.megapixels(label)
        used = self.median(label, lambda result: result.usage.cpu_seconds)
        if used is None:
            return None
        start = median(self.idle) if label == WORKER else 0
        return (used - start) / self.megapixels(label)

    def wall(self, label: str, *, started: bool = False) -> float | None:
        """Return seconds per megapixel, with the start or, for one that has `started`, without."""
        took = self.median(
            label,
            lambda result: result.wall_seconds - (result.startup_seconds if started else 0),
        )
        return None if took is None else took / self.megapixels(label)


def gather(kind: Kind, repeats: int) -> Figures:
    """Measure all contestants on the images of a kind, in turn, so often."""
    chosen = pictures(set_size())[kind]
    files = [kept(picture, tools.bench_folder() / "images") for picture in chosen]
    figures = Figures(chosen, files)
    if not chosen:
        return figures
    labels = [WORKER] if tools.vips() is None else list(CONTESTANTS)
    with s3_endpoint(files) as endpoint:
        for _ in range(repeats):
            _measure_bare(figures, endpoint)
            for label in labels:
                result = contest.timed(CONTESTANTS[label], endpoint, figures.names(label))
                figures.repeats.setdefault(label, []).append(result)
            idle = contest.timed(contest.worker, endpoint, [])
            figures.idle.append(idle.usage.cpu_seconds)
        endpoint.renew()
        figures.cropped = _crop_one(figures, endpoint)
        for label in labels:
            contestant = contest.worker_counted if label == WORKER else CONTESTANTS[label]
            figures.counts[label] = contest.counted(contestant, endpoint, figures.names(label))
    return figures


def _measure_bare(figures: Figures, endpoint: Endpoint) -> None:
    endpoint.renew()
    imports = usage.run([sys.executable, "-c", "import sys, pyvips"]).cpu_seconds
    wheel = contest.bare_wheel(endpoint.source_files, endpoint.scratch)
    figures.bare.setdefault(WHEEL, []).append(wheel.cpu_seconds - imports)
    figures.tile_bytes = sum(file.stat().st_size for file in endpoint.scratch.rglob("*.jpg"))
    if tools.vips() is not None:
        endpoint.renew()
        vips = contest.bare_vips(endpoint.source_files, endpoint.scratch)
        figures.bare.setdefault(DEBIAN, []).append(vips.cpu_seconds)


def _crop_one(figures: Figures, endpoint: Endpoint) -> Cropped | None:
    """Crop the smallest photograph, or the largest scan."""
    by_size = sorted(figures.pictures, key=lambda picture: picture.megapixels)
    picture = by_size[0 if by_size[0].kind is Kind.PHOTO else -1]
    return crop(picture, endpoint.source(picture.name), endpoint.scratch)
