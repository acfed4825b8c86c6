"""`tilepool deploy`: a stack is made, or brought to this version, by a change set."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rich.console import Console

from console.aws.account import Account
from console.aws.artifacts import Artifacts, default_bucket
from console.aws.asking import confirm
from console.aws.bundle import build_bundle
from console.aws.causes import find_causes
from console.aws.change_set import ChangeSet, create_change_set
from console.aws.deploy_report import show_changes, show_failure, show_outputs
from console.aws.parameters import ARCHITECTURE, check_names, choose, value_of
from console.aws.progress import progress
from console.aws.removal import delete_stack
from console.aws.stack_events import Event, StackEvents
from console.aws.stack_state import (
    DELETED,
    IN_REVIEW,
    ROLLED_BACK,
    UPDATABLE,
    Stack,
    demand_own,
    find_stack,
)
from console.aws.template import declared_parameters, with_code
from console.errors import ConsoleError, ExitCode
from console.plain import say

DEPLOYED = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for."""

    stack: str
    template: str
    given: Mapping[str, str]
    artifact_bucket: str | None = None
    plan: bool = False
    yes: bool = False


def deploy(
    wanted: Wanted,
    account: Account,
    console: Console,
    build: Callable[[str], bytes] = build_bundle,
) -> ExitCode:
    """Deploy, or show what that would change; returns the exit code.

    `build` makes the dispatcher's bundle for an architecture.
    """
    declared = declared_parameters(wanted.template)
    check_names(wanted.given, declared)
    say(console, f"account {account.number}, region {account.region}, stack {wanted.stack}")
    stack = _updatable(find_stack(account.cloudformation, wanted.stack), wanted)
    if stack is not None:
        demand_own(account.cloudformation, stack)
    previous = {} if stack is None else stack.parameters
    given = wanted.given
    if stack is not None and stack.status == ROLLED_BACK:
        # It goes before its successor comes, which can have no previous values.
        given = {name: value for name, value in previous.items() if name in declared} | {**given}
        previous = {}
    parameters = choose(declared, given, previous)
    architecture = value_of(ARCHITECTURE, declared, given, previous) or "x86_64"
    with console.status("building the dispatcher's bundle"):
        bundle = build(architecture)
    artifacts = _artifacts(wanted, account)
    url = _upload(artifacts, wanted.template, bundle, console)
    if stack is not None and stack.status == ROLLED_BACK:
        say(console, f"what is left of a failed creation of {stack.name} is removed first")
        delete_stack(account, stack, console)
        stack = None
    change_set = create_change_set(
        account.cloudformation, wanted.stack, url, parameters, is_new=stack is None
    )
    return _carry_out(wanted, account, console, change_set)


def _updatable(stack: Stack | None, wanted: Wanted) -> Stack | None:
    """Return the stack, None for one that is to be made; raises ConsoleError if it cannot be."""
    if stack is None or stack.status == IN_REVIEW:
        return None
    if stack.is_busy:
        raise ConsoleError(f"stack {stack.name} is being changed: {stack.status}; wait for its end")
    if stack.status == ROLLED_BACK and wanted.plan:
        raise ConsoleError(
            f"stack {stack.name} is what a failed creation has left ({stack.status}): without"
            f" --plan it is removed first, `tilepool destroy --stack {stack.name}` removes it now"
        )
    if stack.status not in UPDATABLE | {ROLLED_BACK}:
        raise ConsoleError(
            f"stack {stack.name} cannot be updated ({stack.status}): bring it to an end in"
            f" CloudFormation's console, or `tilepool destroy --stack {stack.name}`"
        )
    return stack


def _artifacts(wanted: Wanted, account: Account) -> Artifacts:
    bucket = wanted.artifact_bucket or default_bucket(account)
    return Artifacts(account.s3, account, bucket, wanted.stack)


def _upload(artifacts: Artifacts, template: str, bundle: bytes, console: Console) -> str:
    """Put bundle and template where CloudFormation finds them; return the template's address."""
    say(console, f"artifacts go to s3://{artifacts.bucket}/{artifacts.prefix}")
    with console.status("uploading"):
        artifacts.prepare()
        code = artifacts.put("dispatcher", "zip", bundle)
        placed = with_code(template, artifacts.bucket, code).encode()
        return artifacts.url(artifacts.put("template", "yaml", placed))


def _carry_out(
    wanted: Wanted, account: Account, console: Console, change_set: ChangeSet
) -> ExitCode:
    """Show what would change, and execute it unless that is all that is wanted."""
    if not change_set.changes:
        change_set.discard()
        say(console, "Nothing changes")
        _show_outputs(wanted, account, console)
        return ExitCode.DONE
    show_changes(console, change_set.changes)
    try:
        if not wanted.plan:
            _ask(wanted, change_set)
    except BaseException:
        change_set.discard()
        raise
    if wanted.plan:
        change_set.discard()
        say(console, "This was the plan: nothing was changed")
        return ExitCode.DONE
    return _execute(wanted, account, console, change_set)


def _ask(wanted: Wanted, change_set: ChangeSet) -> None:
    """Ask before rows, messages or files may be lost."""
    endangered = [change.logical_id for change in change_set.changes if change.endangers_state]
    if endangered:
        names = ", ".join(endangered)
        confirm(f"{names} would be removed, or may be replaced, with what is in it", yes=wanted.yes)


def _execute(wanted: Wanted, account: Account, console: Console, change_set: ChangeSet) -> ExitCode:
    events = StackEvents(account.cloudformation, change_set.stack_id)
    events.fresh()
    change_set.execute()
    seen: list[Event] = []
    try:
        with progress(console, len(change_set.changes)) as watch:
            for event in events.follow():
                seen.append(event)
                watch(event)
    except KeyboardInterrupt:
        told = f"CloudFormation goes on with stack {wanted.stack}; its console shows how"
        raise KeyboardInterrupt(told) from None
    status = seen[-1].status if seen else DELETED
    if status not in DEPLOYED:
        causes = find_causes(account.cloudformation, change_set.stack_id, seen)
        show_failure(console, wanted.stack, status, causes)
        return ExitCode.FAILED
    say(console, "Deployed")
    _show_outputs(wanted, account, console)
    return ExitCode.DONE


def _show_outputs(wanted: Wanted, account: Account, console: Console) -> None:
    stack = find_stack(account.cloudformation, wanted.stack)
    if stack is not None:
        show_outputs(console, stack, account)
