"""What the tests of colour measured, told at the end of the session."""

import pytest

from tests.differences import Figures

FIGURES = pytest.StashKey[Figures]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FIGURES] = Figures()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    rows = config.stash[FIGURES].rows
    if rows:
        terminalreporter.section("ΔE2000 from the reference: mean, 99.9th percentile, maximum")
        for row in sorted(rows, key=lambda row: row.name):
            terminalreporter.line(str(row))


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Figures:
    return request.config.stash[FIGURES]
