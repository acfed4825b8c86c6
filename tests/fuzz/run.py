"""Fuzzing for a stated time: python tests/fuzz/run.py [TARGET …].

TILEPOOL_FUZZ_SECONDS are shared by the targets, TILEPOOL_FUZZ_SEED repeats a run, and what is
found is kept below TILEPOOL_FUZZ_FINDINGS. Exit code 1 where anything raised what it should not,
or anything but the decoder of an image died or hung: that costs a worker its tiling process alone.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

CHILD = Path(__file__).with_name("child.py")
GUIDED = Path(__file__).with_name("guided.py")
NAMES = (
    *("task", "message", "csv", "event", "receipt", "manifest", "export"),
    *("tiff_directories", "tiff", "jpeg", "jpeg_2000", "png", "webp", "gif", "bmp"),
    *("heic", "avif", "pdf"),
)
DECODED = frozenset(NAMES[8:])
SECONDS = 300
HUNG = 1
"""faulthandler's exit code."""


@dataclass
class Result:
    """What came of a target: inputs tried, and what was found with the file that shows it."""

    name: str
    tried: int = 0
    faults: list[str] = field(default_factory=list)
    borne: list[str] = field(default_factory=list)


def fuzz(name: str, seed: int, seconds: float, findings: Path, child: Path = CHILD) -> Result:
    """Run a target for so long, in a new process whenever one dies."""
    folder = findings / (f"{name}-guided" if child == GUIDED else name)
    result = Result(folder.name)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        with (folder / "stderr").open("wb") as stderr:
            command = [sys.executable, str(child), name, str(seed), str(left), str(folder)]
            code = subprocess.run(command, stderr=stderr, check=False).returncode
        tried = folder / "tried"
        result.tried += int(tried.read_text()) if tried.exists() else 0
        if code == 0:
            break
        if not (folder / "input").exists():
            raise SystemExit(f"{name} did not start: {(folder / 'stderr').read_text()}")
        death = (
            "hang" if code == HUNG else signal.Signals(-code).name if code < 0 else f"exit-{code}"
        )
        kept = folder / f"{death}-{seed}.bin"
        (folder / "input").replace(kept)
        (folder / "stderr").replace(kept.with_suffix(".txt"))
        (result.borne if name in DECODED else result.faults).append(str(kept))
        tried.unlink(missing_ok=True)
        seed += 1
    result.faults += [
        str(file)
        for file in folder.glob("*.bin")
        if str(file) not in {*result.borne, *result.faults}
    ]
    return result


def main() -> None:
    """Fuzz every target that was named, or all; print what was found."""
    names = sys.argv[1:] or NAMES
    seconds = float(os.environ.get("TILEPOOL_FUZZ_SECONDS", SECONDS))
    seed = int(os.environ.get("TILEPOOL_FUZZ_SEED", random.SystemRandom().randrange(10**6)))
    findings = Path(os.environ.get("TILEPOOL_FUZZ_FINDINGS", "fuzz-findings"))
    print(f"seed {seed}, {seconds:.0f} s for {len(names)} targets, findings in {findings}")
    runs = [(name, child) for name in names for child in children(name)]
    faults = 0
    for name, child in runs:
        result = fuzz(name, seed, seconds / len(runs), findings, child)
        print(f"{result.name:25}{result.tried:>9,} inputs", flush=True)
        for kind, files in (("FAULT", result.faults), ("borne", result.borne)):
            for file in files:
                print(f"  {kind} {file}", flush=True)
        faults += len(result.faults)
    sys.exit(faults > 0)


def children(name: str) -> tuple[Path, ...]:
    """Return the ways to fuzz a target: parsers by coverage too, where atheris is there."""
    is_guided = name not in DECODED and find_spec("atheris") is not None
    return (CHILD, GUIDED) if is_guided else (CHILD,)


if __name__ == "__main__":
    main()
