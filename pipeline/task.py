"""The task file: what it may say, and every mistake in one that says something else. Pure.

The format is that of the system this one succeeds, with `workers` and `options` added.
"""

import difflib
import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import unquote, urlsplit

from pipeline.errors import BadTask
from pipeline.geometry import (
    FULL_MAX_PX,
    IMAGE_API,
    JPEG_MAX_PX,
    LISTED_SIZE_MAX_PX,
    TILE_SIZE_PX,
    Pyramid,
)
from pipeline.layout import COLLECTION_FILE, Layout, has_utf8_form, join_key, nfc

MAX_TASK_BYTES = 1_000_000
MAX_WORKERS = 1_000
"""Their ids are kept in the run's row, which has 400 KB at most."""
MAX_VALUE_BYTES = 1_024
"""The longest key of S3; nothing else in a task is longer."""
MAX_ECHO_CHARACTERS = 100
JPEG_QUALITY = 85
PDF_DPI = 300
MAX_THUMBNAIL_WIDTHS = 16

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
REGION_NAME = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d")
# A name, name:revision or ARN of a Batch queue or definition.
PRINTABLE = re.compile(r"[^\x00-\x1f\x7f]*")
BATCH_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_:/-]{0,255}")
HOST_NAME = re.compile(r"(?:[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?\.)*[a-z](?:[a-z0-9-]*[a-z0-9])?")
URL_PATH = re.compile(r"(?:[A-Za-z0-9/._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*")
DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Options:
    """How to tile; all sizes are in pixels, `max_size` is the long side of `full/max`."""

    tile_size: int = TILE_SIZE_PX
    quality: int = JPEG_QUALITY
    max_size: int = FULL_MAX_PX
    image_api: int = IMAGE_API
    thumbnail_widths: tuple[int, ...] = ()
    pdf_dpi: int = PDF_DPI

    def pyramid(self, width: int, height: int) -> Pyramid:
        """Return the files that these options make of an image of so many pixels."""
        return Pyramid(
            width, height, self.tile_size, self.max_size, self.image_api, self.thumbnail_widths
        )


def parse_options(values: Mapping[str, Any]) -> Options:
    """Return options that were stored as JSON or in the ledger; raises TypeError, KeyError."""
    return Options(**{**values, "thumbnail_widths": tuple(values["thumbnail_widths"])})


@dataclass(frozen=True, slots=True)
class Task:
    """A task file whose fields are all there and of the right form."""

    job_name: str
    job_queue: str
    job_definition: str
    region: str
    collection: str
    access_dir: str
    source_bucket: str
    dest_bucket: str
    dest_prefix: str
    dest_url: str
    csv_path: str
    csv_name: str
    workers: int | None = None
    options: Options = Options()

    @property
    def csv_key(self) -> str:
        """Return the metadata CSV's key in the source bucket."""
        return join_key(self.csv_path, self.csv_name)

    @property
    def layout(self) -> Layout:
        """Return where this task's outputs lie."""
        return Layout(nfc(join_key(self.dest_prefix, self.collection)), self.dest_url)


def parse_task(body: bytes) -> Task:
    """Read a task file.

    Raises BadTask with every mistake at once, each naming its field and what was expected.
    """
    return _Reader().read(body)


def _key(value: str) -> str | None:
    if value.startswith("/"):
        return "expected a path inside the bucket, without a leading slash"
    if "\\" in value:
        return "expected a path with forward slashes"
    if any(part in ("", ".", "..") for part in value.rstrip("/").split("/")):
        return "expected a path without empty parts, '.' or '..'"
    return None


def _name(value: str) -> str | None:
    return "expected a single name, without slashes" if "/" in value else _key(value)


def _csv_name(value: str) -> str | None:
    return f"{value!r} is the collection's own name" if value == COLLECTION_FILE else _name(value)


def _address(value: str) -> str | None:
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


def _is_host(host: str) -> bool:
    try:
        # Other spellings of an IPv6 address would be rewritten by libraries.
        return bool(HOST_NAME.fullmatch(host)) or str(ip_address(host)) == host
    except ValueError:
        return False


