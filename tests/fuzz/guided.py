"""As child.py, but guided by coverage: atheris keeps the inputs that reach new lines of ours.

For parsers in Python; what a decoder in C does with an input it cannot see.
"""

import os
import sys
from pathlib import Path

import atheris

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT))

PARSERS = [
    "pipeline",
    "dispatcher",
    "manifest_builder",
    "worker",
    "tifffile",
    "json.decoder",
    "csv",
]

with atheris.instrument_imports(include=PARSERS):
    from tests.fuzz.child import INPUT_SECONDS, TARGETS, keep


def main(name: str, seed: int, seconds: float, folder: Path) -> None:
    """Try inputs until the time is over; keep the first of each fault."""
    target, corpus, tried = TARGETS[name], folder / "corpus", 0
    corpus.mkdir(exist_ok=True)
    for number, content in enumerate(target.seeds()):
        (corpus / f"seed-{number}").write_bytes(content)

    def run(content: bytes) -> None:
        nonlocal tried
        tried += 1
        (folder / "input").write_bytes(content)
        try:
            target.run(content)
        except Exception as error:  # noqa: BLE001  # whatever is not expected is a fault
            keep(folder, error, content)
        (folder / "tried").write_text(str(tried))

    options = {
        "max_total_time": max(1, int(seconds)),
        "seed": seed + 1,
        "timeout": INPUT_SECONDS,
        "rss_limit_mb": 4_000,
        "max_len": 100_000,
        "artifact_prefix": f"{folder}{os.sep}",
        "verbosity": 0,
    }
    atheris.Setup(
        [sys.argv[0], *(f"-{option}={value}" for option, value in options.items()), str(corpus)],
        run,
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), Path(sys.argv[4]))
