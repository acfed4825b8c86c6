"""The dispatcher's Lambda: each invocation is a process of its own, the event on standard input."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Function:
    """The function, with its environment; its output goes to a log."""

    environment: Mapping[str, str]
    log: Path

    def invoke(self, event: Mapping[str, Any]) -> bool:
        """Hand an event to the handler; tell whether it succeeded."""
        with self.log.open("ab") as log:
            done = subprocess.run(  # our own module
                [sys.executable, "-m", "console.cloud.function"],
                env=dict(self.environment),
                input=json.dumps(event).encode(),
                stdout=log,
                stderr=log,
                check=False,
            )
        return done.returncode == 0


def main() -> None:
    """Invoke the handler and log what it returns."""
    from dispatcher.handler import lambda_handler  # noqa: PLC0415  # in its own process alone

    json.dump(lambda_handler(json.load(sys.stdin), None), sys.stdout)


if __name__ == "__main__":
    main()
