"""Events are told once and in order, to the end of what happens; causes are told from effects."""

from typing import Any

import pytest
from botocore.stub import Stubber

from console.aws import stack_events
from console.aws.causes import find_causes
from console.aws.stack_events import Event, StackEvents
from tests.console.aws.stubs import STACK_ID, event, stack


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack_events, "POLL_SECONDS", 0)


def page(*events: dict[str, Any], more: bool = False) -> dict[str, Any]:
    return {"StackEvents": list(events), **({"NextToken": "more"} if more else {})}


def told(events: list[Event]) -> list[tuple[str, str]]:
    return [(one.logical_id, one.status) for one in events]


def reader(stub: Stubber) -> StackEvents:
    client: Any = stub.client
    return StackEvents(client, STACK_ID)


def test_pages_are_read_to_what_is_known_and_turned_to_the_order_of_time(
    cloudformation: Stubber,
) -> None:
    first, second, third = (event(n, f"R{n}", "CREATE_COMPLETE") for n in (1, 2, 3))
    fourth = event(4, "R4", "CREATE_COMPLETE")
    cloudformation.add_response("describe_stack_events", page(third, second, more=True))
    cloudformation.add_response("describe_stack_events", page(first))
    # The second page would hold nothing new, and is not asked for a third.
    cloudformation.add_response("describe_stack_events", page(fourth, third, more=True))
    cloudformation.add_response("describe_stack_events", page(second, more=True))
    events = reader(cloudformation)
    assert [one.logical_id for one in events.fresh()] == ["R1", "R2", "R3"]
    assert [one.logical_id for one in events.fresh()] == ["R4"]


def test_a_change_that_fails_is_followed_to_the_end_of_its_rollback(
    cloudformation: Stubber,
) -> None:
    happened = [
        event(1, "archive", "CREATE_IN_PROGRESS"),
        event(2, "archive", "CREATE_FAILED", "Validation failed"),
        event(3, "archive", "ROLLBACK_IN_PROGRESS"),
        event(4, "archive", "ROLLBACK_COMPLETE"),
    ]
    cloudformation.add_response("describe_stack_events", page(*happened[1::-1]))
    cloudformation.add_response("describe_stacks", stack("CREATE_FAILED"))
    cloudformation.add_response("describe_stack_events", page(*happened[::-1]))
    followed = list(reader(cloudformation).follow())
    assert [one.status for one in followed][-1] == "ROLLBACK_COMPLETE"
    assert len(followed) == 4


@pytest.mark.parametrize(
    "last",
    ["CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_FAILED", "DELETE_FAILED"],
)
def test_a_stack_is_followed_until_it_is_at_rest(cloudformation: Stubber, last: str) -> None:
    resting = event(2, "archive", last)
    cleaning = event(1, "archive", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
    cloudformation.add_response("describe_stack_events", page(resting, cleaning))
    assert told(list(reader(cloudformation).follow()))[-1] == ("archive", last)


def test_a_nested_stacks_end_is_not_the_stacks(cloudformation: Stubber) -> None:
    nested = event(1, "Nested", "CREATE_COMPLETE", kind="AWS::CloudFormation::Stack")
    cloudformation.add_response("describe_stack_events", page(nested))
    cloudformation.add_response("describe_stacks", stack("CREATE_IN_PROGRESS"))
    end = event(2, "archive", "CREATE_COMPLETE")
    cloudformation.add_response("describe_stack_events", page(end, nested))
    assert told(list(reader(cloudformation).follow())) == [
        ("Nested", "CREATE_COMPLETE"),
        ("archive", "CREATE_COMPLETE"),
    ]


def test_a_stack_that_is_gone_is_not_waited_for(cloudformation: Stubber) -> None:
    cloudformation.add_response("describe_stack_events", page())
    cloudformation.add_response("describe_stacks", stack("DELETE_COMPLETE"))
    assert list(reader(cloudformation).follow()) == []


def test_causes_are_what_failed_of_its_own_in_the_order_of_time(cloudformation: Stubber) -> None:
    happened = [
        event(1, "Queue", "CREATE_FAILED", "Invalid retention"),
        event(2, "Other", "CREATE_FAILED", "Resource creation cancelled"),
        event(3, "Table", "CREATE_FAILED", "Access denied", kind="AWS::DynamoDB::Table"),
        event(4, "archive", "ROLLBACK_IN_PROGRESS", "The following resource(s) failed: [Queue]"),
    ]
    cloudformation.add_response("describe_stack_events", page(*happened[::-1]))
    events = reader(cloudformation)
    client: Any = cloudformation.client
    assert find_causes(client, STACK_ID, events.fresh()) == [
        "Queue (AWS::SQS::Queue): Invalid retention",
        "Table (AWS::DynamoDB::Table): Access denied",
    ]


def test_what_is_refused_before_anything_is_touched_is_asked_for(cloudformation: Stubber) -> None:
    failed = event(1, "archive", "CREATE_FAILED", "Validation failed with 1 error(s).")
    cloudformation.add_response("describe_stack_events", page(failed))
    refused = {
        "EventType": "VALIDATION_ERROR",
        "LogicalResourceId": "BatchBucket",
        "ResourceType": "AWS::S3::Bucket",
        "ValidationStatusReason": "it already exists",
    }
    other = {"EventType": "PROVISIONING_ERROR", "LogicalResourceId": "archive"}
    for found in ([refused, other], []):
        cloudformation.add_response(
            "describe_events",
            {"OperationEvents": found},
            {"StackName": STACK_ID, "Filters": {"FailedEvents": True}},
        )
    events = reader(cloudformation).fresh()
    client: Any = cloudformation.client
    expected = ["BatchBucket (AWS::S3::Bucket): it already exists"]
    assert find_causes(client, STACK_ID, events) == expected
    assert find_causes(client, STACK_ID, events) == ["Validation failed with 1 error(s)."]
