"""The proxy, run in a process of its own, and what it has to report."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from benchmarks import proxy
from benchmarks.endpoint import HOST


@dataclass(frozen=True, slots=True)
class Traffic:
    """What went through a proxy: requests by method, bytes, and when the first and last did."""

    requests: Mapping[str, int]
    up_bytes: int
    down_bytes: int
    first: float | None
    last: float | None
    cpu_seconds: float


@dataclass(slots=True)
class Relay:
    """A proxy at `url`; its `traffic` is known when it has ended."""

    url: str
    process: int
    _reports: list[Traffic] = field(default_factory=list)

    @property
    def traffic(self) -> Traffic:
        (report,) = self._reports
        return report


@contextmanager
def relay(url: str, delay_ms: float = 0, bytes_per_second: float = 0) -> Iterator[Relay]:
    """Have a proxy before a server."""
    limits = ["--delay-ms", str(delay_ms), "--bytes-per-second", str(bytes_per_second)]
    with subprocess.Popen(
        [sys.executable, "-I", "-S", proxy.__file__, str(urlsplit(url).port), *limits],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None  # noqa: S101  # both are pipes
        assert process.stdin is not None  # noqa: S101
        known = Relay(f"http://{HOST}:{int(process.stdout.readline())}", process.pid)
        try:
            yield known
        finally:
            process.stdin.close()
            report = json.loads(process.stdout.read())
    known._reports.append(Traffic(**report))  # noqa: SLF001
