"""A reverse proxy between all child processes and the embedded cloud, on 127.0.0.1.

One thread with an event loop; each connection of a client has one of its own to the cloud. What
to do with a request is the meddler's business, asked before it is sent on and again when its
answer is there.
"""

import asyncio
import contextlib
import threading
from asyncio import IncompleteReadError, StreamReader, StreamWriter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self

from tests.chaos.http_messages import (
    CONTINUE,
    Request,
    Response,
    expects_continue,
    read_head,
    read_request,
    read_response,
)

HOST = "127.0.0.1"
MAX_HEAD_BYTES = 262_144


@dataclass(frozen=True, slots=True)
class Pass:
    """Let it go on as it is."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Close the connection without a word."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Say this to the client instead."""

    raw: bytes


Verdict = Pass | Cut | Answer


class Meddler(Protocol):
    """Decides on requests; called in the proxy's thread alone. `port` is the client's."""

    def connected(self, port: int) -> None:
        """Note a connection."""

    def left_by(self, port: int) -> None:
        """Note that a connection is over."""

    def arrives(self, port: int, request: Request) -> Verdict:
        """Decide before a request is sent on."""

    def answered(self, port: int, request: Request, response: Response) -> Verdict:
        """Decide when the cloud has done what was asked."""


@dataclass
class Proxy:
    """The proxy; `upstream` (host and port) may be told after the start, as no one asks before."""

    meddler: Meddler
    upstream: tuple[str, int] | None = None
    faults: list[BaseException] = field(default_factory=list)
    """What went wrong in the proxy itself: there should be nothing."""

    def __enter__(self) -> Self:
        self._tasks: set[asyncio.Task[None] | None] = set()
        self._loop = asyncio.new_event_loop()
        self._server = self._loop.run_until_complete(
            asyncio.start_server(self._serve, HOST, 0, limit=MAX_HEAD_BYTES)
        )
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def port(self) -> int:
        """Return the port that clients are to use."""
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """Return the endpoint for all services."""
        return f"http://{HOST}:{self.port}"

    async def _close(self) -> None:
        self._server.close()
        # A connection that was just accepted may yet become a task.
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            with contextlib.ExitStack() as stack:
                # Nothing else holds a task whose client has gone while the cloud is at work.
                task = asyncio.current_task()
                stack.callback(self._tasks.discard, task)
                self._tasks.add(task)
                stack.callback(writer.close)
                assert self.upstream is not None
                cloud_reader, cloud_writer = await asyncio.open_connection(
                    *self.upstream, limit=MAX_HEAD_BYTES
                )
                stack.callback(cloud_writer.close)
                port = writer.get_extra_info("peername")[1]
                self.meddler.connected(port)
                stack.callback(self.meddler.left_by, port)
                while await self._exchange(port, reader, writer, cloud_reader, cloud_writer):
                    pass
        except (IncompleteReadError, ConnectionError):
            # Either side has gone, as killed processes do.
            return
        except Exception as error:  # noqa: BLE001  # told at the end of the test
            self.faults.append(error)

    async def _exchange(
        self,
        port: int,
        reader: StreamReader,
        writer: StreamWriter,
        cloud_reader: StreamReader,
        cloud_writer: StreamWriter,
    ) -> bool:
        """Serve one request; tell whether the connection lives on."""
        head = await read_head(reader)
        if expects_continue(head):
            writer.write(CONTINUE)
        request = await read_request(head, reader)
        verdict = self.meddler.arrives(port, request)
        response = None
        if isinstance(verdict, Pass):
            cloud_writer.write(request.raw)
            response = await read_response(cloud_reader, request.method)
            verdict = self.meddler.answered(port, request, response)
        if isinstance(verdict, Cut):
            writer.transport.abort()
            return False
        if isinstance(verdict, Answer):
            writer.write(verdict.raw)
        elif response is not None:
            writer.write(response.raw)
        await writer.drain()
        return response is None or not response.is_last
