"""Texts in manifests: plain text stays as typed, HTML is that of the specification, no more."""

import xml.etree.ElementTree as ET

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from manifest_builder.markup import ATTRIBUTES, ELEMENTS, MAX_HTML_CHARACTERS, plain_text, rich_text

PLAIN = [
    "",
    "Smith & Sons",
    "a < b",
    "a < b > c",
    "if a <b and c> d",
    "1 <2",
    "Notes on <trees>",
    "J. Marsh <marsh@example.org>",
    "see <https://example.org>",
    "says \"yes\" &amp; 'no'",
    "=HYPERLINK(1)",
    "two\nlines",
    "\u202etxt",
    "<",
    "a <- b",
]


@pytest.mark.parametrize("text", PLAIN)
def test_plain_text_stays_as_typed(text: str) -> None:
    assert rich_text(text) == text
    assert plain_text(text) == text


def test_plain_text_between_angle_brackets_is_not_taken_for_html() -> None:
    assert rich_text("<trees>") == "<trees> "
    assert plain_text("<trees>") == "<trees>"


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("<p>one</p>", "<p>one</p>"),
        ("H<sub>2</sub>O", "<span>H<sub>2</sub>O</span>"),
        ("The <i>Beagle</i> & more", "<span>The <i>Beagle</i> &amp; more</span>"),
        ("<p>a</p>\n<p>b</p>", "<span><p>a</p>\n<p>b</p></span>"),
        ("one<br>two", "<span>one<br/>two</span>"),
        ("<b>not closed", "<b>not closed</b>"),
        ("<em>a</em> <strong>b</strong>", "<span><i>a</i> <b>b</b></span>"),
        ("<ul><li>a<li>b</ul>", "<span>a<br/>b</span>"),
        ("<div>a</div>b <h1>c</h1>", "<span>a<br/>b <br/>c</span>"),
        ("<div><p>a</p></div>", "<p>a</p>"),
        ("<p>a&nbsp;b</p>", "<p>a\xa0b</p>"),
        (
            '<a href="https://example.org/?a=1&b=2" target="_blank" onclick="x()">x</a>',
            '<a href="https://example.org/?a=1&amp;b=2">x</a>',
        ),
        ('<a href="mailto:a@example.org">x</a>', '<a href="mailto:a@example.org">x</a>'),
        ('<a href=" javascript:alert(1)">x</a>', "<a>x</a>"),
        ('<a href="JAVA&#10;SCRIPT:alert(1)">x</a>', "<a>x</a>"),
        ('<a href="/relative">x</a>', "<a>x</a>"),
        (
            '<img src="https://example.org/i.png" alt="<x>" onerror="x()">',
            '<img src="https://example.org/i.png" alt="&lt;x&gt;"/>',
        ),
        ('<p><img src="data:image/png;base64,AAAA">x</p>', "<p>x</p>"),
        ('<p style="color:red" class="a">x</p>', "<p>x</p>"),
        ("<p>x<!-- y --></p>", "<p>x</p>"),
        ("<p>x<?php y ?></p>", "<p>x</p>"),
    ],
)
def test_html_is_kept_to_the_elements_and_attributes_allowed(text: str, html: str) -> None:
    assert rich_text(text) == html


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
        "<svg/onload=alert(1)>",
        "<img src=x onerror=alert(1)>",
        "<iframe src='javascript:alert(1)'></iframe>",
        "<math><mtext><mglyph><style><img src=x onerror=alert(1)></style></math>",
        "<style>@import 'x'</style>",
        "<!-- <script>alert(1)</script> -->",
    ],
)
def test_scripts_leave_nothing(text: str) -> None:
    assert rich_text(text) == ""
    assert plain_text(text) == ""
    assert rich_text(f"before {text} after").split() == ["before", "after"]


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("The <i>Beagle</i> & more", "The Beagle & more"),
        ("one<br>two", "one two"),
        ("<p>a</p><p>b</p>", "a b"),
    ],
)
def test_labels_lose_their_markup_and_keep_their_words(text: str, label: str) -> None:
    assert plain_text(text) == label


PIECES = [
    *(f"<{name}>" for name in ("p", "b", "i", "br", "script", "style", "svg", "table", "x", "li")),
    *("</p>", "</b>", "</script>", "<!--", "-->", "<![CDATA[", "]]>", "<?", "&lt;", "&nbsp;", "&"),
    *("<a href='", "javascript:", "https://a.org", "'>", '"', "<img src=", " onerror=x", "/>"),
    *("text", " ", "<", ">", "\x00", "\x0b", "\ufffe", "é", "\n"),
]


def assert_allowed(html: str) -> None:
    for node in ET.fromstring(html).iter():  # noqa: S314  # our own output; entities are escaped
        assert node.tag in ELEMENTS
        assert set(node.keys()) <= ATTRIBUTES.get(node.tag, set())
        for name in {"href", "src"} & set(node.keys()):
            assert node.attrib[name].lower().startswith(("http:", "https:", "mailto:"))


@given(st.lists(st.sampled_from(PIECES)).map("".join) | st.text())
@example("<p>\x0b</p>")
@example("<p>&#0;&#xb;&#xfffe;</p>")
def test_what_viewers_take_for_html_is_well_formed_and_allowed(text: str) -> None:
    found = rich_text(text)
    if found.startswith("<") and found.endswith(">"):
        assert_allowed(found)


def test_long_html_loses_its_markup_without_being_parsed() -> None:
    text = "<font x=1>a < b</font><script>" + "y" * MAX_HTML_CHARACTERS
    assert (
        rich_text(text)
        == plain_text(text)
        == text.replace("<font x=1>", "").replace("</font><script>", "").replace("<", "")
    )


def test_long_plain_text_stays_as_typed() -> None:
    text = "a < b\n" * MAX_HTML_CHARACTERS
    assert rich_text(text) == plain_text(text) == text


HOSTILE = ["<", "<b ", "<p>", "<a x='", '<a x="', "<a x=<", "<i x=1 ", "<b><p>", "&", "<br"]


@pytest.mark.parametrize("piece", HOSTILE)
def test_long_hostile_texts_come_to_an_end(piece: str) -> None:
    found = rich_text(piece * (2_000_000 // len(piece)))  # the square would take hours
    assert len(found) <= 4_000_000
