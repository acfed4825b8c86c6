"""An export on the web: its URLs are asked as they are. The server is not trusted.

Answers are bounded in bytes and time, and no scheme but http and https is followed.
"""

import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from urllib.parse import quote, unquote, urljoin

import urllib3
from urllib3.exceptions import HTTPError, LocationParseError
from urllib3.response import BaseHTTPResponse

from console.verify.places import Absent, Glance, NoAnswer, TooLarge

CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 30.0
ANSWER_SECONDS = 300.0
"""For one answer in all: a server may send a byte now and then for ever."""
MAX_REDIRECTS = 5
MAX_IN_A_ROW = 50
"""Requests without an answer, after which a server is taken for gone."""
PARALLEL = 16
CHUNK_BYTES = 65_536
DRAINED_BYTES = 2_097_152
"""What is read in vain to keep a connection, where a server does not know of ranges."""

ORIGIN = "https://viewer.example"
"""Servers tell of CORS only where a page of another site asks."""
SAFE = "/,:;@!$&'()*+=~?#[]%"

Note = Callable[[str, str], None]
"""Takes where and what."""


class Web:
    """The place of every URL."""

    parallel = PARALLEL
    reads_every_header = True

    def __init__(self, note: Note) -> None:
        self._note = note
        self._pool = urllib3.PoolManager(
            num_pools=8,
            maxsize=PARALLEL,
            block=True,
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=SILENCE_SECONDS),
            retries=urllib3.Retry(
                total=MAX_REDIRECTS + 2,
                connect=1,
                read=1,
                redirect=MAX_REDIRECTS,
                status=2,
                status_forcelist=[429, 502, 503, 504],
                backoff_factor=0.5,
                respect_retry_after_header=False,
                raise_on_status=False,
            ),
        )
        self._unanswered = 0
        self._redirected: dict[str, str] = {}
        self._lock = threading.Lock()

    def name(self, url: str) -> str:
        return url

    def read(self, url: str, limit: int) -> bytes:
        with self._get(url, {}) as answer:
            self._look_at_headers(url, answer)
            self._redirected[url] = _final_url(url, answer)
            return _content(answer, limit)

    def listing(self, folder_url: str) -> dict[str, int] | None:
        return None

    def glance(self, url: str, length: int, size_bytes: int | None) -> Glance:
        with self._get(url, {"Range": f"bytes=0-{length - 1}"}) as answer:
            self._look_at_headers(url, answer)
            return Glance(b"".join(_chunks(answer, length))[:length])

    def same(self, asked: str, said: str) -> bool:
        # Where the user's own address leads elsewhere, either may be the id.
        final = self._redirected.get(asked, asked)
        return unquote(said) in {unquote(asked), unquote(final)}

    @contextmanager
    def _get(self, url: str, headers: dict[str, str]) -> Iterator[BaseHTTPResponse]:
        if self._unanswered >= MAX_IN_A_ROW:
            raise NoAnswer(f"not asked any more: {MAX_IN_A_ROW} requests in a row had no answer")
        if not url.lower().startswith(("http://", "https://")):
            raise Absent("is neither an http nor an https URL")
        asked = {"Accept-Encoding": "identity", "Origin": ORIGIN, **headers}
        try:
            answer = self._pool.request(
                "GET", quote(url, safe=SAFE), headers=asked, preload_content=False
            )
            try:
                _check_status(answer)
                yield answer
                _drain(answer)
                self._unanswered = 0
            finally:
                # With more to come, a connection cannot be used again.
                if answer.length_remaining == 0:
                    answer.release_conn()
                else:
                    answer.close()
        except LocationParseError as error:
            raise Absent("is not a URL that can be asked for") from error
        except (HTTPError, OSError, NoAnswer) as error:
            with self._lock:
                self._unanswered += 1
            raise NoAnswer(_reason(error)) from error

    def _look_at_headers(self, url: str, answer: BaseHTTPResponse) -> None:
        if answer.headers.get("Access-Control-Allow-Origin") not in {"*", ORIGIN}:
            self._note(url, "no CORS header: viewers on other sites cannot read this")
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if url.endswith(".json"):
            if kind not in {"application/json", "application/ld+json"}:
                self._note(url, "a document's Content-Type is not JSON's")
        elif url.endswith(".jpg") and kind != "image/jpeg":
            self._note(url, "a JPEG's Content-Type is not image/jpeg")


def _final_url(url: str, answer: BaseHTTPResponse) -> str:
    for step in answer.retries.history if answer.retries else ():
        url = urljoin(url, step.redirect_location or "")
    return url


def _check_status(answer: BaseHTTPResponse) -> None:
    status = answer.status
    if status in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
        return
    # A range of an empty file cannot be satisfied.
    if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        return
    _drain(answer)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
        raise NoAnswer(f"the server says {status}")
    raise Absent(f"is not there: the server says {status}")


def _chunks(answer: BaseHTTPResponse, length: int) -> Iterator[bytes]:
    """Yield a body's parts, until there are `length` bytes or more, within the time allowed."""
    if answer.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        return
    until = time.monotonic() + ANSWER_SECONDS
    while length > 0:
        # One look at the socket each, so that the time is looked at as well.
        chunk = answer.read1(CHUNK_BYTES, decode_content=False)
        if not chunk:
            return
        if time.monotonic() > until:
            raise NoAnswer(f"the answer is not complete after {ANSWER_SECONDS:.0f} seconds")
        length -= len(chunk)
        yield chunk


def _content(answer: BaseHTTPResponse, limit: int) -> bytes:
    content = b"".join(_chunks(answer, limit + 1))
    encoding = answer.headers.get("Content-Encoding", "identity").lower()
    if encoding in {"gzip", "x-gzip"} and len(content) <= limit:
        # Some hosts keep documents compressed and send them so, whatever is asked for.
        try:
            content = zlib.decompressobj(wbits=31).decompress(content, limit + 1)
        except zlib.error as error:
            raise Absent("is sent as gzip, but is not") from error
    elif encoding != "identity":
        raise Absent(f"is sent with the encoding {encoding!r}, which was not asked for")
    if len(content) > limit:
        raise TooLarge(f"has more than {limit:,} bytes")
    return content


def _drain(answer: BaseHTTPResponse) -> None:
    """Read what is left, where it is little: the connection can be kept."""
    left = answer.length_remaining
    if left is not None and left <= DRAINED_BYTES:
        for _ in _chunks(answer, left):
            pass


def _reason(error: Exception) -> str:
    if isinstance(error, NoAnswer):
        return str(error)
    cause = getattr(error, "reason", None) or error
    text = str(cause).partition("\n")[0]
    # urllib3 puts its own object before what happened.
    return text.rpartition(">: ")[2] or type(cause).__name__
