"""The protocol's promises, under any order of deliveries, deaths, replays and operators.

With HYPOTHESIS_PROFILE=thorough for hours rather than seconds.
"""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from console.embedded import EmbeddedCloud
from pipeline import dead_letters, dynamo_items, dynamo_pages, dynamo_recording
from tests.protocol.machine import IS_THOROUGH, Protocol
from tests.protocol.worlds import EmbeddedWorld, MemoryWorld

EXAMPLES = 5_000 if IS_THOROUGH else 80
EMBEDDED_EXAMPLES = 200 if IS_THOROUGH else 2
STEPS = 60 if IS_THOROUGH else 40
EMBEDDED_STEPS = 25


def try_out(machine: type[Protocol], examples: int, steps: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )


def test_the_promises_hold_in_memory(folder: Path) -> None:
    class InMemory(Protocol):
        pass

    InMemory.new_world, InMemory.folder = MemoryWorld, folder
    try_out(InMemory, EXAMPLES, STEPS)


def test_the_promises_hold_on_the_embedded_cloud(
    cloud: EmbeddedCloud, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A look into the embedded queue is complete without waiting. And few entries to a
    # transaction, so that a process may die between two of them.
    monkeypatch.setattr(dead_letters, "WAIT_SECONDS", 0)
    monkeypatch.setattr(dynamo_pages, "MAX_TRANSACTION_ENTRIES", 3)
    monkeypatch.setattr(dynamo_recording, "MAX_TRANSACTION_ENTRIES", 2)
    monkeypatch.setattr(dynamo_recording, "MAX_PAGES_IN_HAND", 1)
    monkeypatch.setattr(dynamo_items, "MAX_TRANSACTION_ENTRIES", 1)

    class Embedded(Protocol):
        looks_every = 12

    Embedded.new_world, Embedded.folder = staticmethod(lambda: EmbeddedWorld(cloud)), folder
    try_out(Embedded, EMBEDDED_EXAMPLES, EMBEDDED_STEPS)
