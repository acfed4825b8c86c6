"""A short fuzz in the plain suite: some broken inputs for every target; `tox -e fuzz` tries many.

Those of images are the same every time: where a decoder dies of one, this process would too.
"""

import random
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import worker.budget
from tests.fuzz.documents import DOCUMENTS, Target
from tests.fuzz.exports import EXPORTS
from tests.fuzz.images import IMAGES
from tests.fuzz.mutation import mutate, mutate_json
from tests.fuzz.run import NAMES, fuzz

MAX_PIXELS = 3_000_000
TEXTS = {**DOCUMENTS, **EXPORTS}
SEEDS = st.integers(0, 2**32)


@cache
def seeds_of(target: Target) -> tuple[bytes, ...]:
    return tuple(target.seeds())


def broken(target: Target, seed: int) -> bytes:
    change = mutate_json if target.is_json else mutate
    return change(random.Random(seed), seeds_of(target))


def test_every_target_is_fuzzed_by_name() -> None:
    assert sorted(NAMES) == sorted([*TEXTS, *IMAGES])


@pytest.mark.parametrize("name", [*TEXTS, *IMAGES])
def test_what_is_whole_is_read(name: str) -> None:
    target = {**TEXTS, **IMAGES}[name]
    for content in seeds_of(target)[:3]:
        target.run(content)


@pytest.mark.parametrize("name", TEXTS)
@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, noise=st.binary(max_size=200))
def test_a_broken_document_is_a_mistake_and_no_fault(name: str, seed: int, noise: bytes) -> None:
    TEXTS[name].run(broken(TEXTS[name], seed))
    TEXTS[name].run(noise)


@pytest.mark.parametrize("name", IMAGES)
@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(seed=SEEDS)
def test_a_broken_image_is_a_mistake_and_no_fault(name: str, seed: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker.budget, "MAX_PIXELS", MAX_PIXELS)
        IMAGES[name].run(broken(IMAGES[name], seed))


def test_a_fault_a_death_and_a_hang_are_all_found(tmp_path: Path) -> None:
    """The long fuzz itself, on a target that has every fault there is."""
    child = tmp_path / "child.py"
    child.write_text(
        "import faulthandler, os, pathlib, signal, sys, time\n"
        "name, seed, seconds, folder = sys.argv[1:]\n"
        "folder = pathlib.Path(folder)\n"
        "(folder / 'input').write_bytes(seed.encode())\n"
        "(folder / 'tried').write_text('2')\n"
        "if seed == '1': os.kill(os.getpid(), signal.SIGSEGV)\n"
        "if seed == '2': faulthandler.dump_traceback_later(0.1, exit=True); time.sleep(60)\n"
        "(folder / 'KeyError-place-3.bin').write_bytes(b'x')\n"
    )
    result = fuzz("task", 1, 600, tmp_path, child)
    assert result.tried == 6
    assert sorted(Path(file).name for file in result.faults) == [
        "KeyError-place-3.bin",
        "SIGSEGV-1.bin",
        "hang-2.bin",
    ]
    assert (tmp_path / "task" / "hang-2.bin").read_bytes() == b"2"
    assert "Timeout" in (tmp_path / "task" / "hang-2.txt").read_text()
    decoded = fuzz("heic", 1, 600, tmp_path, child)
    assert [Path(file).name for file in decoded.faults] == ["KeyError-place-3.bin"]
    assert len(decoded.borne) == 2


def test_the_long_fuzz_runs_and_names_its_seed(tmp_path: Path) -> None:
    run = Path(__file__).with_name("run.py")
    done = subprocess.run(
        [sys.executable, str(run), "receipt"],
        env={
            "TILEPOOL_FUZZ_SECONDS": "1",
            "TILEPOOL_FUZZ_SEED": "7",
            "TILEPOOL_FUZZ_FINDINGS": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "seed 7" in done.stdout
    assert "receipt" in done.stdout
