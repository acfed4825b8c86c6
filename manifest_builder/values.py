"""Single values as Presentation 3 wants them, from what people type: dates, languages, words.

Each function returns None for what it cannot read; nothing here knows of rows or columns.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

DATE = re.compile(r"(?P<year>[0-9]{4})(?:-(?P<month>[0-9]{2})(?:-(?P<day>[0-9]{2}))?)?")
TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?"
    r"(?:Z|[+-][0-9]{2}:?[0-9]{2})?"
)
LANGUAGE_TAG = re.compile(r"([A-Za-z]{2,3})((?:-[A-Za-z]{2,8})*)")
"""Presentation 3 allows letters and hyphens only, so a tag such as es-419 cannot be used."""
WHOLE_NUMBER = re.compile(r"[0-9]{1,9}")

LANGUAGES = {
    "ar": "ara arabic",
    "cs": "ces cze czech",
    "cy": "cym wel welsh",
    "da": "dan danish",
    "de": "deu ger german deutsch",
    "el": "ell gre greek",
    "en": "eng english",
    "es": "spa spanish español",
    "fi": "fin finnish",
    "fr": "fra fre french français",
    "ga": "gle irish",
    "he": "heb hebrew",
    "hu": "hun hungarian",
    "it": "ita italian italiano",
    "ja": "jpn japanese",
    "ko": "kor korean",
    "la": "lat latin",
    "nl": "nld dut dutch nederlands",
    "no": "nor norwegian",
    "pl": "pol polish",
    "pt": "por portuguese português",
    "ru": "rus russian",
    "sv": "swe swedish",
    "tr": "tur turkish",
    "uk": "ukr ukrainian",
    "zh": "zho chi chinese",
}
"""What catalogues write for a language that has a tag of two letters."""
MEANT_LANGUAGES = {name: tag for tag, names in LANGUAGES.items() for name in names.split()}

VIEWING_DIRECTIONS = ("left-to-right", "right-to-left", "top-to-bottom", "bottom-to-top")
EXCLUSIVE_BEHAVIORS = (
    ("paged", "individuals", "continuous", "unordered"),
    ("auto-advance", "no-auto-advance"),
    ("repeat", "no-repeat"),
)
"""Those that a manifest may have; of each group, one."""
BEHAVIORS = tuple(behavior for group in EXCLUSIVE_BEHAVIORS for behavior in group)


def nav_date(text: str) -> str | None:
    """Return a date (year, month or day) or time as an xsd:dateTime in UTC."""
    try:
        if found := DATE.fullmatch(text):
            year, month, day = (int(part or 1) for part in found.groups())
            moment = datetime(year, month, day, tzinfo=UTC)
        elif TIME.fullmatch(text):
            moment = datetime.fromisoformat(text)
            moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
        else:
            return None
    except (ValueError, OverflowError):
        return None
    return moment.isoformat(timespec="seconds").removesuffix("+00:00") + "Z"


def language_tag(text: str) -> str | None:
    """Return the key of a language map that a tag, code or name of a language stands for."""
    if meant := MEANT_LANGUAGES.get(text.casefold()):
        return meant
    found = LANGUAGE_TAG.fullmatch(text.replace("_", "-"))
    if found is None:
        return None
    language = found[1].lower()
    return MEANT_LANGUAGES.get(language, language) + found[2]


def one_of(words: Sequence[str], text: str) -> str | None:
    """Return the one of some hyphened words that is meant, whatever its case and separators."""
    meant = re.sub(r"[\s_-]+", "-", text.strip()).casefold()
    return meant if meant in words else None


def rivals(behavior: str) -> set[str]:
    """Return the behaviors that one excludes."""
    groups = [set(group) for group in EXCLUSIVE_BEHAVIORS if behavior in group]
    return set().union(*groups) - {behavior}


def position(text: str, count: int) -> int | None:
    """Return a whole number from 1 to `count`."""
    if not WHOLE_NUMBER.fullmatch(text) or not 1 <= int(text) <= count:
        return None
    return int(text)
