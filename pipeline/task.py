"""The task file: what it may say, and every mistake in one that says something else. Pure.

The format is that of the system this one succeeds, with `workers` and `options` added.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.address import canonical_root, root_mistake
from pipeline.checks import PRINTABLE, echo, kind_of, text_mistake, unknown_names
from pipeline.defaults import DEFAULTS, NO_DEFAULTS, Defaults, read_defaults
from pipeline.errors import BadTask
from pipeline.geometry import (
    FULL_MAX_PX,
    IMAGE_API,
    JPEG_MAX_PX,
    LISTED_SIZE_MAX_PX,
    TILE_SIZE_PX,
    Pyramid,
)
from pipeline.layout import OWN_NAMES, Layout, join_key, nfc

MAX_TASK_BYTES = 1_000_000
MAX_WORKERS = 1_000
"""Batch takes 50 submissions per second, so these take the dispatcher 20 s:
https://docs.aws.amazon.com/general/latest/gr/batch.html"""
JPEG_QUALITY = 85
PDF_DPI = 300
MAX_THUMBNAIL_WIDTHS = 16

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
REGION_NAME = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d")
# A name, name:revision or ARN of a Batch queue or definition.
BATCH_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_:/-]{0,255}")


@dataclass(frozen=True, slots=True)
class Options:
    """How to tile; all sizes are in pixels, `max_size` is the long side of `full/max` at most."""

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
    """A task file whose fields are all there and of the right form.

    `job_queue` and `job_definition` are None where the stack's are meant.
    """

    job_name: str
    region: str
    collection: str
    access_dir: str
    source_bucket: str
    dest_bucket: str
    dest_prefix: str
    dest_url: str
    csv_path: str
    csv_name: str
    job_queue: str | None = None
    job_definition: str | None = None
    workers: int | None = None
    options: Options = Options()
    defaults: Defaults = NO_DEFAULTS

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
    return f"{value!r} is a name of the collection's own" if value in OWN_NAMES else _name(value)


def _without_trailing_slashes(value: str) -> str:
    return value.rstrip("/")


def _matching(pattern: re.Pattern[str], expected: str) -> Callable[[str], str | None]:
    return lambda value: None if pattern.fullmatch(value) else f"expected {expected}"


@dataclass(frozen=True, slots=True)
class _Field:
    attribute: str
    check: Callable[[str], str | None]
    clean: Callable[[str], str] = str
    optional: bool = False


_BATCH = _matching(BATCH_NAME, "the name or ARN of a Batch resource")
_bucket_name = _matching(BUCKET_NAME, "a bucket's name, 3 to 63 of a-z, 0-9, '.' and '-'")


def is_folder_url(bucket: str) -> bool:
    """Tell whether a bucket is played by a folder, `file:///…`, as on the embedded cloud."""
    return bucket.startswith("file:///")


def _bucket(value: str) -> str | None:
    return None if is_folder_url(value) else _bucket_name(value)


_TOP_LEVEL = {
    "jobName": _Field("job_name", _matching(PRINTABLE, "printable text")),
    "jobQueue": _Field("job_queue", _BATCH, optional=True),
    "jobDefinition": _Field("job_definition", _BATCH, optional=True),
}
_ENVIRONMENT = {
    "AWS_REGION": _Field("region", _matching(REGION_NAME, "a region such as us-east-1")),
    "COLLECTION_IDENTIFIER": _Field("collection", _name),
    "ACCESS_DIR": _Field("access_dir", _key, _without_trailing_slashes),
    "AWS_SRC_BUCKET": _Field("source_bucket", _bucket),
    "AWS_DEST_BUCKET": _Field("dest_bucket", _bucket),
    "DEST_PREFIX": _Field("dest_prefix", _key, _without_trailing_slashes),
    "DEST_URL": _Field("dest_url", root_mistake, canonical_root),
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
            self.errors += unknown_names(content, _KNOWN, "")
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

    def _field(self, given: Mapping[str, Any], name: str, field: _Field, where: str) -> None:
        value: Any = given.get(name)
        if name not in given:
            if field.optional:
                return
            self.errors.append(f"{where}: missing")
        elif mistake := text_mistake(value):
            self.errors.append(f"{where}: {mistake}")
        elif mistake := field.check(value):
            self.errors.append(f"{where}: {mistake}, not {echo(value)!r}")
        else:
            self.values[field.attribute] = field.clean(value)

    def _command(self, value: object) -> None:
        parts = value if isinstance(value, list) else [value]
        if not all(isinstance(part, str) for part in parts):
            self.errors.append("command: expected text or a list of texts (it is not used)")

    def _environment(self, entries: object) -> None:
        if not isinstance(entries, list):
            problem = "missing" if entries is None else f"not {kind_of(entries)}"
            self.errors.append(f"environment: expected a list of {{name, value}}, {problem}")
            return
        given: dict[str, Any] = {}
        for number, entry in enumerate(entries, 1):
            named = isinstance(entry, dict) and isinstance(entry.get("name"), str)
            if not named or entry.keys() != {"name", "value"}:
                self.errors.append(f"environment: entry {number}: expected {{name, value}}")
            elif entry["name"] in given:
                name = echo(entry["name"])
                self.errors.append(f"environment: {name}: expected once, given twice")
            else:
                given[entry["name"]] = entry["value"]
        self.errors += unknown_names(given, _ENVIRONMENT, "environment: ")
        for name, field in _ENVIRONMENT.items():
            self._field(given, name, field, f"environment: {name}")

    def _options(self, given: object) -> None:
        if not isinstance(given, dict):
            self.errors.append(f"options: expected an object, {{…}}, not {kind_of(given)}")
            return
        known = {*_OPTIONS, _THUMBNAIL_WIDTHS, *DEFAULTS}
        self.errors += unknown_names(given, known, "options: ")
        mistakes = len(self.errors)
        values: dict[str, Any] = {
            attribute: self._whole(given[name], f"options: {name}", least, most)
            for name, (attribute, least, most) in _OPTIONS.items()
            if name in given
        }
        if _THUMBNAIL_WIDTHS in given:
            values["thumbnail_widths"] = self._widths(given[_THUMBNAIL_WIDTHS])
        options = Options(**values)
        if options.max_size < 2 * options.tile_size and len(self.errors) == mistakes:
            # `full/max` may be half of it, and nothing larger may be asked for, a tile neither.
            self.errors.append(
                f"options: maxSize: expected twice tileSize, {2 * options.tile_size:,}, or more"
            )
        self.values["options"] = options
        self.values["defaults"] = read_defaults(given, self.errors)

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
