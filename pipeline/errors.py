"""The error tree; its two branches decide the fate of a message.

TilepoolError
├── PermanentError          counted as failed, never tried again
│   ├── BadTask             the task file; carries every mistake found in it
│   ├── BadEvent            what has invoked the dispatcher is no event of S3
│   ├── BadMessage          a queue message that cannot be understood
│   └── BadImage            the source image cannot be read, or is not there
└── TransientError          given back to the queue for another attempt
"""

from collections.abc import Sequence


class TilepoolError(Exception):
    """Base of everything that this project raises on purpose."""


class PermanentError(TilepoolError):
    """Another attempt would end the same way."""


class BadTask(PermanentError):
    """A task that must not start; `errors` holds one line per mistake."""

    def __init__(self, errors: Sequence[str]) -> None:
        self.errors = tuple(errors)
        # One argument, so that the error survives pickling.
        super().__init__(self.errors)

    def __str__(self) -> str:
        return "\n".join(self.errors)


class BadEvent(PermanentError):
    """An event that S3 does not send."""


class BadMessage(PermanentError):
    """A message body that is not ours or not of this version."""


class BadImage(PermanentError):
    """A source that cannot become tiles; the text is shown to librarians."""


class TransientError(TilepoolError):
    """Another attempt may succeed: throttling, a dead process, a network fault."""
