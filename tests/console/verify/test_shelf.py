"""How the URLs of an export are found in a folder, whatever address it will have."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.verify.shelf import Base


@pytest.mark.parametrize(
    ("url", "key", "base"),
    [
        ("https://x.org/a/m.json", "a/m.json", ("https://x.org/", "")),
        ("https://x.org/a/m.json", "export/a/m.json", ("https://x.org/", "export/")),
        ("https://x.org/iiif/a/m.json", "a/m.json", ("https://x.org/iiif/", "")),
        ("https://x.org/iiif/b/m.json", "a/m.json", ("https://x.org/iiif/b/", "a/")),
        ("https://x.org/%C3%A9%20/m.json", "é /m.json", ("https://x.org/", "")),
        ("https://x.org/a/m.json", "a/n.json", None),
        ("https://x.org", "x.org", None),
        ("urn:x/m.json", "m.json", None),
        ("file:///a/m.json", "a/m.json", None),
        ("m.json", "m.json", None),
    ],
)
def test_the_address_is_where_url_and_key_part_ways(
    url: str, key: str, base: tuple[str, str] | None
) -> None:
    assert Base.of(url, key) == base


SEGMENT = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1)


@given(st.lists(SEGMENT, min_size=1, max_size=4), st.lists(SEGMENT, max_size=2))
def test_a_key_has_a_url_that_leads_back_to_it(parts: list[str], above: list[str]) -> None:
    base = Base("https://x.org/iiif/", "".join(f"{name}/" for name in above))
    key = base.prefix + "/".join(parts)
    url = base.address(key)
    assert url is not None
    assert base.key(url) == key
    assert Base.of(url, key) is not None


def test_what_is_not_below_the_address_has_no_key() -> None:
    base = Base("https://x.org/iiif/", "export/")
    assert base.key("https://x.org/other") is None
    assert base.address("elsewhere/m.json") is None
    assert base.key("https://x.org/iiif") == "export"
