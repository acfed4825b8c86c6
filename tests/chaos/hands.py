"""Who has which message in hand, seen from the answers that pass. Pure.

A page may be cut off so often that it rightly fails. Images that are good must not, so whoever
holds one that has been cut off a few times, and is not recorded as done, is spared.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from pipeline.errors import BadMessage
from pipeline.message import Message, parse_message

Place = tuple[str, int, int]

MAX_STRUCK_ATTEMPT = 3
"""A delivery beyond this is not struck; the worker gives up after the fifth."""


@dataclass(frozen=True, slots=True)
class Held:
    """A delivered message: the job that asked for it, and its number of deliveries."""

    session: int
    message: Message
    attempt: int


@dataclass
class Hands:
    """Messages in hand, by receipt handle. `poison` holds the keys that may fail."""

    poison: set[str] = field(default_factory=set)
    held: dict[str, Held] = field(default_factory=dict)
    deliveries: Counter[str] = field(default_factory=Counter)
    """By message id."""
    done: set[Place] = field(default_factory=set)
    """Pages whose outcome no further delivery changes."""

    def receive(self, session: int, answer: dict[str, Any]) -> None:
        """Note the messages of an answer to ReceiveMessage."""
        for entry in answer.get("Messages", []):
            self.deliveries[entry["MessageId"]] += 1
            message = _message(entry["Body"])
            if message is not None:
                attempt = int(entry["Attributes"]["ApproximateReceiveCount"])
                self.held[entry["ReceiptHandle"]] = Held(session, message, attempt)

    def forget(self, handle: str) -> Held | None:
        """Note that a message was deleted or given back."""
        return self.held.pop(handle, None)

    def may_strike(self, session: int) -> bool:
        """Tell whether no good message in a job's hand has been delivered too often."""
        return not any(
            held.session == session and self._is_at_risk(held) for held in self.held.values()
        )

    def _is_at_risk(self, held: Held) -> bool:
        return (
            held.attempt > MAX_STRUCK_ATTEMPT
            and held.message.key not in self.poison
            and held.message.place not in self.done
        )

    @property
    def redelivered(self) -> int:
        """Return how many deliveries were not a message's first."""
        return sum(times - 1 for times in self.deliveries.values())


def _message(body: str) -> Message | None:
    try:
        return parse_message(body)
    except BadMessage:
        return None
