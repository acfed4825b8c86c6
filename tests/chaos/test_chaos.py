"""Real processes die at every point of the order of effects, and nothing of it shows at the end.

`tox -e chaos` tells it at length with seeds of its own, `tox` briefly with a fixed one. A seed's
choices are repeatable: TILEPOOL_CHAOS_SEED=7 tox -e chaos.
"""

import os
import random
from pathlib import Path

import pytest

from tests.chaos.archive import Archive, write_archive
from tests.chaos.arena import open_arena
from tests.chaos.report import SeedReport, report_of
from tests.chaos.story import Told, tell_story
from tests.chaos.strikes import LONG, SHORT

IS_LONG = os.environ.get("TILEPOOL_CHAOS") == "long"
SCALE = LONG if IS_LONG else SHORT
SHORT_SEEDS = [2118]


def seeds() -> list[int]:
    given = os.environ.get("TILEPOOL_CHAOS_SEED")
    if given:
        return [int(seed) for seed in given.split(",")]
    return random.sample(range(1_000_000), 3) if IS_LONG else SHORT_SEEDS


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    return write_archive(tmp_path_factory.mktemp("archive"), SCALE)


@pytest.fixture(scope="session")
def undisturbed(archive: Archive, tmp_path_factory: pytest.TempPathFactory) -> Told | None:
    """The same images, and nobody who interferes: what time is lost is seen beside it."""
    if not IS_LONG:
        return None
    with (
        pytest.MonkeyPatch.context() as monkeypatch,
        open_arena(archive, tmp_path_factory.mktemp("logs"), SCALE, None) as arena,
    ):
        arena.let_verify(monkeypatch.setenv)
        return tell_story(arena, SCALE, None)


@pytest.mark.parametrize("seed", seeds())
def test_nothing_is_lost_whatever_dies_whenever(
    seed: int,
    archive: Archive,
    undisturbed: Told | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    reports: list[SeedReport],
) -> None:
    with open_arena(archive, tmp_path, SCALE, seed) as arena:
        arena.let_verify(monkeypatch.setenv)
        told = tell_story(arena, SCALE, seed)
        reports.append(report_of(arena, seed, told, undisturbed))
        assert not told.unspent, told.unspent
