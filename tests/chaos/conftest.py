"""Prints what chaos came to, and writes it where it is wanted."""

import os
from pathlib import Path

import pytest

pytest.register_assert_rewrite("tests.chaos.checks", "tests.chaos.story")

from tests.chaos.report import SeedReport, render  # noqa: E402  # rewritten from here on

REPORT = "TILEPOOL_CHAOS_REPORT"
REPORTS = pytest.StashKey[list[SeedReport]]()


@pytest.fixture
def reports(request: pytest.FixtureRequest) -> list[SeedReport]:
    """What the stories of this session came to."""
    return request.config.stash.setdefault(REPORTS, [])


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    reports = config.stash.get(REPORTS, [])
    if reports:
        terminalreporter.section("chaos")
        terminalreporter.write_line(render(reports))
        if REPORT in os.environ:
            Path(os.environ[REPORT]).write_text(f"{render(reports)}\n", encoding="utf-8")
