"""Many calls at once, but no more; and no fault is lost."""

import threading
from collections.abc import Iterator

import pytest

from pipeline.threads import MAX_THREADS, call_all

WAIT_SECONDS = 30


def test_as_many_calls_are_under_way_as_there_are_threads() -> None:
    together = threading.Barrier(MAX_THREADS)

    def call(number: int) -> int:
        together.wait(WAIT_SECONDS)
        return number

    assert list(call_all(call, range(4 * MAX_THREADS))) == list(range(4 * MAX_THREADS))


def test_no_more_arguments_are_taken_than_there_are_threads() -> None:
    taken: list[int] = []

    def arguments() -> Iterator[int]:
        for number in range(1_000):
            taken.append(number)
            yield number

    answers = call_all(abs, arguments())
    assert next(answers) == 0
    assert len(taken) == MAX_THREADS


def test_the_fault_of_a_call_is_raised_and_no_other_begins() -> None:
    begun: list[int] = []

    def call(number: int) -> None:
        begun.append(number)
        if number == 5:
            raise OSError("broken")

    with pytest.raises(OSError, match="broken"):
        list(call_all(call, range(1_000)))
    assert len(begun) <= 5 + MAX_THREADS


def test_what_is_under_way_ends_before_a_fault_of_the_arguments_is_raised() -> None:
    ended: list[int] = []

    def arguments() -> Iterator[int]:
        yield from range(3)
        raise OSError("broken")

    with pytest.raises(OSError, match="broken"):
        list(call_all(ended.append, arguments()))
    assert sorted(ended) == [0, 1, 2]