def _canonical_address(value: str) -> str:
    """Return an address as every library writes it: lower-case host, no default port."""
    parts = urlsplit(value)
    netloc = parts.netloc.lower().removesuffix(f":{DEFAULT_PORTS[parts.scheme]}")
    return f"{parts.scheme}://{netloc}{parts.path}".rstrip("/")


def _without_trailing_slashes(value: str) -> str:
    return value.rstrip("/")


def _matching(pattern: re.Pattern[str], expected: str) -> Callable[[str], str | None]:
    return lambda value: None if pattern.fullmatch(value) else f"expected {expected}"


@dataclass(frozen=True, slots=True)
class _Field:
    attribute: str
    check: Callable[[str], str | None]
    clean: Callable[[str], str] = str


_BATCH = _matching(BATCH_NAME, "the name or ARN of a Batch resource")
_BUCKET = _matching(BUCKET_NAME, "a bucket's name, 3 to 63 of a-z, 0-9, '.' and '-'")

_TOP_LEVEL = {
    "jobName": _Field("job_name", _matching(PRINTABLE, "printable text")),
    "jobQueue": _Field("job_queue", _BATCH),
    "jobDefinition": _Field("job_definition", _BATCH),
}
_ENVIRONMENT = {
    "AWS_REGION": _Field("region", _matching(REGION_NAME, "a region such as us-east-1")),
    "COLLECTION_IDENTIFIER": _Field("collection", _name),
    "ACCESS_DIR": _Field("access_dir", _key, _without_trailing_slashes),
    "AWS_SRC_BUCKET": _Field("source_bucket", _BUCKET),
    "AWS_DEST_BUCKET": _Field("dest_bucket", _BUCKET),
    "DEST_PREFIX": _Field("dest_prefix", _key, _without_trailing_slashes),
    "DEST_URL": _Field("dest_url", _address, _canonical_address),
    "CSV_PATH": _Field("csv_path", _key, _without_trailing_slashes),
    "CSV_NAME": _Field("csv_name", _csv_name),
}
_OPTIONS = {
    "tileSize": ("tile_size", 256, LISTED_SIZE_MAX_PX),
    "quality": ("quality", 1, 100),
    "maxSize": ("max_size", LISTED_SIZE_MAX_PX, JPEG_MAX_PX),
    "imageApi": ("image_api", 2, 3),
    "pdfDpi": ("pdf_dpi", 72, 1_200),
}
_THUMBNAIL_WIDTHS = "thumbnailWidths"
_KNOWN = {*_TOP_LEVEL, "command", "environment", "workers", "options"}


