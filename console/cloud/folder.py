"""The folder of an embedded cloud: who may use it, who does, and how to reach the cloud in it.

lock        held by the cloud's process as long as it lives, however it ends
users       shared by the commands that use the cloud; one that is not kept ends after the last
cloud.json  where the cloud answers, and the access key it has made up
state.json  what it knew when it last saved
logs/       one folder per start
"""

import errno
import fcntl
import json
import os
import re
import shutil
import stat
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from console.errors import ConsoleError, ExitCode

ONLY_OURS = 0o700
ONLY_OUR_FILE = 0o600
OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH
MAX_CONTACT_BYTES = 10_000
MAX_LOGS = 20
"""Folders of logs that are kept, of this start and those before."""

URL = re.compile(r"http://127\.0\.0\.1:[1-9]\d{0,4}")
KEY = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Contact:
    """How to reach a running cloud. One that is not `kept` ends with the last of its users."""

    url: str
    access_key: str
    process: int
    kept: bool
    logs: str


@dataclass(frozen=True, slots=True)
class CloudFolder:
    """A folder that nobody else can write to."""

    path: Path

    @property
    def state(self) -> Path:
        """Return the file of the saved state."""
        return self.path / "state.json"

    def logs(self, name: str) -> Path:
        """Return the folder of one start's logs."""
        return self.path / "logs" / name

    def lock(self) -> int | None:
        """Take the cloud's place, for as long as the file descriptor is open in any process.

        Return None if a cloud is there. What one that died has left of itself is removed.
        """
        descriptor = self._open("lock")
        if not _locked(descriptor, fcntl.LOCK_EX):
            os.close(descriptor)
            return None
        self.forget_contact()
        return descriptor

    def is_free(self) -> bool:
        """Tell whether no cloud is there."""
        descriptor = self._open("lock")
        try:
            # Shared, so that two who look at once do not take each other for a cloud.
            return _locked(descriptor, fcntl.LOCK_SH)
        finally:
            os.close(descriptor)

    def use(self) -> int:
        """Become a user, which a cloud that is about to end must have ended for.

        Closing the file descriptor ends that, and so does the end of the process.
        """
        descriptor = self._open("users")
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        return descriptor

    def await_disuse(self) -> None:
        """Wait for the last user to leave, and let no more in."""
        fcntl.flock(self._open("users"), fcntl.LOCK_EX)

    def used_by_others(self) -> bool:
        """Tell whether there are users, as one who has just left; not so while the cloud ends."""
        descriptor = self._open("users")
        try:
            return not _locked(descriptor, fcntl.LOCK_EX) and _locked(descriptor, fcntl.LOCK_SH)
        finally:
            os.close(descriptor)

    def contact(self) -> Contact | None:
        """Return how to reach the cloud, or None while there is no saying.

        Raises ConsoleError for what no cloud has written.
        """
        file = self.path / "cloud.json"
        try:
            with file.open("rb") as opened:
                text = opened.read(MAX_CONTACT_BYTES)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConsoleError(f"{file} cannot be read: {error.strerror}") from error
        try:
            return parse_contact(text)
        except ValueError as error:
            reason = f"{file} is damaged ({error}); end the process that it belonged to, or restart"
            raise ConsoleError(reason) from error

    def tell_contact(self, contact: Contact) -> None:
        """Tell how to reach the cloud."""
        self.write("cloud.json", json.dumps(asdict(contact)).encode())

    def forget_contact(self) -> None:
        """Take back how to reach the cloud."""
        (self.path / "cloud.json").unlink(missing_ok=True)

    def write(self, name: str, content: bytes) -> None:
        """Write a file of ours: after a crash it is the old one or the new one, never a part."""
        fresh = self.path / f"{name}.new"
        with open(self._open(fresh.name, os.O_TRUNC), "wb") as file:  # noqa: PTH123  # a descriptor
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path / name)
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def make_logs(self, name: str) -> Path:
        """Make a folder for the logs of a start; remove the oldest of those before."""
        logs = self.logs(name)
        logs.parent.mkdir(mode=ONLY_OURS, exist_ok=True)
        logs.mkdir(mode=ONLY_OURS, exist_ok=True)
        # Their names begin with the time.
        for old in sorted(logs.parent.iterdir(), reverse=True)[MAX_LOGS:]:
            shutil.rmtree(old, ignore_errors=True)
        return logs

    def _open(self, name: str, flags: int = 0) -> int:
        return os.open(self.path / name, os.O_RDWR | os.O_CREAT | flags, ONLY_OUR_FILE)


def open_folder(path: Path) -> CloudFolder:
    """Make a folder for an embedded cloud, or take the one that is there.

    Raises ConsoleError for one that others could write to: they would run commands as us.
    """
    path = path.absolute()
    try:
        path.mkdir(mode=ONLY_OURS, parents=True, exist_ok=True)
        found = path.stat()
    except OSError as error:
        raise ConsoleError(f"--dir: {path}: {error.strerror}", ExitCode.USAGE) from error
    if found.st_uid != os.geteuid():
        raise ConsoleError(f"--dir: {path} belongs to somebody else", ExitCode.USAGE)
    if found.st_mode & OTHERS_MAY_WRITE:
        raise ConsoleError(
            f"--dir: {path} can be written to by others; chmod 700 it", ExitCode.USAGE
        )
    if not os.access(path, os.W_OK | os.X_OK):
        raise ConsoleError(f"--dir: {path} cannot be written to", ExitCode.USAGE)
    return CloudFolder(path)


def parse_contact(text: bytes) -> Contact:
    """Return what a cloud tells of itself; raises ValueError for anything else."""
    try:
        values: Any = json.loads(text)
        contact = Contact(**values)
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError("expected what the embedded cloud writes") from error
    checks = {
        "url": isinstance(contact.url, str) and URL.fullmatch(contact.url),
        "access_key": isinstance(contact.access_key, str) and KEY.fullmatch(contact.access_key),
        "process": type(contact.process) is int and contact.process > 1,
        "kept": isinstance(contact.kept, bool),
        "logs": isinstance(contact.logs, str) and re.fullmatch(r"[0-9A-Za-z-]+", contact.logs),
    }
    for name, good in checks.items():
        if not good:
            raise ValueError(f"{name} is not what the embedded cloud writes")
    return contact


def _locked(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise
    return True
