"""Addresses on the web: which are taken, and the one form in which they are written. Pure.

Libraries that read manifests rewrite addresses; one that is in its final form stays as it is.
"""

import re
from ipaddress import ip_address
from unicodedata import name
from urllib.parse import quote, unquote, urlsplit

MAX_ADDRESS_CHARACTERS = 2_000
HOST_NAME = re.compile(r"(?:[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?\.)*[a-z](?:[a-z0-9-]*[a-z0-9])?")
URL_PATH = re.compile(r"(?:[A-Za-z0-9/._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*")
URL_QUERY = re.compile(r"(?:[A-Za-z0-9/._~!$&'()*+,;=:@?-]|%[0-9A-Fa-f]{2})*")
ENCODED = "xn--"
ASCII_OF_HOSTS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")
LETTERS_OF_HOSTS = (
    "CJK UNIFIED IDEOGRAPH",
    "CYRILLIC SMALL LETTER",
    "GREEK SMALL LETTER",
    "HANGUL SYLLABLE",
    "HIRAGANA LETTER",
    "KATAKANA LETTER",
    "LATIN SMALL LETTER",
)
"""How Unicode names the letters that every library takes for those of a host."""
DEFAULT_PORTS = {"http": 80, "https": 443}
NEVER = re.compile(r'[\s<>"\\^`{|}]')
KEPT = "/%._~!$&'()*+,;=:@?-"


def root_mistake(value: str) -> str | None:
    """Return what is wrong with the address of an export's root, if anything."""
    expected = "expected an address that starts with http:// or https://"
    try:
        parts = urlsplit(value)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        return f"{expected}: {error}"
    if parts.scheme not in DEFAULT_PORTS or "@" in parts.netloc or parts.query or parts.fragment:
        return expected
    if not _is_host(host) or not URL_PATH.fullmatch(parts.path) or port == 0 or value[-1] in "?#":
        return f"{expected}, then a host and perhaps a path in ASCII"
    if any(unquote(part) in (".", "..") for part in parts.path.split("/")):
        return f"{expected}, without '.' or '..' in its path"
    return None


def canonical_root(value: str) -> str:
    """Return a root as every library writes it: lower-case host, no default port, no last slash."""
    parts = urlsplit(value)
    netloc = parts.netloc.lower().removesuffix(f":{DEFAULT_PORTS[parts.scheme]}")
    return f"{parts.scheme}://{netloc}{parts.path}".rstrip("/")


def page_url(text: str) -> str | None:
    """Return the address of a web page or file in ASCII; None for anything but http and https.

    Letters beyond ASCII, as browsers show them, are encoded.
    """
    if len(text) > MAX_ADDRESS_CHARACTERS or not text.isprintable() or NEVER.search(text):
        return None
    try:
        parts = urlsplit(text)
        host, port = _ascii_host(parts.hostname or ""), parts.port
    except ValueError:  # UnicodeError is one too
        return None
    path, query, fragment = (
        quote(part, safe=KEPT) for part in (parts.path, parts.query, parts.fragment)
    )
    if parts.scheme not in DEFAULT_PORTS or "@" in parts.netloc or not _is_host(host) or port == 0:
        return None
    if not all(map(URL_QUERY.fullmatch, (path, query, fragment))):
        return None
    place = f"[{host}]" if ":" in host else host
    place += "" if port in (None, DEFAULT_PORTS[parts.scheme]) else f":{port}"
    query, fragment = query and f"?{query}", fragment and f"#{fragment}"
    return f"{parts.scheme}://{place}{path or '/'}{query}{fragment}"


def _is_host(host: str) -> bool:
    if ENCODED in host:
        return _is_encoded(host)
    try:
        # Other spellings of an IPv6 address would be rewritten by libraries.
        return bool(HOST_NAME.fullmatch(host)) or str(ip_address(host)) == host
    except ValueError:
        return False


def _is_encoded(host: str) -> bool:
    """Tell whether a host with letters beyond ASCII is one that every library takes.

    Their rules differ for many a script, most for those that run from right to left.
    """
    try:
        letters = host.encode().decode("idna")
        same = letters.encode("idna").decode() == host
    except UnicodeError:
        return False
    return same and bool(HOST_NAME.fullmatch(host)) and all(map(_is_label, letters.split(".")))


def _is_label(label: str) -> bool:
    plain = label.strip("-") == label and label[2:4] != "--"
    return plain and all(
        character in ASCII_OF_HOSTS
        or (character.casefold() == character and name(character, "").startswith(LETTERS_OF_HOSTS))
        for character in label
    )


def _ascii_host(host: str) -> str:
    """Return a host with its letters beyond ASCII encoded; raises UnicodeError."""
    return host if host.isascii() else host.encode("idna").decode()
