"""The manifest builder's job in a process of its own: benchmarks/manifest_job.py ANSWERS.

Prints, as JSON, its seconds, CPU seconds, peak memory, and calls of stores and ledger.
"""

import json
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

STARTED = time.perf_counter()
sys.path.append(str(Path(__file__).parents[1]))

import obstore  # noqa: E402  # the wheel's come first

from benchmarks.ledger_answers import TABLE, Answers  # noqa: E402
from manifest_builder.build import finish_run  # noqa: E402
from pipeline.dynamo_ledger import DynamoLedger  # noqa: E402
from pipeline.logs import configure_logging  # noqa: E402

STORE_CALLS = ("get", "put", "delete", "list", "list_with_delimiter")
PEAK = re.compile(r"VmHWM:\s+(\d+) kB")


def main() -> None:
    """Build the run whose ledger's answers are in a folder."""
    configure_logging()
    folder = Path(sys.argv[1])
    stored = _counted()
    answers = Answers(folder)
    ledger = DynamoLedger(answers.client(), TABLE)
    run = json.loads((folder / "run.json").read_bytes())["Item"]["run_id"]["S"]
    imported = time.perf_counter()
    summary = finish_run(run, ledger)
    if summary is None or summary.problems:
        raise SystemExit(f"not built as it should be: {summary}")
    measured = {
        "seconds": time.perf_counter() - STARTED,
        "start": imported - STARTED,
        "cpu": time.process_time(),
        "peak_bytes": _peak_bytes(),
        "images": summary.images,
        "stored": dict(stored),
        "ledger": answers.calls,
    }
    sys.stdout.write(json.dumps(measured))


def _counted() -> Counter[str]:
    """Have calls of obstore counted, by their name."""
    calls: Counter[str] = Counter()

    def counting(name: str) -> Callable[..., Any]:
        real = getattr(obstore, name)

        def call(*arguments: Any, **named: Any) -> Any:
            calls[name] += 1
            return real(*arguments, **named)

        return call

    for name in STORE_CALLS:
        setattr(obstore, name, counting(name))
    return calls


def _peak_bytes() -> int:
    found = PEAK.search(Path("/proc/self/status").read_text("utf-8"))
    return int(found[1]) * 1024 if found else 0


if __name__ == "__main__":
    main()
