"""Small in-memory twins of the adapters; they pass the same contract tests as the real ones."""

from tests.fakes.announcements import MemoryAnnouncements
from tests.fakes.jobs import SMALL, MemoryJobs, MemoryTaskFiles, ScriptedTiler
from tests.fakes.ledger import MemoryLedger
from tests.fakes.queue import MemoryDeadLetters, MemoryDelivery, MemoryQueue, OneByOne

__all__ = [
    "SMALL",
    "MemoryAnnouncements",
    "MemoryDeadLetters",
    "MemoryDelivery",
    "MemoryJobs",
    "MemoryLedger",
    "MemoryQueue",
    "MemoryTaskFiles",
    "OneByOne",
    "ScriptedTiler",
]
