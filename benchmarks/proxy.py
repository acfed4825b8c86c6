"""A relay before an HTTP server that counts requests, makes each wait, and narrows the line.

    proxy.py PORT --delay-ms 30 --bytes-per-second 100000000

Writes the port that it listens on; at the end of its standard input, a report. It reads no more
than what tells where a request ends, and relays the bytes as they are: its CPU time is the
machine's. A process of its own.
"""

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import cast

HOST = "127.0.0.1"
HELD_BYTES = 262_144
"""So much of one direction waits here before its sender is held up."""
PUNCTUAL_SECONDS = 0.0005
LISTED = ("list-type=", "?prefix=", "&prefix=")
HEAD_END, LINE_END = b"\r\n\r\n", b"\r\n"


class Expected(Enum):
    """What comes next in a request, behind a body that may be under way."""

    HEAD = auto()
    CHUNK = auto()
    TRAILER = auto()


@dataclass
class Line:
    """The line that all connections share, in both directions, and what went over it."""

    delay_seconds: float
    bytes_per_second: float
    requests: Counter[str] = field(default_factory=Counter)
    up_bytes: int = 0
    down_bytes: int = 0
    first: float | None = None
    last: float | None = None
    _free_at: float = 0.0

    def note(self, name: str) -> None:
        """Count a request."""
        self.requests[name] += 1
        self.first = self.first or time.time()

    def slot(self, now: float, size: int) -> float:
        """Return when so many bytes will be over the line."""
        if not self.bytes_per_second:
            return now
        self._free_at = max(now, self._free_at) + size / self.bytes_per_second
        return self._free_at

    def report(self) -> dict[str, object]:
        """Return what there was to see."""
        seen = ("requests", "up_bytes", "down_bytes", "first", "last")
        return {name: getattr(self, name) for name in seen} | {"cpu_seconds": time.process_time()}


class Requests:
    """Finds where requests begin in what a client sends."""

    def __init__(self) -> None:
        self._begun = b""
        self._body = 0
        self._expected = Expected.HEAD

    def feed(self, data: bytes) -> list[str]:
        """Return the names of the requests whose heads end in this piece."""
        names = []
        while data:
            skipped = min(self._body, len(data))
            self._body -= skipped
            data = self._begun + data[skipped:]
            end = HEAD_END if self._expected is Expected.HEAD else LINE_END
            text, found, rest = data.partition(end)
            if not found:
                self._begun = data
                break
            self._begun, data = b"", rest
            if self._expected is Expected.HEAD:
                names.append(self._begin(text))
            elif self._expected is Expected.CHUNK:
                self._begin_chunk(text)
            elif not text:
                self._expected = Expected.HEAD
        return names

    def _begin(self, head: bytes) -> str:
        first, *lines = head.decode("latin-1").split("\r\n")
        fields = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in fields}
        if headers.get("transfer-encoding", "").lower() == "chunked":
            self._expected = Expected.CHUNK
        else:
            self._body = int(headers.get("content-length", 0))
        target = headers.get("x-amz-target")
        if target:
            return target.rpartition(".")[2]
        method, path = first.split(" ")[:2]
        return f"{method} list" if any(mark in path for mark in LISTED) else method

    def _begin_chunk(self, line: bytes) -> None:
        size = int(line.partition(b";")[0], 16)
        if size:
            self._body = size + len(LINE_END)
        else:
            self._expected = Expected.TRAILER


class Way(asyncio.Protocol):
    """One direction of a connection: what comes in here goes out at `opposite`, when it is due."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.loop = asyncio.get_running_loop()
        self.opposite: Way | None = None
        self.transport: asyncio.Transport | None = None
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._due = 0.0
        self._choked = False
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def hold(self, data: bytes, due: float) -> None:
        """Pass a piece on when it is due, behind those before it."""
        self._due = max(self._due, due)
        self._held.append(data)
        self._held_bytes += len(data)
        if len(self._held) == 1:
            self._pass_on()
        self._flow()

    def _pass_on(self) -> None:
        if self._due > self.loop.time() + PUNCTUAL_SECONDS:
            self.loop.call_at(self._due, self._pass_on)
            return
        if self.opposite is not None and self.opposite.transport is not None:
            self.opposite.transport.writelines(self._held)
        self._held, self._held_bytes = [], 0
        self._flow()
        if self._ended:
            self._end()

    def _flow(self) -> None:
        """Read on, or not: no more than is held here, or than the other side takes."""
        full = self._choked or self._held_bytes > HELD_BYTES
        if self.transport is not None and full:
            self.transport.pause_reading()
        elif self.transport is not None:
            self.transport.resume_reading()

    def choke(self, *, choked: bool) -> None:
        """Read nothing for as long as the other side takes nothing."""
        self._choked = choked
        self._flow()

    def pause_writing(self) -> None:
        if self.opposite is not None:
            self.opposite.choke(choked=True)

    def resume_writing(self) -> None:
        if self.opposite is not None:
            self.opposite.choke(choked=False)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        if not self._held:
            self._end()

    def _end(self) -> None:
        if self.opposite is not None and self.opposite.transport is not None:
            self.opposite.transport.close()


class Down(Way):
    """From the server to a client."""

    def data_received(self, data: bytes) -> None:
        self.line.down_bytes += len(data)
        self.line.last = time.time()
        self.hold(data, self.line.slot(self.loop.time(), len(data)))


class Up(Way):
    """From a client to the server, to which it connects."""

    def __init__(self, line: Line, port: int) -> None:
        super().__init__(line)
        self._port = port
        self._requests = Requests()
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.choke(choked=True)
        self._connecting = self.loop.create_task(self._connect())

    async def _connect(self) -> None:
        down = Down(self.line)
        down.opposite = self
        await self.loop.create_connection(lambda: down, HOST, self._port)
        self.opposite = down
        self.choke(choked=False)
        if self._ended:
            self._end()

    def data_received(self, data: bytes) -> None:
        self.line.up_bytes += len(data)
        now = self.loop.time()
        due = self.line.slot(now, len(data))
        for name in self._requests.feed(data):
            self.line.note(name)
            due = max(due, now + self.line.delay_seconds)
        self.hold(data, due)


async def serve(line: Line, port: int) -> None:
    """Relay until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Up(line, port), HOST, 0, backlog=1_024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


def main() -> None:
    """Relay, and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int, help="of the server behind")
    parser.add_argument("--delay-ms", type=float, default=0)
    parser.add_argument("--bytes-per-second", type=float, default=0, help="0 is without a limit")
    given = parser.parse_args()
    line = Line(given.delay_ms / 1_000, given.bytes_per_second)
    asyncio.run(serve(line, given.port))
    print(json.dumps(line.report()))


if __name__ == "__main__":
    main()
