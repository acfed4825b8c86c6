"""An export in a folder or a bucket: what its URLs are is told by its documents' own ids."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, Self
from urllib.parse import quote, unquote

from console.verify.places import Absent, Glance, NoAnswer, TooLarge
from pipeline import storage as stored
from pipeline.errors import PermanentError, TransientError
from pipeline.layout import has_utf8_form
from pipeline.storage import Forbidden, MissingObject, Storage

SAFE = "/,:;@!$&'()*+=~"
"""Characters of a path that need no percent-encoding (RFC 3986, section 3.3)."""


class Base(NamedTuple):
    """A URL and the key prefix it stands for; both end with a slash, or the prefix is empty."""

    url: str
    prefix: str

    @classmethod
    def of(cls, url: str, key: str) -> Self | None:
        """Return where a document's URL and key part ways, going up; None where they never meet."""
        if not url.lower().startswith(("http://", "https://")):
            return None
        parts, names = url.split("/")[3:], key.split("/")
        same = 0
        while same < min(len(parts), len(names)) and unquote(parts[-1 - same]) == names[-1 - same]:
            same += 1
        if same == 0:
            return None
        rest = "/".join(names[: len(names) - same])
        return cls(url.rsplit("/", same)[0] + "/", f"{rest}/" if rest else "")

    def key(self, url: str) -> str | None:
        """Return the key of a URL; None for one that is not below this base."""
        plain, base = unquote(url), unquote(self.url)
        if f"{plain}/" == base:
            return self.prefix.rstrip("/")
        if not plain.startswith(base):
            return None
        return self.prefix + plain.removeprefix(base)

    def address(self, key: str) -> str | None:
        """Return the URL of a key; None for one that is not below this base."""
        if not key.startswith(self.prefix) or not has_utf8_form(key):
            return None
        return self.url + quote(key.removeprefix(self.prefix), safe=SAFE)


class Shelf:
    """A place whose files can be listed; `root` stands before its keys in a report."""

    def __init__(self, storage: Storage, base: Base, *, is_local: bool, root: str = "") -> None:
        self._storage = storage
        self._base = base
        self._root = root
        # A disk answers at once; a bucket takes its time, and is paid by the request.
        self.parallel = 1 if is_local else 32
        self.reads_every_header = is_local

    def name(self, url: str) -> str:
        key = self._base.key(url)
        return f"{self._root}{key}" if key else url

    def read(self, url: str, limit: int) -> bytes:
        key = self._key(url)
        with _translated():
            return self._storage.read(key, limit)

    def listing(self, folder_url: str) -> dict[str, int] | None:
        folder = self._key(folder_url)
        with _translated():
            start = f"{folder}/" if folder else ""
            return {
                listed.key.removeprefix(start): listed.size
                for listed in self._storage.objects(folder)
            }

    def glance(self, url: str, length: int, size_bytes: int | None) -> Glance:
        key = self._key(url)
        with _translated():
            if size_bytes is None:
                size_bytes = self._storage.size(key)
            if size_bytes == 0:
                return Glance(b"", b"", 0)
            parts: Sequence[tuple[int, int]] = [(0, min(length, size_bytes))]
            if self.reads_every_header:
                parts = [*parts, (max(0, size_bytes - 2), min(2, size_bytes))]
            start, *end = self._storage.read_parts(key, parts)
            return Glance(start, end[0] if end else None, size_bytes)

    def same(self, asked: str, said: str) -> bool:
        return unquote(asked) == unquote(said)

    def _key(self, url: str) -> str:
        key = self._base.key(url)
        if key is None:
            raise Absent(f"is not below {self._base.url}, the address of this export by its ids")
        if {".", ".."} & set(key.split("/")):
            raise Absent("has a dot where a folder's name should stand")
        return key


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except MissingObject as error:
        raise Absent("is not there") from error
    except stored.TooLarge as error:
        raise TooLarge(str(error)) from error
    except (Forbidden, TransientError) as error:
        raise NoAnswer(str(error)) from error
    except PermanentError as error:
        raise Absent(str(error)) from error
