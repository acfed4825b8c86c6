"""What `tilepool deploy` shows: changes before, causes of a failure, outputs and the next step."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from console.aws.account import Account
from console.aws.change_set import Change
from console.aws.parameters import IMAGE
from console.aws.progress import spoken
from console.aws.stack_state import ROLLED_BACK, Stack
from console.errors import shown
from console.plain import say

MAX_CAUSES = 5
REPLACEMENT = {"True": "yes", "Conditional": "maybe", "False": "no"}
REPOSITORY = "RepositoryUri"
TAG = "ImageTag"


def show_changes(console: Console, changes: Sequence[Change]) -> None:
    """Print what would become of each resource."""
    table = Table(box=None, pad_edge=False)
    for heading in ("action", "resource", "type", "replaced"):
        table.add_column(heading, overflow="fold")
    for change in changes:
        replaced = REPLACEMENT.get(change.replacement, "")
        style = "bold red" if change.endangers_state else None
        cells = (change.action, change.logical_id, change.resource_type, replaced)
        table.add_row(*(Text(shown(cell)) for cell in cells), style=style)
    console.print(table)


def show_failure(console: Console, stack: str, status: str, causes: Sequence[str]) -> None:
    """Print why a change failed, in what state the stack is, and what to do."""
    console.print("Failed", style="bold red")
    for cause in causes[:MAX_CAUSES]:
        say(console, f"  {cause}")
    say(console, f"  {'state':<11}{spoken(status)} ({status})")
    if status == ROLLED_BACK:
        step = "repair that, then deploy again: what is left of this stack is removed first"
    elif status.endswith("_FAILED"):
        step = f"see CloudFormation's console, or `tilepool destroy --stack {stack}`"
    else:
        step = "repair that, then deploy again: the stack is as it was"
    say(console, f"  {'next':<11}{step}")


def show_outputs(console: Console, stack: Stack, account: Account) -> None:
    """Print what the stack tells, and the next command."""
    width = max((len(name) for name in stack.outputs), default=0) + 2
    for name, value in sorted(stack.outputs.items()):
        say(console, f"  {name:<{width}}{value}")
    repository = stack.outputs.get(REPOSITORY)
    if repository and not stack.parameters.get(IMAGE):
        image = f"{repository}:{stack.parameters.get(TAG, 'latest')}"
        for line in _pushing(image, account):
            say(console, f"  {line}")
    say(console, f"  {'next':<{width}}`tilepool submit TASK.json --stack {stack.name}`")


def _pushing(image: str, account: Account) -> list[str]:
    """Return the commands that put an image into the stack's own repository."""
    registry = image.partition("/")[0]
    password = f"aws ecr get-login-password --region {account.region}"
    return [
        "The stack's own repository wants the image, once for each tag (on Graviton: linux/arm64):",
        f"{password} | docker login --username AWS --password-stdin {registry}",
        f"docker build --platform linux/amd64 --tag {image} .",
        f"docker push {image}",
    ]
