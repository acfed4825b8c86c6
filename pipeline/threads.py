"""Calls under way at once: each waits for the network most of its time."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

MAX_THREADS = 16
"""A call waits for about 10 ms and computes for one: more would only queue for the processor. A
client must keep as many connections open, which is 10 for botocore unless it is told."""

Argument = TypeVar("Argument")
Answer = TypeVar("Answer")


def call_all(call: Callable[[Argument], Answer], arguments: Iterable[Argument]) -> Iterator[Answer]:
    """Make a call for each argument, `MAX_THREADS` at once; yield the answers in their order.

    Arguments are taken as the answers come. The first fault, of a call or of the arguments, is
    raised when the calls under way have ended, and no other begins.
    """
    with ThreadPoolExecutor(MAX_THREADS, "call") as threads:
        under_way: deque[Future[Answer]] = deque()
        for argument in arguments:
            under_way.append(threads.submit(call, argument))
            if len(under_way) == MAX_THREADS:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
