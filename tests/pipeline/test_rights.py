import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.rights import STATEMENTS, rights_uri

CC = "http://creativecommons.org"
RS = "http://rightsstatements.org/vocab"
ALLOWED = re.compile(
    r"http://creativecommons\.org/(licenses|publicdomain)/[a-z+-]+/[0-9]\.[0-9]/([a-z]+/)?"
    r"|http://rightsstatements\.org/vocab/[A-Za-z-]+/1\.0/"
)


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("http://creativecommons.org/licenses/by/4.0/", f"{CC}/licenses/by/4.0/"),
        ("https://creativecommons.org/licenses/by/4.0/deed.en", f"{CC}/licenses/by/4.0/"),
        ("https://www.creativecommons.org/licenses/by-sa/4.0", f"{CC}/licenses/by-sa/4.0/"),
        ("creativecommons.org/licenses/by-nc/3.0/us/", f"{CC}/licenses/by-nc/3.0/us/"),
        ("https://creativecommons.org/licenses/by/2.0/legalcode.de", f"{CC}/licenses/by/2.0/"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", f"{CC}/publicdomain/zero/1.0/"),
        ("HTTPS://CREATIVECOMMONS.ORG/publicdomain/mark/1.0/", f"{CC}/publicdomain/mark/1.0/"),
        ("CC BY 4.0", f"{CC}/licenses/by/4.0/"),
        (" cc-by-nc-nd 3.0 ", f"{CC}/licenses/by-nc-nd/3.0/"),
        ("CC BY-SA 3.0 DE", f"{CC}/licenses/by-sa/3.0/de/"),
        ("Creative Commons Attribution 4.0 International License", f"{CC}/licenses/by/4.0/"),
        (
            "Creative Commons Attribution-NonCommercial-ShareAlike 4.0 International"
            " (CC BY-NC-SA 4.0)",
            f"{CC}/licenses/by-nc-sa/4.0/",
        ),
        ("CC0", f"{CC}/publicdomain/zero/1.0/"),
        ("CC0 1.0 Universal", f"{CC}/publicdomain/zero/1.0/"),
        ("Public Domain Mark 1.0", f"{CC}/publicdomain/mark/1.0/"),
        ("http://rightsstatements.org/vocab/InC/1.0/", f"{RS}/InC/1.0/"),
        ("https://rightsstatements.org/page/InC-EDU/1.0/?language=en", f"{RS}/InC-EDU/1.0/"),
        ("rightsstatements.org/vocab/noc-us/1.0", f"{RS}/NoC-US/1.0/"),
        ("In Copyright", f"{RS}/InC/1.0/"),
        ("in copyright – educational use permitted", f"{RS}/InC-EDU/1.0/"),
        ("No Copyright - United States", f"{RS}/NoC-US/1.0/"),
        ("Copyright Not Evaluated", f"{RS}/CNE/1.0/"),
        ("InC-RUU", f"{RS}/InC-RUU/1.0/"),
    ],
)
def test_what_is_typed_for_a_statement_is_its_uri(text: str, uri: str) -> None:
    assert rights_uri(text) == uri


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Public domain",
        "CC BY",
        "CC BY 9.9",
        "CC BY-ND-SA 4.0",
        "All rights reserved",
        "Copyright 2019 Example University",
        "https://example.org/rights",
        "https://creativecommons.org/",
        "https://creativecommons.org/licenses/by/",
        "https://creativecommons.org/licenses/beer/4.0/",
        "https://creativecommons.org.evil.example/licenses/by/4.0/",
        "https://evil.example/creativecommons.org/licenses/by/4.0/",
        "http://rightsstatements.org/vocab/XYZ/1.0/",
        "http://rightsstatements.org/vocab/InC/2.0/",
        "javascript:alert('In Copyright')",
        "In Copyright " * 1_000,
    ],
)
def test_what_is_of_neither_organisation_or_not_clear_is_none(text: str) -> None:
    assert rights_uri(text) is None


@pytest.mark.parametrize(("code", "name"), STATEMENTS.items())
def test_every_statement_is_known_by_uri_code_and_name(code: str, name: str) -> None:
    uri = f"{RS}/{code}/1.0/"
    assert [rights_uri(text) for text in (uri, code, f"{code} 1.0", name, name.upper())] == [
        uri
    ] * 5


PARTS = ["cc", "by", "-", "nc", "sa", " ", "4.0", "0", "1.0", "/", "http://", "In Copyright", "é"]


@given(st.text() | st.lists(st.sampled_from(PARTS)).map("".join))
def test_whatever_is_typed_gives_an_allowed_uri_or_none(text: str) -> None:
    uri = rights_uri(text)
    if uri is not None:
        assert ALLOWED.fullmatch(uri)
        assert rights_uri(uri) == uri
