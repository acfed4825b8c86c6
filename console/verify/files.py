"""The files of one image: which are missing, and which are not what their names say."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from heapq import nsmallest

from console.verify.decode import Damaged, decode
from console.verify.findings import Finding, Kind
from console.verify.jpeg import END, FIRST_BYTES, MAX_HEADER_BYTES, NotJpeg, read_size
from console.verify.manifest import Claim
from console.verify.parallel import in_order
from console.verify.places import MAX_IMAGE_BYTES, Absent, NoAnswer, Place, TooLarge
from console.verify.sample import Sampling
from console.verify.service import ImageFile, Service
from pipeline.geometry import Size

TILES_READ = 8
"""Tiles of an image whose headers are read where each costs a request."""
MAX_NAMED = 3
"""Missing files of an image that are named."""
JPEG_SUFFIXES = (".jpg", ".jpeg")


@dataclass(slots=True)
class Files:
    """Checks the files of a service, given what is expected of it."""

    place: Place
    service: Service
    expected: Mapping[str, ImageFile]
    pool: Executor
    sampling: Sampling
    findings: list[Finding] = field(default_factory=list)
    headers: int = 0
    _absent: set[str] = field(default_factory=set)
    _bad: set[str] = field(default_factory=set)

    @property
    def there(self) -> int:
        """Return how many of the expected files there are."""
        return len(self.expected) - len(self._absent)

    @property
    def good(self) -> Iterator[ImageFile]:
        """Yield the files in which nothing wrong has been seen."""
        faulty = self._absent | self._bad
        return (file for path, file in self.expected.items() if path not in faulty)

    def check(self, *, every_header: bool) -> None:
        """Look for all files, and at the headers of some or all."""
        try:
            listing = self.place.listing(self.service.url)
        except (Absent, NoAnswer) as error:
            where = self.place.name(self.service.url)
            self.findings.append(Finding(Kind.NO_ANSWER, where, str(error)))
            self._absent.update(self.expected)
            return
        if listing is not None:
            self._absent.update(path for path in self.expected if path not in listing)
        self._read_headers(list(self._to_read(every_header=every_header)), listing or {})
        self.findings += self._missing(listing)

    def _to_read(self, *, every_header: bool) -> Iterable[ImageFile]:
        there = [file for path, file in self.expected.items() if path not in self._absent]
        if self.place.reads_every_header or every_header:
            return there
        tiles = (file for file in there if not file.is_whole)
        some = nsmallest(TILES_READ, tiles, key=lambda file: self.sampling.rank(self.service, file))
        return [*(file for file in there if file.is_whole), *some]

    def _read_headers(self, files: list[ImageFile], listing: Mapping[str, int]) -> None:
        def look(file: ImageFile) -> Finding | None:
            return self._look(file, listing.get(file.path))

        parallel = self.place.parallel
        seen = map(look, files) if parallel == 1 else in_order(self.pool, look, files, 2 * parallel)
        for file, finding in zip(files, seen, strict=True):
            if finding is not None and finding.kind is Kind.MISSING:
                self._absent.add(file.path)
                continue
            self.headers += 1
            if finding is not None:
                self._take(file.path, finding)
        unread = listing.keys() & self.expected.keys() - {file.path for file in files}
        for path in sorted(unread):
            if listing[path] == 0:
                self._take(path, Finding(Kind.DAMAGED, self._name(path), "is empty (0 bytes)"))

    def _take(self, path: str, finding: Finding) -> None:
        self._bad.add(path)
        self.findings.append(finding)

    def _look(self, file: ImageFile, size_bytes: int | None) -> Finding | None:
        url, name = f"{self.service.url}/{file.path}", self._name(file.path)
        try:
            size, is_cut = _glance(self.place, url, size_bytes)
            if not file.fits(size):
                what = f"is {pixels(size)}; expected {pixels(file.size)}"
                return Finding(Kind.WRONG_SIZE, name, what)
            if is_cut:
                decode(self.place.read(url, MAX_IMAGE_BYTES))
        except Absent as error:
            return Finding(Kind.MISSING, name, str(error))
        except NoAnswer as error:
            return Finding(Kind.NO_ANSWER, name, str(error))
        except (NotJpeg, Damaged, TooLarge) as error:
            return Finding(Kind.DAMAGED, name, str(error))
        return None

    def _missing(self, listing: Mapping[str, int] | None) -> Iterator[Finding]:
        """Yield one error for what is promised, and a note for each who asks for more."""
        where = self.place.name(self.service.url)
        by_asker: dict[str, list[str]] = defaultdict(list)
        for path in sorted(self._absent):
            by_asker[self.expected[path].asked_by].append(path)
        promised = by_asker.pop("", [])
        if promised:
            named = ", ".join(promised[:MAX_NAMED])
            more = len(promised) - MAX_NAMED
            what = f"{named} and {more:,} more" if more > 0 else named
            yield Finding(Kind.MISSING, where, what, times=len(promised))
        for asker, paths in by_asker.items():
            what = f"files are missing that {asker} beyond what is promised"
            yield Finding(Kind.NOTE, self._name(paths[0]), what, times=len(paths))
        others = [path for path in listing or () if path not in self.expected]
        images = sorted(path for path in others if path.lower().endswith(JPEG_SUFFIXES))
        if promised and images:
            what = "images with missing files hold others, of names that nobody asks for"
            yield Finding(Kind.NOTE, self._name(images[0]), what, times=len(images))

    def _name(self, path: str) -> str:
        return f"{self.place.name(self.service.url)}/{path}"


def check_claim(place: Place, claim: Claim, by: str) -> Iterator[Finding]:
    """Yield what is wrong with a file that a document names outright."""
    name = place.name(claim.url)
    try:
        if not claim.url.lower().endswith(JPEG_SUFFIXES):
            place.glance(claim.url, FIRST_BYTES, None)
            return
        size, _ = _glance(place, claim.url, None)
    except Absent as error:
        yield Finding(Kind.MISSING, name, f"{error}; {by} names it as {claim.by}")
    except NoAnswer as error:
        yield Finding(Kind.NO_ANSWER, name, str(error))
    except NotJpeg as error:
        yield Finding(Kind.DAMAGED, name, str(error))
    else:
        if claim.size is not None and claim.size != size:
            what = f"is {pixels(size)}, but {by} says {pixels(claim.size)} of {claim.by}"
            yield Finding(Kind.WRONG_SIZE, name, what)


def pixels(size: Size) -> str:
    """Return a size as people write it."""
    return f"{size.width} × {size.height}"


def _glance(place: Place, url: str, size_bytes: int | None) -> tuple[Size, bool]:
    """Return a JPEG's size, and whether it may be cut: it does not end as a JPEG does."""
    glance = place.glance(url, FIRST_BYTES, size_bytes)
    size = read_size(glance.start)
    if size is None:
        glance = place.glance(url, MAX_HEADER_BYTES, size_bytes)
        size = read_size(glance.start)
    if size is None:
        raise NotJpeg("is a damaged JPEG: it ends within its header")
    return size, glance.end not in {None, END}
