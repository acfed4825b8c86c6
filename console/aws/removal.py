"""Deleting a stack, and waiting for its end."""

from rich.console import Console

from console.aws.account import Account
from console.aws.progress import progress
from console.aws.stack_events import Event, StackEvents
from console.aws.stack_state import Stack, find_stack
from console.errors import ConsoleError


def delete_stack(account: Account, stack: Stack, console: Console) -> None:
    """Delete a stack, with progress; raises ConsoleError with the causes if it cannot be."""
    client = account.cloudformation
    pages = client.get_paginator("list_stack_resources").paginate(StackName=stack.stack_id)
    total = sum(len(page["StackResourceSummaries"]) for page in pages)
    events = StackEvents(client, stack.stack_id)
    events.fresh()
    client.delete_stack(StackName=stack.stack_id)
    seen: list[Event] = []
    with progress(console, total) as watch:
        for event in events.follow():
            seen.append(event)
            watch(event)
    left = find_stack(client, stack.stack_id)
    if left is not None:
        causes = "; ".join(
            f"{event.logical_id}: {event.reason}" for event in seen if event.is_cause
        )
        raise ConsoleError(
            f"stack {stack.name} was not deleted ({left.status}): {causes}."
            " Repair that, then repeat the command"
        )
