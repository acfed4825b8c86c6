"""What happens to a stack, event by event. Adapter: takes a client."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from console.aws.stack_state import find_stack

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.client import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import StackEventTypeDef

POLL_SECONDS = 2.0
FINAL_FAILURES = frozenset({"ROLLBACK_FAILED", "UPDATE_ROLLBACK_FAILED", "DELETE_FAILED"})
"""After other failures of a stack it is rolled back."""
CONSEQUENCES = ("cancelled", "The following resource(s) failed")
"""Reasons that tell of another failure, not of their own."""


@dataclass(frozen=True, slots=True)
class Event:
    """What happened to a resource, or to the stack itself."""

    event_id: str
    logical_id: str
    physical_id: str
    resource_type: str
    status: str
    reason: str
    at: datetime
    is_of_stack: bool

    @property
    def is_failure(self) -> bool:
        """Tell whether something failed."""
        return self.status.endswith("_FAILED")

    @property
    def is_cause(self) -> bool:
        """Tell whether it is a failure of the resource's own."""
        is_own = not any(text in self.reason for text in CONSEQUENCES)
        return self.is_failure and not self.is_of_stack and is_own

    @property
    def is_end(self) -> bool:
        """Tell whether the stack comes to rest with it."""
        is_final = self.status.endswith("_COMPLETE") or self.status in FINAL_FAILURES
        return self.is_of_stack and is_final


@dataclass(slots=True)
class StackEvents:
    """A stack's events; each is handed out once, in the order of time."""

    client: "CloudFormationClient"
    stack_id: str
    _seen: set[str] = field(default_factory=set)

    def fresh(self) -> list[Event]:
        """Return the events since the last call, the oldest first."""
        pages = self.client.get_paginator("describe_stack_events").paginate(StackName=self.stack_id)
        fresh: list[Event] = []
        for page in pages:
            new = [told for told in page["StackEvents"] if told["EventId"] not in self._seen]
            self._seen.update(told["EventId"] for told in new)
            fresh.extend(map(_event, new))
            if not new:  # newest first: all others are known
                break
        return fresh[::-1]

    def follow(self) -> Iterator[Event]:
        """Yield events as they come, until the stack is at rest, or gone."""
        while True:
            for event in self.fresh():
                yield event
                if event.is_end:
                    return
            if find_stack(self.client, self.stack_id) is None:
                return
            time.sleep(POLL_SECONDS)


def _event(told: "StackEventTypeDef") -> Event:
    physical_id = told.get("PhysicalResourceId", "")
    return Event(
        event_id=told["EventId"],
        logical_id=told.get("LogicalResourceId", ""),
        physical_id=physical_id,
        resource_type=told.get("ResourceType", ""),
        status=told.get("ResourceStatus", ""),
        reason=told.get("ResourceStatusReason", ""),
        at=told["Timestamp"],
        is_of_stack=physical_id == told["StackId"],
    )
