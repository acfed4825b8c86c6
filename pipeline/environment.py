"""The environment variables of the stages, read once by their entry points. Pure.

The template sets them on AWS, the embedded cloud on a laptop: docs/configuration.md tells all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.errors import TilepoolError

REGION = "AWS_DEFAULT_REGION"
"""boto3's; it would fail at the first client, and name no variable."""
TABLE = "TILEPOOL_TABLE"
QUEUE_URL = "TILEPOOL_QUEUE_URL"
DEAD_LETTER_QUEUE_URL = "TILEPOOL_DEAD_LETTER_QUEUE_URL"
EVENT_BUS = "TILEPOOL_EVENT_BUS"
CLAIM_SECONDS = "TILEPOOL_CLAIM_SECONDS"

# The dispatcher's
JOB_QUEUE = "TILEPOOL_JOB_QUEUE"
JOB_DEFINITION = "TILEPOOL_JOB_DEFINITION"
MANIFEST_JOB_DEFINITION = "TILEPOOL_MANIFEST_JOB_DEFINITION"
OTHER_JOB_QUEUES = "TILEPOOL_OTHER_JOB_QUEUES"
OTHER_JOB_DEFINITIONS = "TILEPOOL_OTHER_JOB_DEFINITIONS"
SOURCE_STORE = "TILEPOOL_SOURCE_STORE"
DEST_STORE = "TILEPOOL_DEST_STORE"
DISPATCH_SECONDS = "TILEPOOL_DISPATCH_SECONDS"
INVOCATION_SECONDS = "TILEPOOL_INVOCATION_SECONDS"
CONFIRM_SECONDS = "TILEPOOL_CONFIRM_SECONDS"

# The jobs'
RUN_ID = "TILEPOOL_RUN_ID"
WORKER = "TILEPOOL_WORKER"
PROCESSES = "TILEPOOL_PROCESSES"
IN_HAND = "TILEPOOL_IN_HAND"
MEMORY_BYTES = "TILEPOOL_MEMORY_BYTES"
IDLE_SECONDS = "TILEPOOL_IDLE_SECONDS"
LEASE_SECONDS = "TILEPOOL_LEASE_SECONDS"
GRACE_SECONDS = "TILEPOOL_GRACE_SECONDS"
PAGE_SECONDS = "TILEPOOL_PAGE_SECONDS"
BACKOFF_SECONDS = "TILEPOOL_BACKOFF_SECONDS"

EXIT_CODE = 2
"""Of a job whose environment is wrong: another attempt would end the same way."""


class BadEnvironment(TilepoolError):
    """Variables are missing or are not what they should be: the deployment is wrong.

    `mistakes` holds a line for each.
    """

    def __init__(self, mistakes: Sequence[str]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__(self.mistakes)

    def __str__(self) -> str:
        return "\n".join(self.mistakes)


@dataclass(frozen=True, slots=True)
class Environment:
    """Read access to a process's variables, which gathers what is wrong with them."""

    variables: Mapping[str, str]
    mistakes: list[str] = field(default_factory=list)

    def text(self, name: str, default: str | None = None) -> str:
        """Return a variable; that one without a default is missing, or empty, is a mistake."""
        value = self.variables.get(name) or default
        if value is None:
            self.mistakes.append(f"{name}: missing")
            return ""
        return value

    def whole(self, name: str, default: int, least: int = 0) -> int:
        """Return a whole number; one that is none, or too small, is a mistake."""
        value = self.text(name, str(default))
        if not value.isascii() or not value.isdigit() or int(value) < least:
            self.mistakes.append(f"{name}: expected a whole number from {least}, not {value!r}")
            return default
        return int(value)

    def check(self) -> None:
        """Raise BadEnvironment with every mistake that was found."""
        if self.mistakes:
            raise BadEnvironment(self.mistakes)
