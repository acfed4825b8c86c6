"""The whole of `tilepool verify`: roots, collections, manifests, images, sample; as a stream."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import NamedTuple

from console.verify.findings import Finding, Findings, Kind
from console.verify.images import Checker, Outcome
from console.verify.manifest import Use
from console.verify.parallel import in_order
from console.verify.places import Place
from console.verify.roots import find_roots
from console.verify.sample import Sampling, look_closely
from console.verify.walk import Chapter, Reference, Walk, read_manifest

WORKERS = 8
"""Documents or images that are looked at side by side."""
REQUESTS = 32
"""Files that are asked for side by side."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the user has asked for."""

    target: str
    sample: int
    seed: int
    every_header: bool


@dataclass(slots=True)
class Verified:
    """What has been looked at so far, and what was found."""

    collections: int = 0
    manifests: int = 0
    images: int = 0
    files: int = 0
    headers: int = 0
    decoded: int = 0
    compared: int = 0
    findings: Findings = field(default_factory=Findings)


Watch = Callable[[Verified], None]


class _Job(NamedTuple):
    """An image to check."""

    place: Place
    use: Use
    by: str


def verify(wanted: Wanted, watch: Watch) -> Verified:
    """Look at everything that a target leads to; raises ConsoleError where there is nothing."""
    verified = Verified()
    with _pool(WORKERS) as workers, _pool(REQUESTS) as requests:
        sampling = Sampling(wanted.sample, wanted.seed)
        checker = Checker(requests, sampling, wanted.every_header)
        verification = _Verification(wanted, verified, workers, checker)
        for outcome in verification.outcomes():
            verified.images += outcome.is_service
            verified.files += outcome.files
            verified.headers += outcome.headers
            verification.tell(outcome.findings)
            sampling.add(outcome.sampled)
            watch(verified)
        for shown in in_order(workers, look_closely, sampling.chosen(), WORKERS):
            verified.decoded += shown.decoded
            verified.compared += shown.compared
            verification.tell(shown.findings)
            watch(verified)
    return verified


class _Verification:
    def __init__(
        self, wanted: Wanted, verified: Verified, workers: ThreadPoolExecutor, checker: Checker
    ) -> None:
        self._wanted = wanted
        self._verified = verified
        self._workers = workers
        self._checker = checker
        self._lock = Lock()
        self._seen: set[int] = set()

    def tell(self, findings: Iterable[Finding]) -> None:
        """Take findings from any thread."""
        told = list(findings)
        with self._lock:
            self._verified.findings.add(told)

    def outcomes(self) -> Iterator[Outcome]:
        """Yield what came of each image, in the order of the documents."""
        chapters = in_order(self._workers, read_manifest, self._references(), WORKERS)
        return in_order(self._workers, self._check, self._jobs(chapters), WORKERS)

    def _references(self) -> Iterator[Reference]:
        walk = Walk(self.tell)
        for root in find_roots(self._wanted.target, self._note):
            if isinstance(root, Finding):
                self.tell([root])
                continue
            for reference in walk.references(root):
                self._verified.collections = walk.collections
                yield reference
            self._verified.collections = walk.collections

    def _jobs(self, chapters: Iterable[Chapter]) -> Iterator[_Job]:
        for chapter in chapters:
            self.tell(chapter.findings)
            self._verified.manifests += chapter.is_manifest
            for use in chapter.uses:
                name = chapter.place.name(use.service or use.claims[0].url)
                # Found by itself, a service that a manifest has led to needs no second look.
                mark = hash(name) if use == Use(use.service) else hash((name, use))
                if mark not in self._seen:
                    self._seen |= {hash(name), hash((name, use))}
                    yield _Job(chapter.place, use, chapter.name)

    def _check(self, job: _Job) -> Outcome:
        return self._checker.check(job.place, job.use, job.by)

    def _note(self, where: str, what: str) -> None:
        self.tell([Finding(Kind.NOTE, where, what)])


@contextmanager
def _pool(size: int) -> Iterator[ThreadPoolExecutor]:
    """Yield a pool that does not finish what nobody waits for."""
    pool = ThreadPoolExecutor(size)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
