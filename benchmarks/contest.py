"""The contestants: how each of them gets from sources in a bucket to an export in another."""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks import scripts, tools, usage
from benchmarks.drain import drain, queued
from benchmarks.endpoint import Endpoint, client_environment
from benchmarks.relay import Traffic, relay
from benchmarks.usage import Usage


@dataclass(frozen=True, slots=True)
class Result:
    """One run of a contestant over some images.

    `wall_seconds` ends with the last image. `server_seconds` is the CPU time of rclone,
    `cloud_seconds` that of the embedded cloud; `calls` are those of SQS, DynamoDB and Batch.
    `s3` and `calls` are known where a run went through proxies.
    """

    usage: Usage
    wall_seconds: float
    startup_seconds: float
    server_seconds: float
    cloud_seconds: float = 0.0
    s3: Traffic | None = None
    calls: Traffic | None = None


Contestant = Callable[[Endpoint, Sequence[str], str, Path], Result]
"""Called with the endpoint, the objects, the URL to ask for them, and a folder for scratch."""


def script(text: str, order: Callable[[str, Sequence[str], Path], list[str]]) -> Contestant:
    """Return a script that is run for each image, in the order of one of `benchmarks.scripts`."""

    def contend(endpoint: Endpoint, names: Sequence[str], url: str, scratch: Path) -> Result:
        environment = {
            **os.environ,
            **client_environment(url),
            "EXPORT": endpoint.export,
            "TMPDIR": str(scratch),
            "PATH": tools.search_path(),
        }
        served = endpoint.cpu_seconds
        used = usage.run(order(text, names, endpoint.memory), environment)
        return Result(used, used.wall_seconds, 0.0, endpoint.cpu_seconds - served)

    return contend


def worker(endpoint: Endpoint, names: Sequence[str], url: str, scratch: Path) -> Result:
    """Have the project's worker drain its queue."""
    with queued(endpoint, names) as queue:
        served, clouded = endpoint.cpu_seconds, queue.cpu_seconds
        drained = drain(queue, scratch, url)
        return Result(
            drained.usage,
            drained.wall_seconds,
            drained.begun - drained.usage.started,
            endpoint.cpu_seconds - served,
            queue.cpu_seconds - clouded,
        )


def worker_counted(endpoint: Endpoint, names: Sequence[str], url: str, scratch: Path) -> Result:
    """Do the same with a proxy before the embedded cloud."""
    with queued(endpoint, names) as queue:
        with relay(queue.cloud.url) as proxy:
            drained = drain(queue, scratch, url, proxy.url)
        return Result(drained.usage, drained.wall_seconds, 0.0, 0.0, calls=proxy.traffic)


def timed(contestant: Contestant, endpoint: Endpoint, names: Sequence[str]) -> Result:
    """Run a contestant with all its files in memory."""
    endpoint.renew()
    result = contestant(endpoint, names, endpoint.url, endpoint.scratch)
    _check(endpoint, names)
    return result


def counted(contestant: Contestant, endpoint: Endpoint, names: Sequence[str]) -> Result:
    """Run a contestant with its scratch on a disk, where writes count, and through a proxy."""
    endpoint.renew()
    with tools.disk_folder() as scratch, relay(endpoint.url) as proxy:
        result = contestant(endpoint, names, proxy.url, scratch)
    _check(endpoint, names)
    return replace(result, s3=proxy.traffic)


def delayed(
    contestant: Contestant,
    endpoint: Endpoint,
    names: Sequence[str],
    delay_ms: float,
    bytes_per_second: float,
) -> Result:
    """Run a contestant with all its files in memory, and a slow line before the endpoint."""
    endpoint.renew()
    with relay(endpoint.url, delay_ms, bytes_per_second) as proxy:
        result = contestant(endpoint, names, proxy.url, endpoint.scratch)
    _check(endpoint, names)
    return replace(result, s3=proxy.traffic)


def _check(endpoint: Endpoint, names: Sequence[str]) -> None:
    """Raise RuntimeError where an image has no description."""
    described = sum(file.name == "info.json" for file in endpoint.files)
    if described != len(names):
        raise RuntimeError(f"{described} of {len(names)} images were exported")


def bare_vips(files: Sequence[Path], scratch: Path) -> Usage:
    """Run Debian's `vips dzsave` for each file, into memory."""
    loop = f"out=$1; shift; for name; do {scripts.dzsave('$name', '$out/${name##*/}')}; done"
    return usage.run(["sh", "-euc", loop, "sh", str(scratch), *map(str, files)])


def bare_wheel(files: Sequence[Path], scratch: Path) -> Usage:
    """Do the same with the libvips that the worker uses, in one process of Python."""
    command = [sys.executable, "-c", scripts.BARE_WHEEL, str(scratch)]
    return usage.run([*command, *map(str, files)])
