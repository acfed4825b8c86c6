"""Change sets: all changes are read, an empty one is no fault, a refused one leaves nothing."""

from typing import Any

import pytest
from botocore.stub import ANY, Stubber

from console.aws import change_set
from console.aws.change_set import Change, ChangeSet, create_change_set
from console.errors import ConsoleError
from tests.console.aws.stubs import STACK_ID, stack

ARN = "arn:aws:cloudformation:eu-west-1:123456789012:changeSet/tilepool-1/1"
URL = "https://s3.eu-west-1.amazonaws.com/artifacts/archive/template-1.yaml"
PARAMETERS: Any = [{"ParameterKey": "DockerImage", "ParameterValue": "x:1"}]
TOLD = {"ChangeSetName": "tilepool-1", "ChangeSetId": ARN, "StackId": STACK_ID}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(change_set, "POLL_SECONDS", 0)


def announce(stub: Stubber, *, is_new: bool = False) -> None:
    """Have the request for a change set expected, before all that follows it."""
    stub.add_response(
        "create_change_set",
        {"Id": ARN, "StackId": STACK_ID},
        {
            "StackName": "archive",
            "ChangeSetName": ANY,
            "ChangeSetType": "CREATE" if is_new else "UPDATE",
            "TemplateURL": URL,
            "Parameters": PARAMETERS,
            "Capabilities": ["CAPABILITY_NAMED_IAM"],
        },
    )


def create(stub: Stubber, *, is_new: bool = False) -> ChangeSet:
    client: Any = stub.client
    return create_change_set(client, "archive", URL, PARAMETERS, is_new=is_new)


def resource(action: str, name: str, **fields: str) -> dict[str, Any]:
    told = {"Action": action, "LogicalResourceId": name, "ResourceType": "AWS::SQS::Queue"}
    return {"Type": "Resource", "ResourceChange": {**told, **fields}}


def test_a_change_set_is_waited_for_and_read_to_its_last_page(cloudformation: Stubber) -> None:
    announce(cloudformation, is_new=True)
    first, second = resource("Add", "Pages"), resource("Modify", "Dead", Replacement="True")
    cloudformation.add_response("describe_change_set", {**TOLD, "Status": "CREATE_IN_PROGRESS"})
    done = {**TOLD, "Status": "CREATE_COMPLETE"}
    cloudformation.add_response(
        "describe_change_set", {**done, "Changes": [first], "NextToken": "more"}
    )
    cloudformation.add_response(
        "describe_change_set",
        {**done, "Changes": [second]},
        {"ChangeSetName": ARN, "NextToken": "more"},
    )
    assert create(cloudformation, is_new=True).changes == (
        Change("Add", "Pages", "AWS::SQS::Queue"),
        Change("Modify", "Dead", "AWS::SQS::Queue", "True"),
    )


@pytest.mark.parametrize(
    "reason",
    [
        "The submitted information didn't contain changes. Submit different information to create"
        " a change set.",
        "No updates are to be performed.",
    ],
)
def test_a_change_set_without_changes_is_no_fault(cloudformation: Stubber, reason: str) -> None:
    announce(cloudformation)
    cloudformation.add_response(
        "describe_change_set", {**TOLD, "Status": "FAILED", "StatusReason": reason}
    )
    assert create(cloudformation).changes == ()


def test_a_refused_change_leaves_neither_a_change_set_nor_a_stack(cloudformation: Stubber) -> None:
    announce(cloudformation, is_new=True)
    cloudformation.add_response(
        "describe_change_set", {**TOLD, "Status": "FAILED", "StatusReason": "Transform failed"}
    )
    cloudformation.add_response("delete_change_set", {}, {"ChangeSetName": ARN})
    cloudformation.add_response("describe_stacks", stack("REVIEW_IN_PROGRESS"))
    cloudformation.add_response("list_change_sets", {"Summaries": []})
    cloudformation.add_response("delete_stack", {}, {"StackName": STACK_ID})
    cloudformation.add_response("describe_stacks", stack("DELETE_COMPLETE"))
    with pytest.raises(ConsoleError, match=r"refuses the change: Transform failed$"):
        create(cloudformation, is_new=True)


def discard(stub: Stubber) -> None:
    client: Any = stub.client
    ChangeSet(client, ARN, STACK_ID, ()).discard()


def test_a_name_that_somebody_else_has_plans_for_stays(cloudformation: Stubber) -> None:
    cloudformation.add_response("delete_change_set", {}, {"ChangeSetName": ARN})
    cloudformation.add_response("describe_stacks", stack("REVIEW_IN_PROGRESS"))
    cloudformation.add_response("list_change_sets", {"Summaries": [{"ChangeSetName": "theirs"}]})
    discard(cloudformation)


def test_a_stack_that_is_more_than_a_name_stays(cloudformation: Stubber) -> None:
    cloudformation.add_response("delete_change_set", {}, {"ChangeSetName": ARN})
    cloudformation.add_response("describe_stacks", stack("CREATE_COMPLETE"))
    discard(cloudformation)


@pytest.mark.parametrize(
    ("action", "replacement", "kind", "endangers"),
    [
        ("Remove", "", "AWS::DynamoDB::Table", True),
        ("Modify", "True", "AWS::S3::Bucket", True),
        ("Modify", "Conditional", "AWS::SQS::Queue", True),
        ("Modify", "False", "AWS::DynamoDB::Table", False),
        ("Add", "", "AWS::DynamoDB::Table", False),
        ("Remove", "", "AWS::IAM::Role", False),
        ("Modify", "True", "AWS::Lambda::Function", False),
    ],
)
def test_what_may_lose_rows_messages_or_files_is_known(
    action: str, replacement: str, kind: str, endangers: bool
) -> None:
    assert Change(action, "It", kind, replacement).endangers_state is endangers
