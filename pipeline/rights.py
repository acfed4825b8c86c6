"""Rights as Presentation 3 wants them: a URI of Creative Commons or of RightsStatements.org. Pure.

https://iiif.io/api/presentation/3.0/#rights asks for `http`, since that is how both name their
statements. What people type instead is understood where it means one statement only.
"""

import re

MAX_RIGHTS_CHARACTERS = 300

CC_URL = re.compile(
    r"(?:https?://)?(?:www\.)?creativecommons\.org/(?P<kind>licenses|publicdomain)"
    r"/(?P<code>[a-z+-]+)/(?P<version>[0-9]\.[0-9])(?:/(?!deed|legalcode)(?P<place>[a-z]{2,8}))?"
    r"(?:/(?:deed|legalcode)(?:\.[a-z_-]+)?)?/?(?:[?#].*)?",
    re.IGNORECASE,
)
STATEMENT_URL = re.compile(
    r"(?:https?://)?(?:www\.)?rightsstatements\.org/(?:vocab|page|data)/(?P<code>[a-z-]+)/1\.0"
    r"(?:/|\.html)?(?:[?#].*)?",
    re.IGNORECASE,
)
CC_NAME = re.compile(
    r"cc (?P<code>by(?: nc)?(?: sa| nd)?) (?P<version>[1-4] [0-9])(?: (?P<place>[a-z]{2}))?"
)
CC_ZERO = re.compile(r"cc ?0(?: 1 0)?(?: universal)?")
PUBLIC_DOMAIN_MARK = re.compile(r"(?:public domain mark|pdm)(?: 1 0)?")

LICENSES = frozenset(
    [
        "by",
        "by-sa",
        "by-nd",
        "by-nc",
        "by-nc-sa",
        "by-nc-nd",
        "by-nd-nc",
        "sa",
        "nd",
        "nc",
        "nc-sa",
        "nd-nc",
        "devnations",
        "sampling",
        "sampling+",
        "nc-sampling+",
    ]
)
VERSIONS = frozenset(["1.0", "2.0", "2.1", "2.5", "3.0", "4.0"])
PUBLIC_DOMAIN = frozenset(["zero", "mark", "certification"])
STATEMENTS = {
    "InC": "In Copyright",
    "InC-OW-EU": "In Copyright - EU Orphan Work",
    "InC-EDU": "In Copyright - Educational Use Permitted",
    "InC-NC": "In Copyright - Non-Commercial Use Permitted",
    "InC-RUU": "In Copyright - Rights-holder(s) Unlocatable or Unidentifiable",
    "NoC-CR": "No Copyright - Contractual Restrictions",
    "NoC-NC": "No Copyright - Non-Commercial Use Only",
    "NoC-OKLR": "No Copyright - Other Known Legal Restrictions",
    "NoC-US": "No Copyright - United States",
    "CNE": "Copyright Not Evaluated",
    "UND": "Copyright Undetermined",
    "NKC": "No Known Copyright",
}
"""https://rightsstatements.org/page/1.0/"""
WORDS = {
    "creative commons": "cc",
    "attribution": "by",
    "share alike": "sa",
    "sharealike": "sa",
    "non commercial": "nc",
    "noncommercial": "nc",
    "no derivatives": "nd",
    "noderivatives": "nd",
    "noderivs": "nd",
    "international": "",
    "unported": "",
    "generic": "",
    "license": "",
    "licence": "",
}
MEANT = re.compile(rf"\b(?:{'|'.join(WORDS)})\b")


def _words(text: str) -> str:
    return " ".join(re.sub(r"[^a-z0-9]+", " ", text.casefold()).split())


MEANT_STATEMENTS = {
    _words(text): code for code, name in STATEMENTS.items() for text in (code, name)
}


def rights_uri(text: str) -> str | None:
    """Return the URI that is meant; None where it is not clear, or of neither organisation."""
    text = text.strip()
    if len(text) > MAX_RIGHTS_CHARACTERS:
        return None
    if found := CC_URL.fullmatch(text):
        kind, code, version, place = (part and part.lower() for part in found.groups())
        return _license(kind, code, version, place)
    if found := STATEMENT_URL.fullmatch(text):
        return _statement(_words(found["code"]))
    words = _words(text)
    return _statement(words.removesuffix(" 1 0")) or _named_license(words)


def _license(kind: str, code: str, version: str, place: str | None) -> str | None:
    if kind == "publicdomain":
        known = code in PUBLIC_DOMAIN and version == "1.0"
    else:
        known = code in LICENSES and version in VERSIONS
    if not known:
        return None
    suffix = f"{place}/" if place else ""
    return f"http://creativecommons.org/{kind}/{code}/{version}/{suffix}"


def _named_license(words: str) -> str | None:
    if CC_ZERO.fullmatch(words):
        return _license("publicdomain", "zero", "1.0", None)
    if PUBLIC_DOMAIN_MARK.fullmatch(words):
        return _license("publicdomain", "mark", "1.0", None)
    meant = " ".join(MEANT.sub(lambda found: WORDS[found[0]], words).split())
    half = len(meant) // 2
    if meant[:half] == meant[half + 1 :]:  # the name in full, then its short form
        meant = meant[:half]
    if found := CC_NAME.fullmatch(meant):
        code, version = found["code"].replace(" ", "-"), found["version"].replace(" ", ".")
        return _license("licenses", code, version, found["place"])
    return None


def _statement(words: str) -> str | None:
    code = MEANT_STATEMENTS.get(words)
    return code and f"http://rightsstatements.org/vocab/{code}/1.0/"
