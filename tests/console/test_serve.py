"""The static host over real HTTP: what a viewer needs, and nothing beyond the folder."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from http.server import ThreadingHTTPServer
from pathlib import Path
from subprocess import DEVNULL, PIPE
from time import sleep
from urllib.parse import quote, urlsplit

import pytest

from console.errors import ConsoleError, ExitCode
from console.serve import describe, make_server, serve_folder
from pipeline.storage import INFO_TYPES, JPEG_TYPE, PRESENTATION_TYPE, csv_type

TIMEOUT_SECONDS = 10
NAME = "Großes Archiv #1, 100%"
SECRET = b"not for the web"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Host:
    """A running server of a folder."""

    folder: Path
    port: int

    def ask(
        self, path: str, method: str = "GET", headers: Mapping[str, str] | None = None
    ) -> Answer:
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_SECONDS)) as connection:
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in (headers or {}).items():
                connection.putheader(name, value)
            connection.endheaders()
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    folder = tmp_path / "export"
    for name, content in {
        "c/collection.json": b'{"id": "x"}',
        "c/book/manifest.json": b"{}",
        "c/tiles/book-1/info.json": b"{}",
        "c/tiles/book-1/full/max/0/default.jpg": b"\xff\xd8",
        "c/letters.csv": b"identifier\n",
        "c/collections/12.json": b"{}",
        f"{NAME}/manifest.json": b"[]",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (tmp_path / "secret.txt").write_bytes(SECRET)
    with make_server(folder, 0) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield Host(folder, server.server_port)
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/c/collection.json", PRESENTATION_TYPE),
        ("/c/book/manifest.json", PRESENTATION_TYPE),
        ("/c/tiles/book-1/info.json", INFO_TYPES[3]),
        ("/c/tiles/book-1/full/max/0/default.jpg", JPEG_TYPE),
        ("/c/collections/12.json", PRESENTATION_TYPE),
        ("/c/letters.csv", csv_type("utf-8")),
    ],
)
def test_files_have_the_content_types_that_s3_would_send(
    host: Host, path: str, content_type: str
) -> None:
    answer = host.ask(path)
    assert answer.status == 200
    assert answer.headers["Content-type"] == content_type
    assert answer.body == (host.folder / path[1:]).read_bytes()


def test_a_query_makes_no_difference(host: Host) -> None:
    assert host.ask("/c/tiles/book-1/info.json?t=1").headers["Content-type"] == INFO_TYPES[3]


def test_head_has_the_headers_and_no_body(host: Host) -> None:
    answer = host.ask("/c/book/manifest.json", "HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["Content-type"] == PRESENTATION_TYPE
    assert answer.headers["Content-Length"] == "2"


@pytest.mark.parametrize("path", ["/c/collection.json", "/c/nothing.json", "/c/", "/c"])
def test_other_origins_may_read_every_answer(host: Host, path: str) -> None:
    assert (
        host.ask(path, headers={"Origin": "https://a.org"}).headers["Access-Control-Allow-Origin"]
        == "*"
    )


@pytest.mark.parametrize("path", ["/c/collection.json", "/c/nothing.json"])
def test_a_preflight_allows_reading_with_any_header(host: Host, path: str) -> None:
    answer = host.ask(path, "OPTIONS", {"Access-Control-Request-Headers": "x-anything"})
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Access-Control-Allow-Headers"] == "*"
    assert "GET" in answer.headers["Access-Control-Allow-Methods"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_can_be_written(host: Host, method: str) -> None:
    assert host.ask("/c/collection.json", method).status >= 400
    assert (host.folder / "c/collection.json").read_bytes() == b'{"id": "x"}'


@pytest.mark.parametrize("path", ["/", "/c/", "/c/tiles/", "/c/book/"])
def test_folders_are_not_listed(host: Host, path: str) -> None:
    answer = host.ask(path)
    assert answer.status == 404
    assert b"manifest" not in answer.body


@pytest.mark.parametrize("path", ["/nothing", "/c/nothing.jpg", "/c/collection.json/"])
def test_what_is_not_there_is_not_found(host: Host, path: str) -> None:
    assert host.ask(path).status == 404


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/c/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/c/%2e%2e%2f%2e%2e%2fsecret.txt",
        "/..%5csecret.txt",
        "/%252e%252e/secret.txt",
        "//../secret.txt",
        "/./.././secret.txt",
        "/%c0%ae%c0%ae/secret.txt",
        "../secret.txt",
    ],
)
def test_nothing_outside_the_folder_is_served(host: Host, path: str) -> None:
    answer = host.ask(path)
    assert answer.status >= 400
    assert SECRET not in answer.body


def test_an_absolute_path_is_one_inside_the_folder(host: Host) -> None:
    answer = host.ask("/" + quote(str(host.folder.parent / "secret.txt")))
    assert answer.status == 404


def test_a_path_that_no_file_can_have_is_not_found(host: Host) -> None:
    assert host.ask("/c/%00").status == 404


def test_percent_encoded_names_are_found(host: Host) -> None:
    answer = host.ask(f"/{quote(NAME)}/manifest.json")
    assert (answer.status, answer.body) == (200, b"[]")


def test_a_failed_request_does_not_end_the_server(host: Host) -> None:
    with socket.create_connection(("127.0.0.1", host.port)) as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        connection.recv(1000)
    assert host.ask("/c/collection.json").status == 200


def test_only_this_machine_can_reach_it(host: Host) -> None:
    # All of 127/8 is this machine: a server on all interfaces would answer here too.
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", host.port), timeout=TIMEOUT_SECONDS).close()


def test_a_port_that_is_taken_is_a_usage_error(host: Host) -> None:
    with pytest.raises(ConsoleError, match=f"--port: {host.port}") as caught:
        serve_folder(host.folder, host.port, print)
    assert caught.value.exit_code is ExitCode.USAGE


def test_a_server_that_ends_by_itself_is_a_failure(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ThreadingHTTPServer, "serve_forever", lambda _server, _seconds: None)
    with pytest.raises(ConsoleError, match="the server broke") as caught:
        serve_folder(host.folder, 0, print)
    assert caught.value.exit_code is ExitCode.FAILED


@pytest.mark.parametrize("tenths", range(5))
def test_it_ends_when_told_to_however_much_it_is_asked(host: Host, tenths: int) -> None:
    command = [sys.executable, "-m", "console", "serve", str(host.folder), "--port", "0"]
    with (
        subprocess.Popen(command, stdout=PIPE, stderr=DEVNULL, text=True) as server,
        ThreadPoolExecutor(8) as threads,
    ):
        assert server.stdout is not None
        port = urlsplit(server.stdout.readline().partition(" at ")[2].split()[0]).port
        assert port is not None
        asking = [threads.submit(ask_on, Host(host.folder, port)) for _ in range(8)]
        while not any(one.running() for one in asking):
            sleep(0.01)
        sleep(tenths / 10)
        server.terminate()
        try:
            assert server.wait(TIMEOUT_SECONDS) == 0
            assert server.stdout.read().splitlines()[-1] == "Stopped."
        finally:
            server.kill()


def ask_on(host: Host) -> None:
    """Ask a server until it is gone."""
    with suppress(OSError, HTTPException):
        while True:
            host.ask("/none")


# What is told before it serves


URL = "http://127.0.0.1:8000"


def publish(folder: Path, name: str, document: object) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(document))


def test_collections_and_manifests_are_named_with_their_urls(tmp_path: Path) -> None:
    publish(tmp_path, "c d/collection.json", {"id": f"{URL}/c%20d/collection.json"})
    publish(tmp_path, "c d/é#1/manifest.json", {})
    assert list(describe(tmp_path, URL)) == [
        f"  {URL}/c%20d/collection.json",
        f"  {URL}/c%20d/%C3%A9%231/manifest.json",
    ]


def test_a_foreign_base_is_warned_about_with_what_to_do(tmp_path: Path) -> None:
    publish(tmp_path, "c/collection.json", {"id": "https://images.example.org/c/collection.json"})
    *_, warning = describe(tmp_path, URL)
    assert "https://images.example.org:" in warning
    assert f"--base-url {URL}" in warning


def test_an_export_for_this_address_is_not_warned_about(tmp_path: Path) -> None:
    publish(tmp_path, "c/collection.json", {"id": f"{URL}/c/collection.json"})
    assert list(describe(tmp_path, URL)) == [f"  {URL}/c/collection.json"]


@pytest.mark.parametrize("document", [None, [], 1, {}, {"id": ""}, "text"])
def test_a_collection_of_somebody_else_breaks_nothing(tmp_path: Path, document: object) -> None:
    publish(tmp_path, "c/collection.json", document)
    assert list(describe(tmp_path, URL)) == [f"  {URL}/c/collection.json"]


def test_many_manifests_are_cut(tmp_path: Path) -> None:
    for number in range(23):
        publish(tmp_path, f"c/{number:02}/manifest.json", {})
    lines = list(describe(tmp_path, URL))
    assert len(lines) == 21
    assert lines[-1] == "  … and 3 more manifests"


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    (line,) = describe(tmp_path, URL)
    assert "no manifest" in line


def test_image_services_are_not_searched(tmp_path: Path) -> None:
    publish(tmp_path, "c/tiles/x-1/info.json", {})
    publish(tmp_path, "c/tiles/x-1/full/manifest.json", {})
    (line,) = describe(tmp_path, URL)
    assert "no manifest" in line


def test_an_item_may_be_called_tiles(tmp_path: Path) -> None:
    publish(tmp_path, "c/tiles/manifest.json", {})
    assert list(describe(tmp_path, URL)) == [f"  {URL}/c/tiles/manifest.json"]


def test_a_name_that_is_not_unicode_breaks_nothing(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/b\xff"
    try:
        os.mkdir(folder)  # noqa: PTH102  # pathlib takes no bytes
    except OSError:
        pytest.skip("this file system holds Unicode names only")
    Path(os.fsdecode(folder), "manifest.json").write_bytes(b"{}")
    assert list(describe(tmp_path, URL))
