"""Which files are decoded, the same in every run with the same seed, and what they show."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from heapq import nsmallest
from itertools import groupby

from PIL import Image

from console.verify.decode import MAX_PIXELS, Damaged, decode
from console.verify.findings import Finding, Kind
from console.verify.place import Misplaced, Whole
from console.verify.places import MAX_IMAGE_BYTES, Absent, NoAnswer, Place, TooLarge
from console.verify.service import ImageFile, Service
from pipeline.geometry import Size

REFERENCE_PIXELS = 4_000_000
"""The whole image that tiles are compared with is the largest up to here, else the smallest."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """A file that may be decoded; the lowest ranks are."""

    rank: bytes
    place: Place
    service: Service
    file: ImageFile

    @property
    def order(self) -> tuple[bytes, str, str]:
        """Return what files are chosen by, wherever they came from first."""
        return self.rank, self.service.url, self.file.path


@dataclass(slots=True)
class Sampling:
    """Draws `size` files from all that pass by, however many, by a hash of seed and name."""

    size: int
    seed: int
    _chosen: list[Sampled] = field(default_factory=list)

    def rank(self, service: Service, file: ImageFile) -> bytes:
        """Return a number that says nothing of a file but is the same each time."""
        name = f"{self.seed} {service.url}/{file.path}".encode()
        return blake2b(name, digest_size=8).digest()

    def candidates(
        self, place: Place, service: Service, files: Iterable[ImageFile]
    ) -> list[Sampled]:
        """Return the files of a service that may be among the chosen."""
        if self.size == 0:
            return []
        drawn = (
            Sampled(self.rank(service, file), place, service, file)
            for file in files
            if file.size.width * file.size.height <= MAX_PIXELS
        )
        return nsmallest(self.size, drawn, key=lambda sampled: sampled.order)

    def add(self, candidates: Iterable[Sampled]) -> None:
        """Take up candidates, keeping the best."""
        together = [*self._chosen, *candidates]
        self._chosen = nsmallest(self.size, together, key=lambda sampled: sampled.order)

    def chosen(self) -> list[list[Sampled]]:
        """Return the chosen files, those of one service together."""
        ordered = sorted(self._chosen, key=lambda sampled: (sampled.service.url, sampled.order))
        return [list(group) for _, group in groupby(ordered, lambda sampled: sampled.service.url)]


@dataclass(frozen=True, slots=True)
class Shown:
    """What came of the sampled files of a service."""

    decoded: int
    compared: int
    findings: tuple[Finding, ...]


def look_closely(group: list[Sampled]) -> Shown:
    """Decode files of one service and compare each with its place in a whole image."""
    views = _Views(group[0].place, group[0].service)
    findings: list[Finding] = []
    compared = 0
    for sampled in group:
        file = sampled.file
        image = views.open(file, findings)
        if image is None:
            continue
        if not file.fits(Size(*image.size)):
            what = f"is {image.width} × {image.height}; expected {file.size}"
            findings.append(Finding(Kind.WRONG_SIZE, views.name(file), what))
            continue
        for name, whole in views.wholes(file):
            if whole.can_show(image, file.region):
                compared += 1
                fault = whole.find_fault(image, file.region)
                if fault is not None:
                    where = views.name(file)
                    findings.append(Finding(Kind.WRONG_PLACE, where, _tell(fault, name)))
    return Shown(len(group), compared, tuple(findings))


def _tell(fault: Misplaced, whole: str) -> str:
    differs = f"differs from its place in {whole} by {fault.difference:.0f} of 255 on average"
    if fault.elsewhere is None:
        return differs
    return f"{differs}, and would fit at {fault.elsewhere}"


class _Views:
    """Decoded files of one service; the whole image is kept."""

    def __init__(self, place: Place, service: Service) -> None:
        self._place = place
        self._service = service
        self._whole: dict[str, Whole | None] = {}

    def name(self, file: ImageFile) -> str:
        return f"{self._place.name(self._service.url)}/{file.path}"

    def open(self, file: ImageFile, findings: list[Finding]) -> Image.Image | None:
        """Return a file's pixels; add why there are none."""
        try:
            return decode(self._place.read(f"{self._service.url}/{file.path}", MAX_IMAGE_BYTES))
        except Absent as error:
            findings.append(Finding(Kind.MISSING, self.name(file), str(error)))
        except NoAnswer as error:
            findings.append(Finding(Kind.NO_ANSWER, self.name(file), str(error)))
        except (Damaged, TooLarge) as error:
            findings.append(Finding(Kind.DAMAGED, self.name(file), str(error)))
        return None

    def wholes(self, but: ImageFile) -> Iterator[tuple[str, Whole]]:
        """Yield path and picture of the best whole image to compare a file with, if any."""
        for file in self._candidates(but):
            if file.path not in self._whole:
                # What is wrong with it is found where it is looked for itself.
                image = self.open(file, [])
                self._whole[file.path] = Whole(image, self._service.size) if image else None
            whole = self._whole[file.path]
            if whole is not None:
                yield file.path, whole
                return

    def _candidates(self, but: ImageFile) -> list[ImageFile]:
        def cost(file: ImageFile) -> tuple[bool, int]:
            area = file.size.width * file.size.height
            return area > REFERENCE_PIXELS, area if area > REFERENCE_PIXELS else -area

        wholes = [
            file
            for file in self._service.files().values()
            if file.region == self._service.whole
            and file.size != but.size
            and file.size.width * file.size.height <= MAX_PIXELS
        ]
        return sorted(wholes, key=cost)
