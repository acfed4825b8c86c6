"""Whose request is it? From a connection's port to the process, its role and its job.

Only processes that were given this proxy as their endpoint are ever signalled.
Linux: proc(5), sock_diag(7).
"""

import contextlib
import itertools
import os
import signal
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

ROLE = "TILEPOOL_CHAOS_ROLE"
"""Set for processes that the controller starts itself."""
SOCK_DIAG, BY_FAMILY, REQUEST, ANY = 4, 20, 1, 0xFFFFFFFF
"""Of linux/netlink.h and linux/sock_diag.h."""
NETLINK_HEAD, INODE_AT = 16, 84
"""Of an answer's bytes: the head, and where a struct inet_diag_msg behind it names the inode."""
MAX_ANSWER_BYTES = 4096


class Role(StrEnum):
    """What a process is there for."""

    DISPATCHER = "dispatcher"
    RECONCILER = "reconciler"
    WORKER = "worker"
    TILER = "tiling process"
    BUILDER = "manifest builder"
    OPERATOR = "operator's command"


JOBS = {Role.WORKER, Role.TILER, Role.BUILDER}
"""Roles that run in a job of Batch, a session of its own."""


@dataclass(frozen=True, slots=True)
class Child:
    """A process of ours; its job's session ends with it if the job is killed."""

    pid: int
    role: Role
    session: int

    def signal_job(self, signum: signal.Signals) -> bool:
        """Signal the whole job of a process, as the end of its machine does."""
        if self.role not in JOBS:
            # It has no children, and its session is the suite's.
            return _signal(self.pid, signum)
        try:
            os.killpg(self.session, signum)
        except ProcessLookupError:
            return False
        return True

    def signal_leader(self, signum: signal.Signals) -> bool:
        """Signal the job's first process, as Batch does with SIGTERM."""
        return _signal(self.session, signum)

    def signal_itself(self, signum: signal.Signals) -> bool:
        """Signal this process alone."""
        return _signal(self.pid, signum)


@dataclass(slots=True)
class Census:
    """Knows the processes whose endpoint is `url`, the proxy at `proxy_port`."""

    url: str
    proxy_port: int
    _latest: int = 0
    """Who asked last may well be who asks next."""

    def owner(self, port: int) -> Child | None:
        """Return the process that has connected from a port; None if it has gone."""
        inode = _inode(port, self.proxy_port)
        if inode is None:
            return None
        wanted = f"socket:[{inode}]"
        for pid in itertools.chain([self._latest], self._pids()):
            if _has_open(pid, wanted):
                self._latest = pid
                return self.child(pid)
        return None

    def _pids(self) -> Iterator[int]:
        """Yield the processes that have this endpoint, in the order of their numbers."""
        mark = f"AWS_ENDPOINT_URL={self.url}\0".encode()
        names = [folder.name for folder in Path("/proc").iterdir()]
        for pid in sorted(int(name) for name in names if name.isdigit()):
            with contextlib.suppress(OSError):
                if mark in Path(f"/proc/{pid}/environ").read_bytes():
                    yield pid

    def child(self, pid: int) -> Child | None:
        """Return a process of ours; None for one that is none of the stages, or has gone."""
        try:
            folder = Path(f"/proc/{pid}")
            variables = _strings(folder / "environ")
            command = _strings(folder / "cmdline")
            session = os.getsid(pid)
        except OSError:
            return None
        given = [entry.partition("=")[2] for entry in variables if entry.startswith(f"{ROLE}=")]
        role = Role(given[0]) if given else _role(command)
        return None if role is None else Child(pid, role, session)

    def workers(self) -> list[Child]:
        """Return all workers."""
        children = map(self.child, self._pids())
        return [child for child in children if child is not None and child.role is Role.WORKER]


def _role(command: list[str]) -> Role | None:
    module = command[2] if command[1:2] == ["-m"] else ""
    if any("multiprocessing.forkserver" in argument for argument in command):
        return Role.TILER
    return {
        "worker": Role.WORKER,
        "manifest_builder": Role.BUILDER,
        "console.cloud.function": Role.DISPATCHER,
    }.get(module)


def _inode(port: int, proxy_port: int) -> int | None:
    """Return the socket of a connection's client side; None if there is no such connection."""
    host, nothing = socket.inet_aton("127.0.0.1").ljust(16, b"\0"), 0
    ports = struct.pack("!HH", port, proxy_port)
    any_cookie = struct.pack("=III", nothing, ANY, ANY)
    query = struct.pack("=BBxxI", socket.AF_INET, socket.IPPROTO_TCP, ANY)
    query += ports + host + host + any_cookie
    head = struct.pack("=IHHII", NETLINK_HEAD + len(query), BY_FAMILY, REQUEST, nothing, nothing)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, SOCK_DIAG) as kernel:
        kernel.send(head + query)
        answer = kernel.recv(MAX_ANSWER_BYTES)
    _, kind = struct.unpack_from("=IH", answer)
    if kind != BY_FAMILY:
        return None
    inode: int = struct.unpack_from("=I", answer, INODE_AT)[0]
    return inode or None


def _has_open(pid: int, wanted: str) -> bool:
    try:
        return any(_target(link) == wanted for link in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""


def _strings(file: Path) -> list[str]:
    return [entry.decode(errors="replace") for entry in file.read_bytes().split(b"\0")]


def _signal(pid: int, signum: signal.Signals) -> bool:
    try:
        os.kill(pid, signum)
    except ProcessLookupError:
        return False
    return True
