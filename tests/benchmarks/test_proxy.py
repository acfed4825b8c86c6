import asyncio
import http.client
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from benchmarks.proxy import Line, Requests
from benchmarks.relay import Relay, relay

HEAD = b"PUT /b/k HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNKS = b"3;x=y\r\nGET\r\n1\r\n \r\n0\r\nA: b\r\n\r\n"
CALL = b"POST / HTTP/1.1\r\nX-Amz-Target: DynamoDB_20120810.GetItem\r\nContent-Length: 2\r\n\r\n{}"


class Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        return


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()
        thread.join()


def put(proxy: Relay, bodies: list[bytes]) -> list[bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", int(proxy.url.rpartition(":")[2]))
    answers = []
    for body in bodies:
        connection.request("PUT", "/b/k", body)
        answers.append(connection.getresponse().read())
    connection.close()
    return answers


def names(pieces: list[bytes]) -> list[str]:
    requests = Requests()
    return [name for piece in pieces for name in requests.feed(piece)]


@pytest.mark.parametrize("size", [1, 2, 7, 1_000])
def test_requests_are_counted_wherever_they_are_cut(size: int) -> None:
    sent = (
        HEAD
        + b"GET /"
        + CHUNKED
        + CHUNKS
        + b"GET /b?list-type=2&prefix=x HTTP/1.1\r\n\r\n"
        + CALL
        + b"HEAD /b/k HTTP/1.1\r\n\r\n"
    )
    pieces = [sent[i : i + size] for i in range(0, len(sent), size)]
    assert names(pieces) == ["PUT", "POST", "GET list", "GetItem", "HEAD"]


def test_bodies_are_relayed_unchanged_in_their_order(server: str) -> None:
    bodies = [bytes([i]) * (10 ** (i % 7)) for i in range(14)]
    with relay(server) as proxy:
        assert put(proxy, bodies) == bodies
    assert proxy.traffic.requests == {"PUT": 14}
    assert proxy.traffic.up_bytes > sum(map(len, bodies))
    assert proxy.traffic.down_bytes > sum(map(len, bodies))


def test_every_request_waits(server: str) -> None:
    with relay(server, delay_ms=30) as proxy:
        started = time.monotonic()
        assert put(proxy, [b"x"] * 5) == [b"x"] * 5
        assert time.monotonic() - started >= 5 * 0.03


def test_requests_wait_beside_each_other(server: str) -> None:
    with relay(server, delay_ms=500) as proxy, ThreadPoolExecutor(10) as threads:
        started = time.monotonic()
        list(threads.map(lambda _: put(proxy, [b"x"]), range(10)))
        assert 0.5 <= time.monotonic() - started < 10 * 0.5


def test_all_connections_share_the_line(server: str) -> None:
    with relay(server, bytes_per_second=1e6) as proxy, ThreadPoolExecutor(2) as threads:
        started = time.monotonic()
        list(threads.map(lambda _: put(proxy, [bytes(100_000)]), range(2)))
        # There and back.
        assert time.monotonic() - started >= 4 * 0.1 * 0.9


def test_the_line_is_one_after_another() -> None:
    line = Line(0, 100)
    assert [line.slot(10, 50), line.slot(10, 100), line.slot(20, 10)] == [10.5, 11.5, 20.1]


def test_a_client_that_goes_takes_its_connection_along(server: str) -> None:
    async def leave(port: int) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HEAD)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    with relay(server, delay_ms=50) as proxy:
        asyncio.run(leave(int(proxy.url.rpartition(":")[2])))
        assert put(proxy, [b"after"]) == [b"after"]
    assert proxy.traffic.requests == {"PUT": 2}
