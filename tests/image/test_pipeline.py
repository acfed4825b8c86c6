"""The whole pipeline publishes the same, whether its jobs run in the image or here."""

import os
import sys
from pathlib import Path

import pytest

from console.embedded import embedded_cloud
from console.follow import follow_upload
from pipeline.environment import DEST_STORE, SOURCE_STORE
from pipeline.run import Counts, RunState
from tests.builders import ENVIRONMENT, task_body
from tests.image.container import Bind, Container
from tests.image.jobs import write_interpreter
from tests.kinds.table import SUPPORTED
from tests.test_every_kind import write_good


@pytest.fixture
def interpreter(container: Container, tmp_path: Path, source: Path, dest: Path) -> Path:
    """What the embedded cloud runs its jobs with: the image."""
    os.chown(dest, *container.user)
    place = tmp_path / "container"
    place.mkdir()
    seen = {str(source): Bind(source=source), str(dest): Bind(source=dest, writable=True)}
    running = Container(
        layers=container.layers,
        binds={**container.binds, **seen},
        environment=container.environment,
        user=container.user,
        directory=container.directory,
    )
    prepared = running.prepare(["python", "-m", "worker"], place)
    file = tmp_path / "interpreter"
    write_interpreter(file, prepared, place / "container.json")
    return file


def run(folder: Path, source: Path, dest: Path) -> dict[str, bytes]:
    """Run the pipeline on a cloud in a folder; return what it publishes."""
    stores = {SOURCE_STORE: source.as_uri(), DEST_STORE: dest.as_uri()}
    environment = {**stores, "TILEPOOL_IDLE_SECONDS": "1", "TILEPOOL_PROCESSES": "2"}
    with embedded_cloud(folder, environment) as cloud:
        *_, last = follow_upload(cloud, cloud.upload_task("task.json", task_body(workers=1)))
        logs = "\n".join(log.read_text() for log in sorted(cloud.logs.rglob("*.log")))
    images = last.counts.total
    assert (last.run.state, last.counts) == (RunState.DONE, Counts(images, images, 0)), logs
    return {
        str(file.relative_to(dest)): file.read_bytes() for file in dest.rglob("*") if file.is_file()
    }


def test_every_kind_is_tiled_and_published_in_it_as_it_is_here(
    container: Container,
    interpreter: Path,
    tmp_path: Path,
    source: Path,
    dest: Path,
    scratch: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_good(source / "archive/Letters")
    csv = source / ENVIRONMENT["CSV_PATH"] / ENVIRONMENT["CSV_NAME"]
    csv.parent.mkdir(parents=True)
    csv.write_text("Identifier,Title\nTIFF strips,Strips\n")
    here = tmp_path / "here"
    here.mkdir()
    expected = run(tmp_path / "cloud-here", source, here)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", str(interpreter))
        published = run(tmp_path / "cloud-image", source, dest)
    assert sum(name.endswith("info.json") for name in published) >= sum(
        map(len, SUPPORTED.values())
    )
    assert published.keys() == expected.keys()
    different = [name for name, content in published.items() if content != expected[name]]
    assert different == []
    # The image's user has written it, and has cleaned up behind itself.
    assert {file.stat().st_uid for file in dest.rglob("*")} == {container.user[0]}
    assert list(scratch.iterdir()) == []
