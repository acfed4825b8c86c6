"""What the stages' code logs reaches the terminal where it is wanted, and nowhere else."""

from collections.abc import Iterator

import pytest
import structlog

from console.events import told_to


@pytest.fixture(autouse=True)
def _as_structlog_comes() -> Iterator[None]:
    """Other tests of this process may have configured it."""
    configured = structlog.get_config()
    structlog.reset_defaults()
    yield
    structlog.configure(**configured)


def test_events_are_told_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    log = structlog.get_logger()
    told: list[str] = []
    with told_to(told.append), structlog.contextvars.bound_contextvars(run="letters-1"):
        log.warning("final_job_again", dead="job 1", other=None)
        try:
            int("two\nlines")
        except ValueError:
            log.exception("reconciling_failed")
    assert told == [
        "final job again  dead=job 1  run=letters-1",
        "reconciling failed  run=letters-1"
        "  fault=invalid literal for int() with base 10: 'two\\nlines'",
    ]
    assert capsys.readouterr() == ("", "")


def test_without_a_listener_there_is_silence_until_the_end_of_the_block(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = structlog.get_logger()
    with told_to(None):
        log.error("unheard")
    assert capsys.readouterr() == ("", "")
    log.error("heard")
    assert "heard" in capsys.readouterr().out
