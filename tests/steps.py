"""Work that pauses, done at once."""

from typing import TypeVar

from worker.work import Steps

Result = TypeVar("Result")


def run_through(steps: Steps[Result]) -> Result:
    """Do all steps, and return what comes of them."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: Result = done.value
            return result
