"""What ends a command with one clear line, and the documented exit codes."""

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended; click itself exits with USAGE on wrong arguments."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    DONE_WITH_FAILURES = 3


class ConsoleError(Exception):
    """A command cannot go on; the text is all that is shown."""

    def __init__(self, message: str, exit_code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def shown(text: str) -> str:
    """Return a text for a terminal: names in it come from anywhere and must not steer it."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)
