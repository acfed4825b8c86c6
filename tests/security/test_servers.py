"""The servers of the console: for this machine alone, and for nothing beyond their folder."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from console.embedded import EmbeddedCloud

LOOPBACK = "0100007F"
LISTEN = "0A"
SECRET = b"not for the web"


def listening(pid: int) -> set[tuple[str, int]]:
    """Return address (in hex) and port of the sockets that a process listens on, IPv4 and IPv6.

    https://man7.org/linux/man-pages/man5/proc_pid_net.5.html
    """
    links = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()]
    inodes = {link[len("socket:[") : -1] for link in links if link.startswith("socket:[")}
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTEN and fields[9] in inodes:
                address, _, port = fields[1].partition(":")
                found.add((address, int(port, 16)))
    return found


@contextmanager
def serving(folder: Path) -> Iterator[tuple[int, int]]:
    """Yield process id and port of `tilepool serve`."""
    command = [sys.executable, "-m", "console", "serve", str(folder), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = urlsplit(server.stdout.readline().partition(" at ")[2].split()[0]).port
        assert port is not None
        try:
            yield server.pid, port
        finally:
            server.terminate()


def test_the_embedded_cloud_listens_on_the_loopback_alone(cloud: EmbeddedCloud) -> None:
    found = listening(cloud.process)
    assert urlsplit(cloud.url).port in {port for _, port in found}
    assert {address for address, _ in found} == {LOOPBACK}


def test_serve_listens_on_the_loopback_alone(tmp_path: Path) -> None:
    with serving(tmp_path) as (pid, port):
        assert listening(pid) == {(LOOPBACK, port)}


@pytest.mark.parametrize("link", ["file.json", "folder/secret.json", "up/secret.json", "loop/x"])
def test_serve_follows_no_link_out_of_its_folder(tmp_path: Path, link: str) -> None:
    export, outside = tmp_path / "export", tmp_path / "outside"
    export.mkdir()
    outside.mkdir()
    (outside / "secret.json").write_bytes(SECRET)
    (tmp_path / "export-2").mkdir()
    (export / "good.json").write_bytes(b"good")
    (export / "inside.json").symlink_to("good.json")
    (export / "file.json").symlink_to(outside / "secret.json")
    (export / "folder").symlink_to(outside)
    (export / "up").symlink_to("../outside")
    (export / "loop").symlink_to("loop")
    with serving(export) as (_, port):
        answers = {path: ask(port, path) for path in ("/good.json", "/inside.json", f"/{link}")}
    assert answers["/good.json"] == answers["/inside.json"] == (200, b"good")
    status, body = answers[f"/{link}"]
    assert status == 404
    assert SECRET not in body


def ask(port: int, path: str) -> tuple[int, bytes]:
    with closing(HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
