"""Doing many things at once and taking their results in order, without holding them all."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

Work = TypeVar("Work")
Result = TypeVar("Result")


def in_order(
    pool: Executor, act: Callable[[Work], Result], work: Iterable[Work], ahead: int
) -> Iterator[Result]:
    """Yield the result of each piece of work in turn, at most `ahead` of them begun."""
    begun: deque[Future[Result]] = deque()
    try:
        for piece in work:
            begun.append(pool.submit(act, piece))
            if len(begun) >= ahead:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    finally:
        for future in begun:
            future.cancel()
