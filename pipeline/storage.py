"""Where images are read from and exports are written to: obstore stores built from URLs.

`s3://bucket` in the cloud, `file:///folder` in the embedded one, `memory:///` in tests.
Adapter: the only importer of obstore.
"""

import errno
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import (
    BaseError,
    InvalidPathError,
    NotModifiedError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import LocalStore, MemoryStore, ObjectStore, S3Store

from pipeline.checks import printable
from pipeline.errors import PermanentError, TransientError
from pipeline.layout import Listed
from pipeline.threads import call_all

if TYPE_CHECKING:
    from obstore import GetOptions

INFO_TYPES = {
    3: 'application/ld+json;profile="http://iiif.io/api/image/3/context.json"',
    2: "application/ld+json",
}
"""By the version of the Image API."""
PRESENTATION_TYPE = 'application/ld+json;profile="http://iiif.io/api/presentation/3/context.json"'
JPEG_TYPE = "image/jpeg"
JSON_TYPE = "application/json"

LASTING_ERRNOS = (
    errno.EACCES,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
)

TILE_MAX_AGE_SECONDS = 86_400
DOCUMENT_MAX_AGE_SECONDS = 60

CREDENTIALS_TTL = timedelta(minutes=10)
"""botocore renews a role's credentials 15 minutes before they end; asked later, it is too late."""

LASTING_OS_ERROR = re.compile(
    rf"\(os error ({'|'.join(map(str, LASTING_ERRNOS))})\)|File system loop found|are not supported"
)
DEBUG_SOURCE = "\n\nDebug source:"
STATUS = re.compile(r"status code: [^:\n]*")
"""Behind it stands the whole answer."""
CODE = re.compile(r"<Code>([^<]*)</Code>")
MESSAGE = re.compile(r"<Message>([^<]*)</Message>")
"""https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html"""
CHUNK_BYTES = 1 << 20
"""Of a download, at a time: memory that malloc keeps, where larger pieces are new memory each."""


class MissingObject(PermanentError):
    """There is no object of that key, or no such bucket."""


class TooLarge(PermanentError):
    """The object has more bytes than its reader takes."""


class Forbidden(PermanentError):
    """The role has no right to this."""


class Storage:
    """One bucket, or the folder that plays it."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def objects(self, prefix: str) -> Iterator[Listed]:
        """Yield the objects below a folder, in no order.

        Raises MissingObject for a bucket that is not there, PermanentError for a name that is
        not Unicode.
        """
        with _translated(prefix):
            for chunk in obstore.list(self._store, prefix=prefix):
                for meta in chunk:
                    yield Listed(meta["path"], meta["e_tag"] or "", meta["size"])

    def folders(self, prefix: str) -> list[str]:
        """Return the names of the folders just below a folder."""
        with _translated(prefix):
            found = obstore.list_with_delimiter(self._store, prefix=prefix)
        return [path.rstrip("/").rpartition("/")[2] for path in found["common_prefixes"]]

    def objects_in(self, prefix: str) -> list[Listed]:
        """Return the objects of one folder, without those of the folders in it."""
        with _translated(prefix):
            found = obstore.list_with_delimiter(self._store, prefix=prefix)
        return [
            Listed(meta["path"], meta["e_tag"] or "", meta["size"]) for meta in found["objects"]
        ]

    def probe(self) -> None:
        """Ask for one object's name; raises MissingObject where the bucket is not there."""
        with _translated(""):
            next(iter(obstore.list(self._store, chunk_size=1)), None)

    def read(self, key: str, limit_bytes: int | None = None) -> bytes:
        """Return an object's content; raises MissingObject, and TooLarge before it is read."""
        with _translated(key):
            answer = obstore.get(self._store, key)
            _check_size(key, answer.meta["size"], limit_bytes)
            return bytes(answer.bytes())

    def read_unless(self, key: str, etag: str) -> tuple[bytes, str] | None:
        """Return an object's content and ETag; None where it has the ETag that is given.

        Raises MissingObject.
        """
        options: GetOptions = {"if_none_match": etag} if etag else {}
        with _translated(key):
            try:
                answer = obstore.get(self._store, key, options=options)
            except NotModifiedError:
                return None
            return bytes(answer.bytes()), answer.meta["e_tag"] or ""

    def read_parts(self, key: str, parts: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return parts of an object, each by its start and length in bytes; raises MissingObject.

        A part must not start behind the object's end.
        """
        starts, lengths = [start for start, _ in parts], [length for _, length in parts]
        with _translated(key):
            found = obstore.get_ranges(self._store, key, starts=starts, lengths=lengths)
            return [bytes(part) for part in found]

    def size(self, key: str) -> int:
        """Return an object's size in bytes; raises MissingObject."""
        with _translated(key):
            return obstore.head(self._store, key)["size"]

    def download(self, key: str, target: Path, limit_bytes: int | None = None) -> str:
        """Copy an object to a local file without holding it whole; return its ETag.

        Raises MissingObject, and TooLarge before anything is copied.
        """
        with _translated(key):
            answer = obstore.get(self._store, key)
            _check_size(key, answer.meta["size"], limit_bytes)
            with target.open("wb") as file:
                for chunk in answer.stream(CHUNK_BYTES):
                    file.write(chunk)
            return answer.meta["e_tag"] or ""

    def write(self, key: str, content: bytes | Path, content_type: str, max_age: int) -> None:
        """Put an object, whole or not at all; `max_age` is its Cache-Control in seconds."""
        with _translated(key):
            obstore.put(
                self._store, key, content, attributes=self._attributes(content_type, max_age)
            )

    def write_all(
        self, contents: Iterable[tuple[str, bytes | Path]], content_type: str, max_age: int
    ) -> int:
        """Put many objects, several at once; return how many there were."""

        def put(item: tuple[str, bytes | Path]) -> int:
            self.write(*item, content_type, max_age)
            return 1

        return sum(call_all(put, contents))

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is no error."""
        try:
            with _translated(key):
                obstore.delete(self._store, key)
        except MissingObject:
            return

    def _attributes(self, content_type: str, max_age: int) -> dict[str, str] | None:
        # A folder keeps no headers: obstore's local store refuses them.
        if isinstance(self._store, LocalStore):
            return None
        return {"Content-Type": content_type, "Cache-Control": f"public, max-age={max_age}"}


def csv_type(charset: str) -> str:
    """Return the Content-Type of a CSV in an encoding."""
    return f"text/csv; charset={charset}"


def open_storage(url: str) -> Storage:
    """Open the store of a URL: `s3://bucket`, `file:///folder` or `memory:///`.

    Raises MissingObject for a folder that is not there.
    """
    parts = urlsplit(url)
    if parts.scheme == "s3":
        from obstore.auth.boto3 import Boto3CredentialProvider

        return Storage(
            S3Store(parts.netloc, credential_provider=Boto3CredentialProvider(ttl=CREDENTIALS_TTL))
        )
    if parts.scheme == "file":
        folder = Path(unquote(parts.path))
        if not folder.is_dir():
            raise MissingObject(f"there is no folder {folder}")
        return Storage(LocalStore(folder))
    if parts.scheme == "memory":
        return Storage(MemoryStore())
    raise PermanentError(f"expected s3:// or file://, not {url!r}")


def _check_size(key: str, size: int, limit_bytes: int | None) -> None:
    if limit_bytes is not None and size > limit_bytes:
        raise TooLarge(f"{key!r} has {size:,} bytes; expected at most {limit_bytes:,}")


@contextmanager
def _translated(key: str) -> Iterator[None]:
    """Turn obstore's errors into ours, and leave them behind.

    Their text repeats what a store has answered, and S3 answers with the request's session token.
    """
    try:
        yield
    except FileNotFoundError:
        raise MissingObject(f"there is no {key!r}") from None
    except (InvalidPathError, ValueError) as error:
        raise PermanentError(
            f"a name below {key!r} cannot be used; rename it: {_told(error)}"
        ) from None
    except (PermissionDeniedError, UnauthenticatedError, PermissionError) as error:
        raise Forbidden(f"access to {key!r} is not allowed: {_told(error)}") from None
    except (BaseError, OSError) as error:
        # obstore has no error of its own for a listing of a bucket that is not there.
        if "NoSuchBucket" in str(error):
            raise MissingObject("there is no such bucket") from None
        # Nor does its local store tell what the system has refused.
        if LASTING_OS_ERROR.search(str(error)):
            raise Forbidden(f"{key!r} cannot be used: {_told(error)}") from None
        raise TransientError(f"storage: {key!r}: {_told(error)}") from None


def _told(error: Exception) -> str:
    """Return what is wrong in one line; of a store's answer, its code and message alone."""
    text = str(error).partition(DEBUG_SOURCE)[0]
    status = STATUS.search(text)
    line = text[: status.end()] if status else text
    found = [element.search(text, len(line)) for element in (CODE, MESSAGE)]
    words = [line, *(element[1] for element in found if element)]
    return printable(" ".join(" ".join(words).split()))
