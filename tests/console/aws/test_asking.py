"""What may be lost is asked about, where somebody is there; else only --yes allows it."""

import io
import sys

import pytest

from console.aws.asking import confirm, confirm_name
from console.errors import ConsoleError, ExitCode


class Terminal(io.StringIO):
    """A terminal at which something is typed."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(f"{request.param}\n"))


@pytest.mark.usefixtures("typed")
@pytest.mark.parametrize("typed", ["y", "yes"], indirect=True)
def test_yes_goes_on() -> None:
    confirm("Ledger would be removed", yes=False)


@pytest.mark.usefixtures("typed")
@pytest.mark.parametrize("typed", ["", "n"], indirect=True)
def test_anything_else_stops(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConsoleError, match=r"^stopped: nothing was changed$"):
        confirm("Ledger would be removed", yes=False)
    assert "Ledger would be removed. Go on?" in capsys.readouterr().out


@pytest.mark.usefixtures("typed")
@pytest.mark.parametrize("typed", ["archive"], indirect=True)
def test_the_stacks_name_goes_on() -> None:
    confirm_name("archive", yes=False)


@pytest.mark.usefixtures("typed")
@pytest.mark.parametrize("typed", ["", "y", "Archive"], indirect=True)
def test_another_name_stops() -> None:
    with pytest.raises(ConsoleError, match=r"^stopped: nothing was removed$"):
        confirm_name("archive", yes=False)


def test_where_nobody_is_there_only_the_option_says_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    confirm("Ledger would be removed", yes=True)
    confirm_name("archive", yes=True)
    with pytest.raises(ConsoleError, match=r"^Ledger would be removed: .*--yes") as error:
        confirm("Ledger would be removed", yes=False)
    assert error.value.exit_code is ExitCode.USAGE
    with pytest.raises(ConsoleError, match=r"^stack archive would be removed: .*--yes"):
        confirm_name("archive", yes=False)
