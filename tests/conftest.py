"""One embedded cloud for all tests that want the real thing; each takes names of its own on it."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from console.embedded import EmbeddedCloud, embedded_cloud
from pipeline.ledger import DynamoLedger, Ledger
from tests.fakes import MemoryLedger, MemoryQueue
from worker.inbox import SqsInbox


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCloud]:
    """A running embedded cloud; its jobs see no stores."""
    with embedded_cloud({}, tmp_path_factory.mktemp("logs")) as running:
        yield running


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


@pytest.fixture
def dest(tmp_path: Path) -> Path:
    folder = tmp_path / "dest"
    folder.mkdir()
    return folder


@pytest.fixture
def memory_ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture(params=["memory", "embedded"])
def ledger(request: pytest.FixtureRequest) -> Ledger:
    """Both ledgers, for contract tests. Runs have random ids, so they share one table."""
    if request.param == "memory":
        return MemoryLedger()
    ledger: DynamoLedger = request.getfixturevalue("cloud").ledger
    return ledger


@dataclass(frozen=True, slots=True)
class SqsQueue:
    """A work queue with its dead letters on the embedded cloud, with the twin's side doors."""

    inbox: SqsInbox
    cloud: EmbeddedCloud
    url: str
    dead_letter_url: str
