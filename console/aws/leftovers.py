"""Finding what a stack holds that deleting it does not remove: buckets and tables.

What stacks that are gone have left is known by their events, which CloudFormation keeps for 90
days. Adapter: takes clients.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from console.aws.account import Account
from console.aws.stack_events import StackEvents
from console.aws.stack_state import DELETED, Stack, is_own
from console.aws.stores import Bucket, Leftover, Table

KEPT = "DELETE_SKIPPED"


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What is to be removed, and what was the stack's but cannot be told to be so still."""

    known: tuple[Leftover, ...]
    doubtful: tuple[Leftover, ...]


def find_leftovers(account: Account, stack: Stack | None, name: str) -> Leftovers:
    """Return what a stack would leave, and what deleted stacks of its name have left."""
    known: list[Leftover] = []
    doubtful: list[Leftover] = []
    stack_ids = list(_deleted(account, name))
    if stack is not None:
        known += [one for one in _held(account, stack.stack_id) if one.facts() is not None]
        stack_ids.insert(0, stack.stack_id)
    for stack_id in stack_ids:
        for one, at in _let_go(account, stack_id):
            facts = one.facts()
            if facts is None or one in known or one in doubtful:
                continue
            (known if facts.is_of(stack_id, at) else doubtful).append(one)
    return Leftovers(tuple(known), tuple(doubtful))


def _deleted(account: Account, name: str) -> Iterator[str]:
    """Yield the ids of deleted stacks of ours of a name."""
    pages = account.cloudformation.get_paginator("list_stacks")
    for page in pages.paginate(StackStatusFilter=[DELETED]):
        for told in page["StackSummaries"]:
            stack_id = told.get("StackId", "")
            if told["StackName"] == name and is_own(account.cloudformation, stack_id):
                yield stack_id


def _held(account: Account, stack_id: str) -> Iterator[Leftover]:
    """Yield what a stack has."""
    pages = account.cloudformation.get_paginator("list_stack_resources")
    for page in pages.paginate(StackName=stack_id):
        for told in page["StackResourceSummaries"]:
            one = _leftover(account, told["ResourceType"], told.get("PhysicalResourceId", ""))
            if one is not None:
                yield one


def _let_go(account: Account, stack_id: str) -> Iterator[tuple[Leftover, datetime]]:
    """Yield what a stack did not delete when it let go of it, and when that was."""
    for event in StackEvents(account.cloudformation, stack_id).fresh():
        one = _leftover(account, event.resource_type, event.physical_id)
        if event.status == KEPT and one is not None:
            yield one, event.at


def _leftover(account: Account, resource_type: str, name: str) -> Leftover | None:
    if resource_type == "AWS::S3::Bucket" and name:
        return Bucket(account.s3, account.number, name)
    if resource_type == "AWS::DynamoDB::Table" and name:
        return Table(account.dynamodb, name)
    return None
