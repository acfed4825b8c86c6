"""Whole HTTP/1.1 messages read from asyncio streams: head as it came, body in one piece.

Bodies here are small. What AWS's clients and moto's server do not use is not read.
https://www.rfc-editor.org/rfc/rfc9112
"""

from asyncio import StreamReader
from collections.abc import Mapping
from dataclasses import dataclass

WITHOUT_BODY = {204, 304}
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LINE_END = b"\r\n"
HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Request:
    """A request. `raw` is what to send on; header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    raw: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """A response. `raw` is what to send on."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    raw: bytes

    @property
    def is_last(self) -> bool:
        """Tell whether the server closes the connection."""
        return self.headers.get("connection", "").casefold() == "close"


async def read_head(reader: StreamReader) -> bytes:
    """Return a message's head; raises IncompleteReadError at the end of the stream."""
    return await reader.readuntil(HEAD_END)


async def read_request(head: bytes, reader: StreamReader) -> Request:
    """Read the rest of a request."""
    first, headers = _parse_head(head)
    method, target, _ = first.split(" ", 2)
    body, raw = await _read_body(reader, headers, to_the_end=False)
    return Request(method, target, headers, body, head + raw)


async def read_response(reader: StreamReader, method: str) -> Response:
    """Read the response to a request of a method."""
    head = await read_head(reader)
    while head.split(b" ", 2)[1] == b"100":
        head = await read_head(reader)
    first, headers = _parse_head(head)
    status = int(first.split(" ", 2)[1])
    if method == "HEAD" or status in WITHOUT_BODY:
        return Response(status, headers, b"", head)
    body, raw = await _read_body(reader, headers, to_the_end=True)
    return Response(status, headers, body, head + raw)


def expects_continue(head: bytes) -> bool:
    """Tell whether the client waits for a word before it sends the body."""
    return _parse_head(head)[1].get("expect", "").casefold() == "100-continue"


def answer(status: int, body: bytes, content_type: str, *headers: tuple[str, str]) -> bytes:
    """Return a response of our own."""
    lines = [
        f"HTTP/1.1 {status} Chaos",
        f"Content-Length: {len(body)}",
        f"Content-Type: {content_type}",
        *(f"{name}: {value}" for name, value in headers),
    ]
    return "\r\n".join(lines).encode() + HEAD_END + body


def _parse_head(head: bytes) -> tuple[str, dict[str, str]]:
    first, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().casefold()] = value.strip()
    return first, headers


async def _read_body(
    reader: StreamReader, headers: Mapping[str, str], *, to_the_end: bool
) -> tuple[bytes, bytes]:
    """Return a body, and the bytes that carried it."""
    if headers.get("transfer-encoding", "").casefold() == "chunked":
        return await _read_chunks(reader)
    if "content-length" in headers:
        body = await reader.readexactly(int(headers["content-length"]))
    else:
        body = await reader.read() if to_the_end else b""
    return body, body


async def _read_chunks(reader: StreamReader) -> tuple[bytes, bytes]:
    body = raw = b""
    while True:
        size = await reader.readuntil(LINE_END)
        length = int(size.split(b";")[0], 16)
        chunk = await reader.readexactly(length + len(LINE_END))
        raw += size + chunk
        if length == 0:
            return body, raw
        body += chunk[:length]
