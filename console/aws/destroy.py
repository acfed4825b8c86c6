"""`tilepool destroy`: a stack and all that costs is removed, in steps that may be repeated."""

from dataclasses import dataclass

from rich.console import Console

from console.aws.account import Account
from console.aws.artifacts import Artifacts, default_bucket
from console.aws.asking import confirm_name
from console.aws.jobs import end_jobs
from console.aws.leftovers import Leftovers, find_leftovers
from console.aws.removal import delete_stack
from console.aws.stack_state import IN_REVIEW, Stack, demand_own, find_stack
from console.aws.template import code_bucket
from console.errors import ConsoleError, ExitCode
from console.plain import counted, say
from pipeline.dynamo_ledger import DynamoLedger

KEPT_PARAMETERS = ("SourceBucketName", "DestBucketName")
TABLE_OUTPUT = "Ledger"


@dataclass(frozen=True, slots=True)
class Estate:
    """What there is of a stack: itself, what deleting it leaves, and what it was deployed from."""

    stack: Stack | None
    leftovers: Leftovers
    artifacts: Artifacts
    artifact_count: int

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing is there."""
        return self.stack is None and not self.leftovers.known and not self.artifact_count


def destroy(
    name: str, account: Account, console: Console, *, yes: bool, keep_data: bool
) -> ExitCode:
    """Remove a stack; returns the exit code."""
    say(console, f"account {account.number}, region {account.region}, stack {name}")
    estate = survey(name, account)
    _show(estate, account, console, keep_data=keep_data)
    if estate.is_empty:
        say(console, "Nothing is there to be removed")
        return ExitCode.DONE
    confirm_name(name, yes=yes)
    try:
        _remove(estate, account, console, keep_data=keep_data)
    except KeyboardInterrupt:
        told = f"What is under way goes on; `tilepool destroy --stack {name}` removes the rest"
        raise KeyboardInterrupt(told) from None
    say(console, "Removed")
    if keep_data and estate.leftovers.known:
        say(console, f"  {'next':<9}`tilepool destroy --stack {name}` removes what was kept;")
        say(console, f"  {'':<9}to deploy that name again, give --param S3BucketName=… another one")
    return ExitCode.DONE


def survey(name: str, account: Account) -> Estate:
    """Look at what there is of a stack."""
    stack = find_stack(account.cloudformation, name)
    if stack is not None and stack.is_busy and stack.status != "DELETE_IN_PROGRESS":
        raise ConsoleError(f"stack {name} is being changed: {stack.status}; wait for its end")
    if stack is not None and stack.status != IN_REVIEW:
        demand_own(account.cloudformation, stack)
    if stack is not None and stack.is_protected:
        raise ConsoleError(
            f"stack {name} is protected: `aws cloudformation update-termination-protection"
            f" --no-enable-termination-protection --stack-name {name}` ends that"
        )
    artifacts = Artifacts(account.s3, account, _artifact_bucket(account, stack), name)
    return Estate(
        stack=stack,
        leftovers=find_leftovers(account, stack, name),
        artifacts=artifacts,
        artifact_count=artifacts.count(),
    )


def _artifact_bucket(account: Account, stack: Stack | None) -> str:
    if stack is None:
        return default_bucket(account)
    told = account.cloudformation.get_template(StackName=stack.stack_id)
    return code_bucket(str(told["TemplateBody"])) or default_bucket(account)


def _show(estate: Estate, account: Account, console: Console, *, keep_data: bool) -> None:
    def line(name: str, text: str) -> None:
        say(console, f"  {name:<9}{text}")

    stack = estate.stack
    if stack is not None:
        line("removed", f"stack {stack.name} ({stack.status})")
    for leftover in estate.leftovers.known:
        line("stays" if keep_data else "removed", leftover.describe())
    for leftover in estate.leftovers.doubtful:
        line("stays", f"{leftover.name}: the stack had one of this name, but not this one")
    if estate.artifact_count:
        where = f"s3://{estate.artifacts.bucket}/{estate.artifacts.prefix}"
        line("removed", f"{counted(estate.artifact_count, 'artifact')} in {where}")
    if stack is None:
        return
    for parameter in KEPT_PARAMETERS:
        if bucket := stack.parameters.get(parameter):
            line("stays", f"bucket {bucket}")
    if runs := _open_runs(estate, stack, account):
        line("lost", f"what is under way of {counted(runs, 'open run')}")


def _open_runs(estate: Estate, stack: Stack, account: Account) -> int:
    table = stack.outputs.get(TABLE_OUTPUT)
    if table is None or table not in {leftover.name for leftover in estate.leftovers.known}:
        return 0
    return len(list(DynamoLedger(account.dynamodb, table).open_runs()))


def _remove(estate: Estate, account: Account, console: Console, *, keep_data: bool) -> None:
    """Remove the stack first: as long as it is there, it writes into what it leaves."""
    if estate.stack is not None:
        ended = end_jobs(account, estate.stack)
        if ended:
            say(console, f"{counted(ended, 'job')} told to end; Batch takes some minutes for that")
        delete_stack(account, estate.stack, console)
    if not keep_data:
        for leftover in estate.leftovers.known:
            with console.status(f"removing {leftover.name}"):
                leftover.remove()
    estate.artifacts.remove()
