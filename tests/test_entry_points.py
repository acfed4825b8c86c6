"""What a wrong environment leads to: one line that tells all, and no traceback."""

import json
import os
import subprocess
import sys

import pytest

from dispatcher.handler import lambda_handler
from pipeline.environment import EXIT_CODE, REGION, BadEnvironment


@pytest.mark.parametrize(
    ("stage", "missing"),
    [
        (
            "worker",
            [REGION, "TILEPOOL_TABLE", "TILEPOOL_QUEUE_URL", "TILEPOOL_DEAD_LETTER_QUEUE_URL"],
        ),
        ("manifest_builder", [REGION, "TILEPOOL_TABLE", "TILEPOOL_RUN_ID"]),
    ],
)
def test_a_job_with_a_wrong_environment_says_all_in_one_line(
    stage: str, missing: list[str]
) -> None:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "TILEPOOL_"))
    }
    path = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        [sys.executable, "-m", stage],
        env={**kept, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (EXIT_CODE, "")
    (line,) = done.stderr.splitlines()
    told = json.loads(line)
    assert (told["event"], told["level"]) == ("bad_environment", "error")
    assert told["mistakes"] == [f"{name}: missing" for name in missing]


def test_the_function_fails_with_all_in_its_message(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("TILEPOOL_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("TILEPOOL_TABLE", "ledger")
    monkeypatch.setenv("TILEPOOL_CONFIRM_SECONDS", "soon")
    with pytest.raises(BadEnvironment) as caught:
        lambda_handler({"Records": []}, None)
    assert str(caught.value).splitlines() == [
        "TILEPOOL_QUEUE_URL: missing",
        "TILEPOOL_DEAD_LETTER_QUEUE_URL: missing",
        "TILEPOOL_CONFIRM_SECONDS: expected a whole number from 0, not 'soon'",
    ]


LARGE = {
    *("boto3", "flask", "iiif_prezi3", "imagecodecs", "moto", "numpy", "obstore", "pandas"),
    *("pi_heif", "PIL", "pydantic", "pypdfium2", "pyvips", "structlog", "tifffile"),
}


@pytest.mark.parametrize(
    ("module", "wanted"),
    [
        # Signals are taken before anything large is loaded.
        ("worker.__main__", set()),
        # A folder wants no credentials.
        ("pipeline.storage", {"obstore"}),
        ("dispatcher.handler", {"boto3", "obstore", "structlog"}),
        (
            "manifest_builder.__main__",
            {
                *("boto3", "iiif_prezi3", "obstore", "pandas", "structlog"),
                *("numpy", "PIL", "pydantic"),  # theirs
            },
        ),
    ],
)
def test_what_starts_often_loads_only_the_large_libraries_it_wants(
    module: str, wanted: set[str]
) -> None:
    code = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert LARGE & set(loaded) == wanted


def test_a_worker_loads_no_image_library_but_in_its_tiling_processes() -> None:
    heavy = {"PIL", "imagecodecs", "numpy", "pi_heif", "pypdfium2", "pyvips", "tifffile"}
    script = "import sys, worker.loop, worker.desk, worker.processes; print(*sys.modules)"
    path = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert heavy & set(done.stdout.split()) == set()
