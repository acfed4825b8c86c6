"""The rule that has the dispatcher reconcile, as the template's does on AWS."""

import threading

from console.cloud.function import Function

EVENT = {"tilepool": "reconcile"}
"""As the rule's input in `cfn/template.yaml`."""


class Schedule:
    """Invokes the function now and then, until it is closed."""

    def __init__(self, function: Function, seconds: float, *, at_once: bool) -> None:
        self._function = function
        self._seconds = seconds
        self._at_once = at_once
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="schedule", daemon=True)

    def start(self) -> None:
        """Start invoking."""
        self._thread.start()

    def close(self) -> None:
        """Stop, after the invocation at hand."""
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        if self._at_once:
            self._function.invoke(EVENT)
        while not self._closed.wait(self._seconds):
            # What it could not do, the next one will.
            self._function.invoke(EVENT)
