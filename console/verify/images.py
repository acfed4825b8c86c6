"""One image as a document uses it: its `info.json`, and what both say of its size and files."""

from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace

from console.verify.documents import BadDocument, identifier
from console.verify.files import Files, check_claim, pixels
from console.verify.findings import Finding, Kind
from console.verify.info import faults_of, notes_of, parse_info
from console.verify.manifest import Use
from console.verify.places import Place
from console.verify.sample import Sampled, Sampling
from console.verify.service import MAX_FILES, ImageFile, Service
from console.verify.walk import Unusable, read_document, wrong_id
from pipeline.layout import INFO_FILE


@dataclass(slots=True)
class Outcome:
    """What came of one image."""

    is_service: bool
    files: int = 0
    """Files of the set that are there."""
    headers: int = 0
    """Those whose size in pixels was read."""
    findings: list[Finding] = field(default_factory=list)
    sampled: list[Sampled] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Checker:
    """Checks images; `pool` asks for files where they are far away."""

    pool: Executor
    sampling: Sampling
    every_header: bool = False

    def check(self, place: Place, use: Use, by: str) -> Outcome:
        """Return what is wrong with an image that a document uses."""
        outcome = Outcome(use.service is not None)
        if use.service is None:
            for claim in use.claims:
                outcome.findings += check_claim(place, claim, by)
            return outcome
        name = place.name(f"{use.service}/{INFO_FILE}")
        try:
            service = self._read_info(place, use.service, by, outcome)
        except Unusable as error:
            outcome.findings.append(error.finding)
            return outcome
        except BadDocument as error:
            outcome.findings.append(Finding(Kind.DOCUMENT, name, str(error)))
            return outcome
        outcome.findings += _check_canvases(name, use, by, service)
        if service.count() > MAX_FILES:
            what = f"promises {service.count():,} tiles; not looked for"
            outcome.findings.append(Finding(Kind.DOCUMENT, name, what))
            return outcome
        expected = service.files()
        outcome.findings += _take_up_claims(place, use, by, service, expected)
        files = Files(place, service, expected, self.pool, self.sampling)
        files.check(every_header=self.every_header)
        outcome.files, outcome.headers = files.there, files.headers
        outcome.findings += files.findings
        outcome.sampled = self.sampling.candidates(place, service, files.good)
        return outcome

    def _read_info(self, place: Place, url: str, by: str, outcome: Outcome) -> Service:
        document = read_document(place, f"{url}/{INFO_FILE}", by)
        service = parse_info(document)
        name, said = place.name(f"{url}/{INFO_FILE}"), identifier(document)
        if said is None or not place.same(url, said):
            outcome.findings.append(Finding(Kind.DOCUMENT, name, wrong_id(url, said)))
        for fault in faults_of(document, service):
            outcome.findings.append(Finding(Kind.DOCUMENT, name, fault))
        for note in notes_of(service):
            outcome.findings.append(Finding(Kind.NOTE, name, note))
        # Files are asked for where the service is, whatever it says.
        return replace(service, url=url)


def _check_canvases(name: str, use: Use, by: str, service: Service) -> Iterator[Finding]:
    """Yield where an image is not of its canvas's shape."""
    for canvas, size in use.canvases:
        if size == service.size:
            continue
        stretched = abs(size.height * service.width - size.width * service.height)
        if stretched > max(service.size):
            what = f"is {pixels(service.size)}, but in {by} {canvas} is {pixels(size)}"
            yield Finding(Kind.WRONG_SIZE, name, what)
        else:
            yield Finding(Kind.NOTE, name, "a canvas has its image's shape, but another size")


def _take_up_claims(
    place: Place, use: Use, by: str, service: Service, expected: dict[str, ImageFile]
) -> Iterator[Finding]:
    """Make promises of the files that a document names; yield where it is wrong about them."""
    expected.update(service.files_of(use.sizes))
    for claim in use.claims:
        path = claim.url.removeprefix(f"{service.url}/")
        file = expected.get(path)
        if file is None:
            yield from check_claim(place, claim, by)
            continue
        expected[path] = file._replace(asked_by="")
        if claim.size is not None and not file.fits(claim.size):
            what = f"{by} says {pixels(claim.size)} of {claim.by}, which is {pixels(file.size)}"
            yield Finding(Kind.WRONG_SIZE, place.name(claim.url), what)
