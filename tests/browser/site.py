"""A server for the pages that hold the viewers: another origin than the export's."""

import threading
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from console.serve import HOST

PIXEL = "gif;base64,R0lGODlhAQABAIAAAP///wAAACH5BAEAAAAALAAAAAABAAEAAAICRAEAOw=="
PAGES = Path(__file__).with_name("pages")


@contextmanager
def site_of(viewers: Path, root: Path) -> Iterator[str]:
    """Serve our pages and the viewers' packages; yield the pages' address."""
    (root / "pages").symlink_to(PAGES)
    (root / "viewers").symlink_to(viewers)
    write_button(root)
    handler = partial(_Quiet, directory=str(root))
    with ThreadingHTTPServer((HOST, 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{HOST}:{server.server_port}/pages"
        server.shutdown()


def write_button(root: Path) -> None:
    """Write the pixel that is Universal Viewer's picture of OpenSeadragon's buttons.

    It names it by a `data:` URL, before which OpenSeadragon puts its folder of pictures.
    """
    button = root / "images" / "data:image" / PIXEL
    button.parent.mkdir(parents=True)
    button.write_bytes(b64decode(PIXEL.partition(",")[2]))


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass
