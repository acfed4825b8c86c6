"""`tilepool cloud up` and `down`: an embedded cloud that outlives the command."""

import os
import signal
import time
from pathlib import Path

from console.cloud.folder import CloudFolder, open_folder
from console.embedded import (
    JOB_ENVIRONMENT,
    LOOK_SECONDS,
    START_SECONDS,
    STOP_SECONDS,
    let_live,
    start_cloud,
)
from console.errors import ConsoleError


def bring_up(folder: Path) -> str:
    """Start the embedded cloud of a folder, unless it is up; return what to tell of it."""
    place = open_folder(folder)
    user = place.use()
    try:
        lock = _lock(place)
        if lock is None:
            return f"The embedded cloud in {place.path} is up already."
        try:
            _, process = start_cloud(place, lock, JOB_ENVIRONMENT, kept=True)
            let_live(process)
        finally:
            os.close(lock)
    finally:
        os.close(user)
    return f"The embedded cloud is up; its state is kept in {place.path}."


def bring_down(folder: Path) -> str:
    """Stop the embedded cloud of a folder, with its state saved; return what to tell of it."""
    place = open_folder(folder)
    contact = None if place.is_free() else place.contact()
    if contact is None or not contact.kept:
        return f"No embedded cloud is up in {place.path}."
    os.kill(contact.process, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while not place.is_free():
        if time.monotonic() > deadline:
            raise ConsoleError(
                f"the embedded cloud, process {contact.process}, has not stopped"
                f" within {STOP_SECONDS} s; see {place.logs(contact.logs) / 'cloud.log'}"
            )
        time.sleep(LOOK_SECONDS)
    return f"The embedded cloud is down; its state is kept in {place.path}."


def _lock(place: CloudFolder) -> int | None:
    """Take the cloud's place, or return None if one that is kept has it."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        lock = place.lock()
        if lock is not None:
            return lock
        contact = place.contact()
        if contact is not None and contact.kept:
            return None
        if contact is not None:
            raise ConsoleError(
                f"a command that is running uses {place.path}, on an embedded cloud that ends"
                " with it; try again when it has ended"
            )
        # It is about to start or to end.
        if time.monotonic() > deadline:
            raise ConsoleError(f"the embedded cloud in {place.path} neither starts nor ends")
        time.sleep(LOOK_SECONDS)
