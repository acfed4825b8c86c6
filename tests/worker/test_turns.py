"""One page at a time computes on a core, and whoever dies gives its turn back."""

import multiprocessing
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.synchronize import Event
from pathlib import Path

from worker.turns import FileTurns

PATIENCE_SECONDS = 30


def test_turns_are_taken_one_after_another(tmp_path: Path) -> None:
    turns, inside, most = FileTurns(tmp_path / "0"), 0, 0
    lock = threading.Lock()

    def take() -> None:
        nonlocal inside, most
        with turns.take():
            with lock:
                inside += 1
                most = max(most, inside)
            threading.Event().wait(0.01)
            with lock:
                inside -= 1

    with ThreadPoolExecutor(8) as threads:
        for taken in [threads.submit(take) for _ in range(24)]:
            taken.result(PATIENCE_SECONDS)
    assert (inside, most) == (0, 1)


def test_another_core_has_turns_of_its_own(tmp_path: Path) -> None:
    with FileTurns(tmp_path / "0").take(), FileTurns(tmp_path / "1").take():
        pass


def hold(file: Path, taken: Event) -> None:
    with FileTurns(file).take():
        taken.set()
        threading.Event().wait(PATIENCE_SECONDS)


def test_a_process_that_is_killed_gives_its_turn_back(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    taken = context.Event()
    holder = context.Process(target=hold, args=[tmp_path / "0", taken])
    holder.start()
    assert taken.wait(PATIENCE_SECONDS)
    assert holder.pid is not None
    os.kill(holder.pid, signal.SIGKILL)
    with FileTurns(tmp_path / "0").take():
        holder.join(PATIENCE_SECONDS)
    assert holder.exitcode == -signal.SIGKILL
