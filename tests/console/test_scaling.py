"""A run is scaled up and down as it is typed, with real workers: none loses or repeats an image."""

import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from console.cloud.folder import CloudFolder
from console.embedded import JOB_ENVIRONMENT, NEVER_SECONDS, EmbeddedCloud, embedded_cloud
from console.keep import bring_up
from console.local import LocalRun, prepare_task
from pipeline.run import Counts
from tests.builders import ENVIRONMENT, task_body
from tests.console.halting import tiling
from tests.console.test_keep import kept, tilepool, until
from tests.images import write_image

__all__ = ["kept"]

PAGES = 12


@dataclass
class Scene:
    """A run with one worker on a cloud that is kept; its tiling processes may be halted."""

    cloud: EmbeddedCloud
    folder: Path
    halted: set[int] = field(default_factory=set)

    @property
    def run_id(self) -> str:
        return next(self.cloud.ledger.runs())

    @property
    def counts(self) -> Counts:
        return self.cloud.ledger.counts(self.run_id)

    def tilepool(self, *arguments: str) -> str:
        done = tilepool(*arguments, "--dir", self.folder)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def status(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.tilepool("status", "last", "--json"))
        return told

    def halt_with_pages(self, workers: int) -> None:
        """Halt the tiling of so many workers, each with a page in hand."""
        until(lambda: self._halted_with_pages(workers))

    def _halted_with_pages(self, workers: int) -> bool:
        if self.cloud.outbox.depth().in_flight < workers:
            return False
        for process in tiling(self.cloud.process):
            os.kill(process, signal.SIGSTOP)
            self.halted.add(process)
        # One that was met between two pages takes none, for its process does not answer.
        threading.Event().wait(1)
        if self.cloud.outbox.depth().in_flight == workers:
            return True
        self.go_on()
        return False

    def go_on(self) -> None:
        while self.halted:
            with suppress(ProcessLookupError):
                os.kill(self.halted.pop(), signal.SIGCONT)

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return what the workers have logged by this name."""
        found = []
        for log in self.cloud.logs.glob(f"{self.run_id}-worker-*.log"):
            lines = log.read_text("utf-8").splitlines()
            found += [json.loads(line) for line in lines if line.startswith("{")]
        return [event for event in found if event["event"] == name]


@contextmanager
def at_work(kept: CloudFolder, source: Path, dest: Path) -> Iterator[Scene]:
    csv = source / ENVIRONMENT["CSV_PATH"] / ENVIRONMENT["CSV_NAME"]
    csv.parent.mkdir(parents=True)
    csv.write_text("identifier,title\nbook,Book\n")
    for page in range(1, PAGES + 1):
        write_image(source / f"archive/Letters/book/Access/p{page}.jpg", 2_500 + page, 2_000)
    bring_up(kept.path)
    with embedded_cloud(kept.path, JOB_ENVIRONMENT, NEVER_SECONDS) as cloud:
        body, _ = prepare_task(LocalRun(task_body(), source, dest, workers=1), 1)
        cloud.upload_task(f"{time.time_ns()}/task.json", body)
        scene = Scene(cloud, kept.path)
        try:
            yield scene
        finally:
            scene.go_on()


@pytest.fixture
def scene(kept: CloudFolder, source: Path, dest: Path) -> Iterator[Scene]:
    with at_work(kept, source, dest) as found:
        yield found


def test_a_run_is_scaled_up_and_down_while_it_is_at_work(scene: Scene) -> None:
    scene.halt_with_pages(1)

    more = scene.tilepool("scale", "last", "3")
    assert more.splitlines() == [
        f"{scene.run_id}: 3 workers wanted, 2 started",
        f"  next       `tilepool status {scene.run_id} --dir {scene.folder}`",
    ]
    scene.halt_with_pages(3)
    assert scene.status()["workers"] == {"running": 3}
    assert "3 at work: nothing to do" in scene.tilepool("scale", "last", "3")

    fewer = scene.tilepool("scale", "last", "1")
    assert "1 worker wanted, 2 retired: each finishes the images in hand" in fewer
    until(lambda: len(scene.events("worker_retired")) == 2)
    told = scene.status()
    assert told["workers"] == {"running": 1, "retiring": 2}
    assert (told["state"], told["wanted_workers"]) == ("tiling", 1)
    assert scene.counts.pending >= 3, "each of the three has a page in hand"

    scene.go_on()
    watched = scene.tilepool("status", "last", "--watch", "--json")
    looks = [json.loads(line) for line in watched.splitlines()]
    assert looks[-1]["state"] == "done"
    assert scene.counts == Counts(PAGES, PAGES, 0)
    done = scene.events("page_done")
    pages = Counter((event["item"], event["page"]) for event in done if event["first"])
    assert len(pages) == len(done) == PAGES, "none is tiled twice"
    assert not scene.events("page_again")
    assert [event["retired"] for event in scene.events("worker_stopped")].count(True) == 2
    jobs = [job.job_id for job in scene.cloud.ledger.worker_jobs(scene.run_id)]
    assert len(jobs) == 3, "nobody takes the place of those that have left"
    # The one that stays leaves when the queue has been empty for two seconds.
    until(lambda: not scene.cloud.jobs.living(jobs))
    assert scene.cloud.jobs.failed(jobs) == {}

    refused = tilepool("scale", "last", "2", "--dir", scene.folder)
    assert refused.returncode == 1
    assert refused.stderr == f"Error: run {scene.run_id} is done: it has no work for workers\n"


def test_a_worker_that_was_killed_for_good_is_replaced_by_a_pass(scene: Scene) -> None:
    scene.halt_with_pages(1)
    scene.tilepool("scale", "last", "2")
    scene.halt_with_pages(2)
    newest = scene.cloud.ledger.worker_jobs(scene.run_id)[-1]
    scene.cloud.jobs.terminate([newest.job_id], "Spot wanted its machine back")
    until(lambda: not scene.cloud.jobs.living([newest.job_id]))

    # This pass does it, or the cloud's own a moment before.
    scene.tilepool("reconcile")
    assert len(scene.cloud.ledger.worker_jobs(scene.run_id)) == 3
    scene.tilepool("reconcile")

    scene.go_on()
    assert "done" in scene.tilepool("status", "last", "--watch")
    assert len(scene.cloud.ledger.worker_jobs(scene.run_id)) == 3
    assert scene.counts == Counts(PAGES, PAGES, 0)


def test_an_embedded_cloud_is_not_given_more_workers_than_a_machine_bears(scene: Scene) -> None:
    until(lambda: list(scene.cloud.ledger.runs()))
    refused = tilepool("scale", "last", "65", "--dir", scene.folder)
    assert refused.returncode == 2
    assert refused.stderr == "Error: N: an embedded cloud has 64 workers of a run at most\n"
