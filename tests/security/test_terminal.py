"""What comes from names, cells and files cannot steer the terminal that it is shown on."""

import subprocess
import sys
from pathlib import Path

from tests.builders import ENVIRONMENT, task_body
from tests.images import write_truncated

STEERING = "\x1b[2J\x07\u202e"


def tilepool(*arguments: object) -> str:
    """Return all that a command shows."""
    command = [sys.executable, "-m", "console", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in {1, 2, 3}
    return done.stdout + done.stderr


def test_an_error_cannot_steer_the_terminal(tmp_path: Path, source: Path) -> None:
    task = tmp_path / "task.json"
    task.write_bytes(task_body())
    (tmp_path / f"taken{STEERING}").touch()
    told = tilepool(
        "local", task, "--source", source, "--dest", tmp_path / f"taken{STEERING}" / "export"
    )
    assert "taken" in told
    assert not set(STEERING[:1] + STEERING[-2:]) & set(told)


def test_a_runs_report_cannot_steer_the_terminal(tmp_path: Path, source: Path, dest: Path) -> None:
    write_truncated(source / ENVIRONMENT["ACCESS_DIR"] / "book\u202e\x7f" / "p1.jpg")
    csv = source / ENVIRONMENT["CSV_PATH"] / ENVIRONMENT["CSV_NAME"]
    csv.parent.mkdir(parents=True)
    csv.write_text(f"identifier,Behavior\n{STEERING},{STEERING}\n", encoding="utf-8")
    task = tmp_path / "task.json"
    task.write_bytes(task_body())
    told = tilepool("local", task, "--source", source, "--dest", dest)
    assert "book" in told
    assert not {"\x1b", "\x07", "\x7f", "\u202e"} & set(told)
