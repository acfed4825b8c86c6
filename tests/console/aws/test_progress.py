"""A stack's change is shown resource by resource; what follows from a failure is not shown."""

import io
from datetime import UTC, datetime

from rich.console import Console

from console.aws.account import Account
from console.aws.change_set import Change
from console.aws.deploy_report import show_changes, show_failure, show_outputs
from console.aws.progress import progress
from console.aws.stack_events import Event
from console.aws.stack_state import Stack
from tests.console.aws.conftest import SESSION

EVENTS = (
    ("archive", "CREATE_IN_PROGRESS", ""),
    ("Pages", "CREATE_IN_PROGRESS", ""),
    ("Pages", "CREATE_COMPLETE", ""),
    ("Table\x1b[2J", "CREATE_FAILED", "no"),
    ("Other", "CREATE_FAILED", "Resource creation cancelled"),
    ("archive", "ROLLBACK_IN_PROGRESS", "The following resource(s) failed to create: [Table]"),
    ("Pages", "DELETE_COMPLETE", ""),
    ("Bucket", "DELETE_SKIPPED", ""),
    ("archive", "ROLLBACK_COMPLETE", ""),
)
ACCOUNT = Account(SESSION, "123456789012", "eu-west-1", "aws")


def happened() -> list[Event]:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return [
        Event(str(n), name, name, "AWS::SQS::Queue", status, reason, at, name == "archive")
        for n, (name, status, reason) in enumerate(EVENTS)
    ]


def show(*, terminal: bool) -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=120)
    with progress(console, 3) as watch:
        for event in happened():
            watch(event)
    return out.getvalue()


def test_without_a_terminal_each_resource_that_is_done_has_a_line() -> None:
    assert show(terminal=False).splitlines() == [
        "  created   Pages (AWS::SQS::Queue)",
        "  failed    Table\ufffd[2J (AWS::SQS::Queue): no",
        "  deleted   Pages (AWS::SQS::Queue)",
        "  kept      Bucket (AWS::SQS::Queue)",
    ]


def test_on_a_terminal_there_is_a_bar_and_failures_stay_above_it() -> None:
    text = show(terminal=True)
    assert "failed    Table\ufffd[2J (AWS::SQS::Queue): no" in text
    assert "rollback complete" in text
    assert "2/3" in text
    assert "cancelled" not in text


def shown(call: "object", *arguments: object) -> str:
    out = io.StringIO()
    assert callable(call)
    call(Console(file=out, width=120), *arguments)
    return out.getvalue()


def test_changes_are_a_table() -> None:
    changes = [
        Change("Add", "Pages", "AWS::SQS::Queue"),
        Change("Modify", "Ledger[red]", "AWS::DynamoDB::Table", "Conditional"),
    ]
    rows = [line.split() for line in shown(show_changes, changes).splitlines()]
    assert rows == [
        ["action", "resource", "type", "replaced"],
        ["Add", "Pages", "AWS::SQS::Queue"],
        ["Modify", "Ledger[red]", "AWS::DynamoDB::Table", "maybe"],
    ]


def test_a_failure_tells_causes_state_and_what_to_do() -> None:
    text = shown(show_failure, "archive", "ROLLBACK_COMPLETE", ["Table: no"] * 9)
    assert text.count("Table: no") == 5
    assert "rollback complete (ROLLBACK_COMPLETE)" in text
    assert "deploy again: what is left of this stack is removed first" in text
    text = shown(show_failure, "archive", "UPDATE_ROLLBACK_COMPLETE", [])
    assert "the stack is as it was" in text
    text = shown(show_failure, "archive", "UPDATE_ROLLBACK_FAILED", [])
    assert "tilepool destroy --stack archive" in text


def test_outputs_end_with_the_next_command() -> None:
    stack = Stack("archive", "id", "CREATE_COMPLETE", {"DockerImage": "x:1"}, {"Pages": "url"})
    assert shown(show_outputs, stack, ACCOUNT).splitlines() == [
        "  Pages  url",
        "  next   `tilepool submit TASK.json --stack archive`",
    ]


def test_a_repository_of_the_stacks_own_comes_with_the_commands_that_fill_it() -> None:
    uri = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/archive"
    parameters = {"DockerImage": "", "ImageTag": "0.2.0"}
    stack = Stack("archive", "id", "CREATE_COMPLETE", parameters, {"RepositoryUri": uri})
    text = shown(show_outputs, stack, ACCOUNT)
    assert f"--password-stdin {uri.partition('/')[0]}" in text
    assert f"docker push {uri}:0.2.0" in text
    elsewhere = Stack("archive", "id", "OK", {"DockerImage": "x:1"}, {"RepositoryUri": uri})
    assert "docker" not in shown(show_outputs, elsewhere, ACCOUNT)
