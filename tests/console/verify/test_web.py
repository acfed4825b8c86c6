"""Any server may be asked: what it sends is bounded, and what it lacks for viewers is told."""

import gzip
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from console.verify import web
from console.verify.places import Absent, NoAnswer, TooLarge
from console.verify.web import MAX_IN_A_ROW, Web

Answer = Callable[[BaseHTTPRequestHandler], None]


def answer(
    status: int = 200, body: bytes = b"", *, length: int | None = None, **headers: str
) -> Answer:
    """Return how to send an answer; `length` is what it says of its length."""

    def send(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(body)

    return send


def endless(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.end_headers()
    try:
        while True:
            request.wfile.write(b" " * 65_536)
    except OSError:
        return


class Site:
    """A server whose every answer is laid down by path; `asked` notes what was asked for."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[str] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                site.asked.append(self.path)
                site.answers.get(self.path, answer(404))(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    thread = threading.Thread(target=site.server.serve_forever)
    thread.start()
    yield site
    site.server.shutdown()
    thread.join()
    site.server.server_close()


@pytest.fixture
def notes() -> list[str]:
    return []


@pytest.fixture
def place(notes: list[str]) -> Web:
    return Web(lambda _where, what: notes.append(what))


def test_a_document_is_read(site: Site, place: Web) -> None:
    site.answers["/m.json"] = answer(body=b"{}")
    assert place.read(f"{site.url}/m.json", 2) == b"{}"


def test_a_url_is_asked_for_as_it_is(site: Site, place: Web) -> None:
    path = "/a%20b/%C3%A9/0,0,5,5/x%2Fy?v=1"
    site.answers[path] = answer(body=b"x")
    assert place.read(f"{site.url}{path}", 1) == b"x"
    assert site.asked == [path]


@pytest.mark.parametrize("status", [403, 404, 410])
def test_what_is_not_there_is_absent(site: Site, place: Web, status: int) -> None:
    site.answers["/x"] = answer(status, b"no")
    with pytest.raises(Absent, match=str(status)):
        place.read(f"{site.url}/x", 10)


def test_a_server_in_trouble_is_asked_again_and_is_then_no_answer(site: Site, place: Web) -> None:
    site.answers["/x"] = answer(503)
    with pytest.raises(NoAnswer):
        place.read(f"{site.url}/x", 10)
    assert len(site.asked) > 1


def test_an_endless_answer_is_too_large(site: Site, place: Web) -> None:
    site.answers["/x"] = endless
    with pytest.raises(TooLarge):
        place.read(f"{site.url}/x", 100_000)


def test_of_an_endless_answer_the_first_bytes_can_be_seen(site: Site, place: Web) -> None:
    site.answers["/x"] = endless
    assert place.glance(f"{site.url}/x", 100, None).start == b" " * 100


def test_an_answer_that_takes_too_long_in_all_is_none(
    site: Site, place: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "ANSWER_SECONDS", -1.0)
    site.answers["/x"] = answer(body=b"x")
    with pytest.raises(NoAnswer, match="not complete"):
        place.read(f"{site.url}/x", 10)


def test_an_answer_that_breaks_off_is_none(site: Site, place: Web) -> None:
    def break_off(request: BaseHTTPRequestHandler) -> None:
        answer(body=b"abc", length=1000)(request)
        request.close_connection = True

    site.answers["/x"] = break_off
    with pytest.raises(NoAnswer):
        place.read(f"{site.url}/x", 10_000)


def test_a_range_is_asked_for_and_a_whole_answer_forgiven(site: Site, place: Web) -> None:
    seen: list[str | None] = []

    def partial(request: BaseHTTPRequestHandler) -> None:
        seen.append(request.headers["Range"])
        answer(206, b"ab")(request)

    site.answers["/part"], site.answers["/whole"] = partial, answer(body=b"abcdef")
    assert place.glance(f"{site.url}/part", 2, None).start == b"ab"
    assert seen == ["bytes=0-1"]
    assert place.glance(f"{site.url}/whole", 2, None).start == b"ab"


def test_an_empty_file_that_has_no_range_is_empty(site: Site, place: Web) -> None:
    site.answers["/x"] = answer(416, b"<html>")
    assert place.glance(f"{site.url}/x", 2, None).start == b""


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://x"])
def test_no_redirect_leads_to_another_scheme(site: Site, place: Web, target: str) -> None:
    site.answers["/x"] = answer(302, Location=target)
    with pytest.raises((NoAnswer, Absent)):
        place.read(f"{site.url}/x", 10)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "x", "http://", "http://[", "http://x:y/"])
def test_what_is_no_web_address_is_absent(place: Web, url: str) -> None:
    with pytest.raises((NoAnswer, Absent)):
        place.read(url, 10)


def test_redirects_come_to_an_end(site: Site, place: Web) -> None:
    site.answers["/x"] = answer(302, Location="/x")
    with pytest.raises(NoAnswer):
        place.read(f"{site.url}/x", 10)
    assert len(site.asked) < 20


def test_after_a_redirect_both_addresses_are_the_documents(site: Site, place: Web) -> None:
    site.answers["/x"] = answer(302, Location="/y")
    site.answers["/y"] = answer(body=b"{}")
    place.read(f"{site.url}/x", 10)
    assert place.same(f"{site.url}/x", f"{site.url}/y")
    assert place.same(f"{site.url}/x", f"{site.url}/x")
    assert not place.same(f"{site.url}/x", f"{site.url}/z")


def test_a_document_that_is_kept_compressed_is_read(site: Site, place: Web) -> None:
    site.answers["/x"] = answer(body=gzip.compress(b"{}"), Content_Encoding="gzip")
    assert place.read(f"{site.url}/x", 1000) == b"{}"


def test_a_compressed_bomb_is_too_large(site: Site, place: Web) -> None:
    bomb = gzip.compress(b" " * 10_000_000)
    site.answers["/x"] = answer(body=bomb, Content_Encoding="gzip")
    with pytest.raises(TooLarge):
        place.read(f"{site.url}/x", 1_000_000)


@pytest.mark.parametrize("encoding", ["gzip", "br"])
def test_an_encoding_that_is_none_is_absent(site: Site, place: Web, encoding: str) -> None:
    site.answers["/x"] = answer(body=b"{}", Content_Encoding=encoding)
    with pytest.raises(Absent, match="is sent"):
        place.read(f"{site.url}/x", 1000)


def test_a_server_that_is_gone_is_not_asked_for_ever(site: Site, place: Web) -> None:
    site.answers["/x"] = answer(500)
    for _ in range(MAX_IN_A_ROW):
        with pytest.raises(NoAnswer, match="500"):
            place.read(f"{site.url}/x", 10)
    with pytest.raises(NoAnswer, match="not asked any more"):
        place.read(f"{site.url}/x", 10)
    assert len(site.asked) == MAX_IN_A_ROW


def test_what_viewers_would_miss_in_the_headers_is_noted(
    site: Site, place: Web, notes: list[str]
) -> None:
    site.answers["/m.json"] = answer(body=b"{}", Content_Type="text/plain")
    site.answers["/t.jpg"] = answer(
        body=b"x", Content_Type="image/png", Access_Control_Allow_Origin="*"
    )
    place.read(f"{site.url}/m.json", 10)
    place.glance(f"{site.url}/t.jpg", 10, None)
    cors, document, image = notes
    assert "CORS" in cors
    assert "not JSON's" in document
    assert "not image/jpeg" in image