class _Reader:
    """Collects the values and the mistakes of one task file."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self.values: dict[str, Any] = {}

    def read(self, body: bytes) -> Task:
        content = self._content(body)
        if content is not None:
            self._unknown(content, _KNOWN, "")
            for name, field in _TOP_LEVEL.items():
                self._field(content, name, field, name)
            self._command(content.get("command", ""))
            self._environment(content.get("environment"))
            if "workers" in content:
                self.values["workers"] = self._whole(content["workers"], "workers", 1, MAX_WORKERS)
            self._options(content.get("options", {}))
        if self.errors:
            raise BadTask(self.errors)
        return Task(**self.values)

    def _content(self, body: bytes) -> dict[str, Any] | None:
        if len(body) > MAX_TASK_BYTES:
            self.errors.append(f"task file: expected at most {MAX_TASK_BYTES:,} bytes")
            return None
        try:
            content = json.loads(body.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            self.errors.append(f"task file: expected UTF-8 text: {error.reason}")
        except (ValueError, RecursionError) as error:
            self.errors.append(f"task file: expected JSON: {error}")
        else:
            if isinstance(content, dict):
                return content
            self.errors.append("task file: expected a JSON object, {…}")
        return None

    def _unknown(self, given: Mapping[str, Any], known: Collection[str], where: str) -> None:
        for name in given:
            if name not in known:
                close = {other.casefold(): other for other in known}
                nearest = difflib.get_close_matches(name.casefold(), close, 1, 0.6)
                hint = f"did you mean {close[nearest[0]]}?" if nearest else "not a known name"
                self.errors.append(f"{where}{_echo(name)}: {hint}")

    def _field(self, given: Mapping[str, Any], name: str, field: _Field, where: str) -> None:
        value = given.get(name)
        if name not in given:
            self.errors.append(f"{where}: missing")
        elif not isinstance(value, str):
            self.errors.append(f"{where}: expected text, not {_kind(value)}")
        elif not value.strip():
            self.errors.append(f"{where}: expected text, but it is empty")
        elif not has_utf8_form(value):
            self.errors.append(f"{where}: expected text that UTF-8 can hold")
        elif len(value.encode()) > MAX_VALUE_BYTES:
            self.errors.append(f"{where}: expected at most {MAX_VALUE_BYTES:,} bytes")
        elif not PRINTABLE.fullmatch(value):
            self.errors.append(f"{where}: expected text without control characters")
        elif mistake := field.check(value):
            self.errors.append(f"{where}: {mistake}, not {_echo(value)!r}")
        else:
            self.values[field.attribute] = field.clean(value)

    def _command(self, value: object) -> None:
        parts = value if isinstance(value, list) else [value]
        if not all(isinstance(part, str) for part in parts):
            self.errors.append("command: expected text or a list of texts (it is not used)")

    def _environment(self, entries: object) -> None:
        if not isinstance(entries, list):
            problem = "missing" if entries is None else f"not {_kind(entries)}"
            self.errors.append(f"environment: expected a list of {{name, value}}, {problem}")
            return
        given: dict[str, Any] = {}
        for number, entry in enumerate(entries, 1):
            named = isinstance(entry, dict) and isinstance(entry.get("name"), str)
            if not named or entry.keys() != {"name", "value"}:
                self.errors.append(f"environment: entry {number}: expected {{name, value}}")
            elif entry["name"] in given:
                name = _echo(entry["name"])
                self.errors.append(f"environment: {name}: expected once, given twice")
            else:
                given[entry["name"]] = entry["value"]
        self._unknown(given, _ENVIRONMENT, "environment: ")
        for name, field in _ENVIRONMENT.items():
            self._field(given, name, field, f"environment: {name}")

    def _options(self, given: object) -> None:
        if not isinstance(given, dict):
            self.errors.append(f"options: expected an object, {{…}}, not {_kind(given)}")
            return
        self._unknown(given, {*_OPTIONS, _THUMBNAIL_WIDTHS}, "options: ")
        values: dict[str, Any] = {
            attribute: self._whole(given[name], f"options: {name}", least, most)
            for name, (attribute, least, most) in _OPTIONS.items()
            if name in given
        }
        if _THUMBNAIL_WIDTHS in given:
            values["thumbnail_widths"] = self._widths(given[_THUMBNAIL_WIDTHS])
        self.values["options"] = Options(**values)

    def _widths(self, given: object) -> tuple[int, ...]:
        where = f"options: {_THUMBNAIL_WIDTHS}"
        if not isinstance(given, list) or len(given) > MAX_THUMBNAIL_WIDTHS:
            self.errors.append(f"{where}: expected a list of at most {MAX_THUMBNAIL_WIDTHS} widths")
            return ()
        return tuple(self._whole(width, where, 16, LISTED_SIZE_MAX_PX) for width in given)

    def _whole(self, value: object, where: str, least: int, most: int) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        self.errors.append(f"{where}: expected a whole number from {least} to {most}")
        return least


def _echo(text: str) -> str:
    """Return text from a task so that a line and the ledger can hold it."""
    safe = text if text.isprintable() else ascii(text)[1:-1]
    return safe if len(safe) <= MAX_ECHO_CHARACTERS else f"{safe[:MAX_ECHO_CHARACTERS]}…"


def _kind(value: object) -> str:
    kinds = {str: "text", bool: "true or false", dict: "an object", list: "a list"}
    if value is None:
        return "null"
    return kinds.get(type(value), "a number")
