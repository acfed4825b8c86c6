"""A file, a folder and a port that nobody may touch, and who tells whether somebody has.

inotify tells of every open, whichever library does it: https://man7.org/linux/man-pages/man7/inotify.7.html
"""

import ctypes
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

IN_OPEN = 0x20
EVENT_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Canary:
    """A secret in a watched folder, and a port that is listened to."""

    file: Path
    listener: socket.socket
    watch: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}/canary"

    def was_opened(self) -> bool:
        """Tell whether anything in the folder was opened since the last look."""
        try:
            return bool(os.read(self.watch, EVENT_BYTES))
        except BlockingIOError:
            return False

    def was_called(self) -> bool:
        """Tell whether anybody has connected since the last look."""
        try:
            connection, _ = self.listener.accept()
        except BlockingIOError:
            return False
        connection.close()
        return True


@contextmanager
def canary(folder: Path) -> Iterator[Canary]:
    """Yield a canary whose file is `folder`/secret.tif."""
    file = folder / "secret.tif"
    file.write_bytes(b"TOP SECRET")
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    assert watch >= 0
    assert libc.inotify_add_watch(watch, os.fsencode(folder), IN_OPEN) >= 0
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        try:
            yield Canary(file, listener, watch)
        finally:
            os.close(watch)
