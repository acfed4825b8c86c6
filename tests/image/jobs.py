"""An interpreter for the embedded cloud, whose jobs run in the image: jobs.py CONTAINER -m MODULE.

The cloud itself runs here, and starts its jobs by what it takes for its own interpreter: this
script, by way of a command that `write_interpreter` makes. Imports nothing of ours but that.
"""

import json
import os
import runpy
import sys
from pathlib import Path

CLOUD = "console.cloud"
PASSED = ("AWS_", "TILEPOOL_")
"""What Batch hands to a container; all else is the image's."""


def write_interpreter(file: Path, prepared: list[str], container: Path) -> None:
    """Write a command that runs a module: the cloud here, any other in the container."""
    settings = file.with_suffix(".json")
    settings.write_text(
        json.dumps({"command": str(file), "prepared": prepared, "container": str(container)})
    )
    file.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P "{__file__}" "{settings}" "$@"\n')
    file.chmod(0o755)


def main() -> None:
    """Become the module."""
    settings = json.loads(Path(sys.argv[1]).read_bytes())
    module = sys.argv[-1]
    if module == CLOUD:
        sys.executable = settings["command"]
        sys.argv = [module]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        return
    job = Path(settings["container"])
    container = json.loads(job.read_bytes())
    given = {name: text for name, text in os.environ.items() if name.startswith(PASSED)}
    container["environment"] |= given
    container["command"][-1] = module
    own = job.with_name(f"job-{os.getpid()}.json")
    own.write_text(json.dumps(container))
    os.execvp(settings["prepared"][0], [*settings["prepared"][:-1], str(own)])  # noqa: S606


if __name__ == "__main__":
    main()
