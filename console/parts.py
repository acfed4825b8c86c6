"""The parts of a deployment that an operator's verbs work on; `console.deployment` has them."""

from typing import Protocol

from pipeline.batch import Jobs
from pipeline.dead_letters import DeadLetters
from pipeline.ledger import Ledger
from pipeline.outbox import Outbox


class Parts(Protocol):
    """What the verbs ask of a deployment."""

    @property
    def ledger(self) -> Ledger:
        """Return the ledger."""

    @property
    def outbox(self) -> Outbox:
        """Return the way into the work queue."""

    @property
    def dead_letters(self) -> DeadLetters:
        """Return the dead-letter queue."""

    @property
    def jobs(self) -> Jobs:
        """Return the jobs on Batch."""
