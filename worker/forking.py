"""The process that all tiling processes are forked from, as `worker.nursery` has made it.

Cheap to import, and the first thing that a worker does: the libraries load while it goes on.
"""

import os
import tempfile
from multiprocessing import forkserver, get_context

PROCESSES = get_context("forkserver")
PROCESSES.set_forkserver_preload(["worker.nursery"])

SOCKET_FOLDER_BYTES = 60
"""multiprocessing adds some 35 to a path, of which a socket's may have 104 on macOS."""
SHORT_FOLDER = "/tmp"  # noqa: S108  # multiprocessing makes a folder of its own in it


def load_libraries() -> None:
    """Have the libraries of all tiling processes loaded, and do not wait for it.

    Raises OSError where there is no folder for the socket of the process that does it.
    """
    folder = tempfile.gettempdir()
    if len(os.fsencode(folder)) > SOCKET_FOLDER_BYTES:
        tempfile.tempdir = SHORT_FOLDER
    try:
        forkserver.ensure_running()
    finally:
        tempfile.tempdir = folder
