import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import AnyUrl

from pipeline.address import page_url


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://example.org", "https://example.org/"),
        ("HTTPS://Example.ORG:443/A?b=c#d", "https://example.org/A?b=c#d"),
        ("http://example.org:8080/x", "http://example.org:8080/x"),
        ("https://de.wikipedia.org/wiki/München", "https://de.wikipedia.org/wiki/M%C3%BCnchen"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
        ("https://example.org/a%20b", "https://example.org/a%20b"),
        ("https://xn--bcher-kva.example/", "https://xn--bcher-kva.example/"),
        ("https://例え.example/", "https://xn--r8jz45g.example/"),
        ("http://[::1]:8000/", "http://[::1]:8000/"),
    ],
)
def test_an_address_is_written_as_libraries_write_it(text: str, url: str) -> None:
    assert page_url(text) == url
    assert str(AnyUrl(url)) == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.org",
        "www.example.org",
        "ftp://example.org",
        "javascript:alert(1)",
        "JaVaScRiPt://example.org/%0aalert(1)",
        "data:text/html,x",
        "//example.org",
        "https://",
        "https:///path",
        "https://user:secret@example.org/",
        "https://example.org/a b",
        'https://example.org/"><script>',
        "https://example.org/a\nb",
        "https://example.org/100%",
        "https://example.org:99999/",
        "https://[::1",
        "https://xn--a.example/",
        "https://xn--n9-eyd.example/",
        "https://9\u0661.example/",
        "https://\u1c80.example/",
        "https://\u115f.example/",
        "https://example.org/" + "x" * 2_000,
        "see https://example.org",
    ],
)
def test_what_is_no_address_of_the_web_is_none(text: str) -> None:
    assert page_url(text) is None


@given(st.text(), st.text())
@example("xn--", "")
@example("a.xn--0", "/%zz")
@example("a\u13a0b", "")
@example("-ß", "")
@example("1.2.3", "")
@example("0x7f.1", "")
def test_what_is_taken_is_taken_by_those_who_read_manifests(host: str, rest: str) -> None:
    for text in (host, f"https://{host}/{rest}", f"https://example.org/{rest}"):
        url = page_url(text)
        if url is not None:
            assert url.isascii()
            AnyUrl(url)
            assert page_url(url) == url
