"""What the stages' code logs while a command runs it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from structlog.typing import EventDict, WrappedLogger

Sink = Callable[[str], None]


@contextmanager
def told_to(sink: Sink | None) -> Iterator[None]:
    """Give the events of a block, a line each, to `sink`; to nobody where there is none."""
    before = structlog.get_config()

    def tell(_logger: WrappedLogger, _level: str, event: EventDict) -> EventDict:
        if sink is not None:
            sink(_line(event))
        raise structlog.DropEvent

    structlog.configure(processors=[structlog.contextvars.merge_contextvars, tell])
    try:
        yield
    finally:
        structlog.configure(**before)


def _line(event: EventDict) -> str:
    name = str(event.pop("event")).replace("_", " ")
    if event.pop("exc_info", False):
        event["fault"] = " ".join(str(sys.exc_info()[1]).split())
    fields = [f"{key}={value}" for key, value in event.items() if value is not None]
    return "  ".join([name, *fields])
