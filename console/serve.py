"""A static host for an export on 127.0.0.1: the content types that S3 would send, and CORS."""

import json
import os
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from urllib.parse import quote

from console.errors import ConsoleError, ExitCode
from pipeline.csv_file import UTF_8
from pipeline.layout import (
    COLLECTION_FILE,
    INFO_FILE,
    MANIFEST_FILE,
    SUBCOLLECTION_FILE,
    SUBCOLLECTIONS_FOLDER,
)
from pipeline.storage import INFO_TYPES, JPEG_TYPE, JSON_TYPE, PRESENTATION_TYPE, csv_type

HOST = "127.0.0.1"
POLL_SECONDS = 0.1
"""An interrupt may take twice as long."""
MAX_SHOWN = 20
CONTENT_TYPES = {
    MANIFEST_FILE: PRESENTATION_TYPE,
    COLLECTION_FILE: PRESENTATION_TYPE,
}

SUFFIX_TYPES = {
    ".jpg": JPEG_TYPE,
    ".csv": csv_type(UTF_8),
    ".json": JSON_TYPE,
    ".html": "text/html; charset=utf-8",
}
NO_NAME = "\ufffd"
IMAGE_API_2 = b"http://iiif.io/api/image/2/context.json"
UNKNOWN_TYPE = "application/octet-stream"


def serve_folder(folder: Path, port: int, say: Callable[[str], None]) -> None:
    """Serve a folder until interrupted; raises ConsoleError where the port is taken."""
    try:
        server = make_server(folder, port)
    except OSError as error:
        reason = f"--port: {port} cannot be used: {error.strerror}"
        raise ConsoleError(reason, ExitCode.USAGE) from error
    with server:
        url = f"http://{HOST}:{server.server_port}"
        say(f"Serving {folder} at {url} (Ctrl-C to stop)")
        for line in describe(folder, url):
            say(line)
        # Not by this thread: an interrupt that comes while socketserver starts the thread of a
        # request is lost, for `threading` makes an error of it, which socketserver only prints.
        serving = threading.Thread(target=server.serve_forever, args=[POLL_SECONDS], daemon=True)
        serving.start()
        try:
            while serving.is_alive():
                # The system may give a signal to a thread that begins. This one has to look for it.
                serving.join(POLL_SECONDS)
        except KeyboardInterrupt:
            server.shutdown()
            say("Stopped.")
        else:
            raise ConsoleError("the server broke, for the reason above")


def make_server(folder: Path, port: int) -> ThreadingHTTPServer:
    """Return a server of a folder, on 127.0.0.1; port 0 takes a free one."""
    return ThreadingHTTPServer((HOST, port), partial(_Handler, directory=str(folder)))


def describe(folder: Path, url: str) -> Iterator[str]:
    """Yield what there is to open in a viewer, and a warning where it points elsewhere."""
    collections = sorted(_find(folder, COLLECTION_FILE))
    manifests = sorted(_find(folder, MANIFEST_FILE))
    for path in [*collections, *islice(manifests, MAX_SHOWN)]:
        yield f"  {url}{_path(path, folder)}"
    if len(manifests) > MAX_SHOWN:
        yield f"  … and {len(manifests) - MAX_SHOWN} more manifests"
    if not collections and not manifests:
        yield "  There is no manifest and no collection in it."
    for base in sorted({_base(path, folder) for path in collections} - {url, ""}):
        yield (
            f"Its manifests say that they live at {base}: viewers will ask there for images."
            f" To try it here, make it with --base-url {url}"
        )


def _find(folder: Path, name: str) -> Iterator[Path]:
    """Yield the files of a name, without descending into the tiles: there may be millions."""
    for parent, folders, files in os.walk(folder):
        if name in files:
            yield Path(parent) / name
        if INFO_FILE in files:
            folders.clear()


def _base(collection: Path, folder: Path) -> str:
    """Return the address of the folder's root, by a collection's own id."""
    try:
        identifier = str(json.loads(collection.read_bytes())["id"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return identifier.removesuffix(_path(collection, folder))


def _path(file: Path, folder: Path) -> str:
    """Return a file's path in URLs, also where its name is not Unicode."""
    return quote(b"/" + os.fsencode(file.relative_to(folder).as_posix()))


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def end_headers(self) -> None:
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Access-Control-Allow-Headers", "*")
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def do_OPTIONS(self) -> None:  # http.server's own naming
        self.send_response(HTTPStatus.NO_CONTENT)
        self.send_header("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def translate_path(self, path: str) -> str:
        # No file's name has a NUL, and open() would raise.
        file = super().translate_path(path).replace("\0", NO_NAME)
        root = os.path.realpath(self.directory)
        # A link that leads out of the folder is none of its files.
        inside = os.path.commonpath([root, os.path.realpath(file)]) == root
        return file if inside else str(Path(root) / NO_NAME)

    def list_directory(self, path: object) -> None:
        self.send_error(HTTPStatus.NOT_FOUND, "No such file")

    def guess_type(self, path: object) -> str:
        file = Path(str(path))
        if file.name == INFO_FILE and file.is_file():
            return INFO_TYPES[2 if IMAGE_API_2 in file.read_bytes() else 3]
        if file.parent.name == SUBCOLLECTIONS_FOLDER and SUBCOLLECTION_FILE.fullmatch(file.name):
            return PRESENTATION_TYPE
        return CONTENT_TYPES.get(file.name) or SUFFIX_TYPES.get(file.suffix) or UNKNOWN_TYPE

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        if len(args) > 1 and str(args[1]) >= "400":
            super().log_message(format, *args)
