"""What all tests of the protocol need."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from console import replay
from dispatcher import sending
from tests.protocol.stage import lay_out


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the sources of all tasks."""
    lay_out(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    """Log only what is critical: a run of the model logs tens of thousands of lines."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    yield
    structlog.configure(**before)


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the calls of a replay come in one order, so that an example can be repeated."""
    monkeypatch.setattr(replay, "MAX_THREADS", 1)


@pytest.fixture(autouse=True)
def small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have an invocation end, and its successor go on, between two messages."""
    monkeypatch.setattr(sending, "MIN_MESSAGES", 1)
