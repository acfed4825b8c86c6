"""`tilepool deploy` and `destroy` against an emulator of CloudFormation, from end to end."""

import base64
import time
import uuid
from hashlib import sha256
from typing import Any

import pytest

from console.aws import change_set, stack_events
from console.aws.account import sign_in
from console.aws.stack_state import find_stack
from console.errors import ConsoleError, ExitCode
from console.session import new_session
from pipeline.dynamo_ledger import DynamoLedger
from tests.builders import a_run, new_run_id
from tests.stack.aws import MiniStack
from tests.stack.deployments import EXTRA, SMALL, Interrupting, Operator


@pytest.fixture
def operator(aws: MiniStack, monkeypatch: pytest.MonkeyPatch) -> Operator:
    """Somebody with a stack of their own, in a hurry."""
    for name, value in aws.environment.items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    monkeypatch.setattr(change_set, "POLL_SECONDS", 0.1)
    monkeypatch.setattr(stack_events, "POLL_SECONDS", 0.1)
    return Operator(sign_in(new_session()), f"archive-{uuid.uuid4().hex[:8]}")


def upload_versions(operator: Operator) -> None:
    """Put three versions and a delete marker into the batch bucket."""
    s3 = operator.account.s3
    for _ in range(3):
        s3.put_object(Bucket=operator.bucket, Key="task one.json", Body=b"{}")
    s3.delete_object(Bucket=operator.bucket, Key="task one.json")


def test_a_plan_shows_what_would_be_made_and_makes_no_stack(operator: Operator) -> None:
    assert operator.deploy(operator.parameters, plan=True) is ExitCode.DONE
    assert f"stack {operator.stack}" in operator.said
    rows = [line.split() for line in operator.said.splitlines()]
    assert ["Add", "BatchBucket", "AWS::S3::Bucket"] in rows
    assert ["Add", "Dispatcher", "AWS::Lambda::Function"] in rows
    assert "nothing was changed" in operator.said
    assert operator.status() is None
    assert operator.bucket not in operator.buckets()
    assert operator.artifacts() == 2
    # What the plan has left goes as well.
    assert operator.destroy() is ExitCode.DONE
    assert operator.artifacts() == 0


def test_a_stack_comes_changes_and_goes(operator: Operator) -> None:
    assert operator.deploy(operator.parameters) is ExitCode.DONE
    assert "  created   Ledger (AWS::DynamoDB::Table)" in operator.said
    assert f"tilepool submit TASK.json --stack {operator.stack}" in operator.said
    assert operator.status() == "CREATE_COMPLETE"
    assert_function_is_the_bundle(operator)

    assert operator.deploy({}) is ExitCode.DONE
    assert "Nothing changes" in operator.said
    assert operator.artifacts() == 2

    note = "scans, of 1911 = good"
    assert operator.deploy({"Retention": "7200", "Note": note}, plan=True) is ExitCode.DONE
    assert "Modify  Pages" in operator.said
    assert operator.status() == "CREATE_COMPLETE"
    assert operator.deploy({"Retention": "7200", "Note": note}, yes=True) is ExitCode.DONE
    assert operator.status() == "UPDATE_COMPLETE"
    assert operator.values() == {**operator.parameters, "Retention": "7200", "Note": note}

    without = SMALL.replace(EXTRA, "")
    with pytest.raises(ConsoleError, match=r"^Extra would be removed.*--yes says that it may"):
        operator.deploy({}, without)
    assert operator.plans() == []
    assert operator.deploy({}, without, yes=True) is ExitCode.DONE
    assert operator.values()["Retention"] == "7200"
    assert "Extra" not in operator.resources()

    upload_versions(operator)
    with pytest.raises(ConsoleError, match="there is no terminal to ask at"):
        operator.destroy(yes=False)
    assert f"bucket {operator.bucket} with 4 versions of objects" in operator.said
    assert "stays    bucket scans" in operator.said
    assert "stays    bucket exports" in operator.said
    assert operator.status() == "UPDATE_COMPLETE"
    assert operator.destroy() is ExitCode.DONE
    assert_gone(operator)
    assert operator.destroy() is ExitCode.DONE
    assert "Nothing is there" in operator.said


def assert_function_is_the_bundle(operator: Operator) -> None:
    account = operator.account
    functions: Any = account.session.client("lambda")
    told = functions.get_function(FunctionName=operator.outputs()["Dispatcher"])
    bucket = f"tilepool-artifacts-{account.number}-{account.region}"
    listed = account.s3.list_objects_v2(Bucket=bucket, Prefix=f"{operator.stack}/dispatcher-")
    (artifact,) = listed["Contents"]
    body = account.s3.get_object(Bucket=bucket, Key=artifact["Key"])["Body"].read()
    digest = sha256(body)
    assert artifact["Key"] == f"{operator.stack}/dispatcher-{digest.hexdigest()}.zip"
    assert told["Configuration"]["CodeSha256"] == base64.b64encode(digest.digest()).decode()


def assert_gone(operator: Operator) -> None:
    assert operator.status() is None
    assert operator.bucket not in operator.buckets()
    assert operator.tables() == set()
    assert operator.artifacts() == 0


def test_mistakes_are_told_before_anything_is_made(operator: Operator) -> None:
    with pytest.raises(ConsoleError, match="no parameter Foo; it has S3BucketName,"):
        operator.deploy({**operator.parameters, "Foo": "x"})
    with pytest.raises(ConsoleError, match=r"missing: --param S3BucketName=… --param Source.* --p"):
        operator.deploy({})
    assert operator.status() is None
    assert operator.artifacts() == 0


def test_a_creation_that_fails_tells_why_and_can_be_repeated(operator: Operator) -> None:
    s3 = operator.account.s3
    s3.create_bucket(Bucket=operator.bucket)
    assert operator.deploy(operator.parameters) is ExitCode.FAILED
    assert "BatchBucket (AWS::S3::Bucket): " in operator.said
    assert "already exists" in operator.said
    assert operator.status() == "ROLLBACK_COMPLETE"
    assert operator.tables() == set()
    with pytest.raises(ConsoleError, match="what a failed creation has left"):
        operator.deploy(operator.parameters, plan=True)
    s3.delete_bucket(Bucket=operator.bucket)
    assert operator.deploy(operator.parameters) is ExitCode.DONE
    assert "is removed first" in operator.said
    assert operator.status() == "CREATE_COMPLETE"
    operator.destroy()
    assert_gone(operator)


def test_a_stack_that_was_only_planned_by_another_is_created(operator: Operator) -> None:
    operator.account.cloudformation.create_change_set(
        StackName=operator.stack,
        ChangeSetName="theirs",
        ChangeSetType="CREATE",
        TemplateBody="Resources:\n  Queue:\n    Type: AWS::SQS::Queue\n",
    )
    assert operator.status() == "REVIEW_IN_PROGRESS"
    assert operator.deploy(operator.parameters) is ExitCode.DONE
    assert operator.status() == "CREATE_COMPLETE"
    operator.destroy()
    assert_gone(operator)


def test_data_that_was_kept_is_found_by_a_later_destroy(operator: Operator) -> None:
    operator.deploy(operator.parameters)
    upload_versions(operator)
    assert operator.destroy(keep_data=True) is ExitCode.DONE
    assert f"stays    bucket {operator.bucket}" in operator.said
    assert operator.status() is None
    assert operator.bucket in operator.buckets()
    (table,) = operator.tables()
    assert operator.artifacts() == 0
    assert operator.destroy() is ExitCode.DONE
    assert f"table {table}" in operator.said
    assert_gone(operator)


def test_what_an_interrupted_destroy_has_left_is_removed_by_the_next(operator: Operator) -> None:
    operator.deploy(operator.parameters)
    upload_versions(operator)
    client = operator.account.cloudformation
    client.delete_stack(StackName=operator.stack)
    while find_stack(client, operator.stack) is not None:
        time.sleep(0.1)
    assert operator.destroy() is ExitCode.DONE
    assert_gone(operator)


def test_a_bucket_that_only_has_the_name_of_the_stacks_stays(operator: Operator) -> None:
    operator.deploy(operator.parameters)
    operator.destroy(keep_data=True)
    s3 = operator.account.s3
    s3.delete_bucket(Bucket=operator.bucket)
    s3.create_bucket(Bucket=operator.bucket)
    assert operator.destroy() is ExitCode.DONE
    assert f"stays    {operator.bucket}: the stack had one of this name" in operator.said
    assert operator.bucket in operator.buckets()
    assert operator.tables() == set()
    s3.delete_bucket(Bucket=operator.bucket)


def test_to_interrupt_a_deployment_does_not_stop_it(operator: Operator) -> None:
    with pytest.raises(KeyboardInterrupt) as stopped:
        operator.deploy(operator.parameters, out=Interrupting("created"))
    assert f"goes on with stack {operator.stack}" in str(stopped.value)
    while operator.status() == "CREATE_IN_PROGRESS":
        time.sleep(0.1)
    assert operator.status() == "CREATE_COMPLETE"
    operator.destroy()
    assert_gone(operator)


def test_an_interrupted_removal_is_taken_up_by_the_next(operator: Operator) -> None:
    operator.deploy(operator.parameters)
    with pytest.raises(KeyboardInterrupt) as stopped:
        operator.destroy(out=Interrupting("deleted"))
    assert f"`tilepool destroy --stack {operator.stack}` removes the rest" in str(stopped.value)
    assert operator.destroy() is ExitCode.DONE
    assert_gone(operator)


def test_open_runs_are_told_before_they_are_lost(operator: Operator) -> None:
    operator.deploy(operator.parameters)
    ledger = DynamoLedger(operator.account.dynamodb, operator.outputs()["Ledger"])
    assert ledger.open_run(a_run(new_run_id()))
    with pytest.raises(ConsoleError, match="would be removed"):
        operator.destroy(yes=False)
    assert "what is under way of 1 open run" in operator.said
    operator.destroy()
    assert_gone(operator)


def test_a_protected_stack_is_left_as_it_is(operator: Operator) -> None:
    operator.deploy(operator.parameters)
    client = operator.account.cloudformation
    client.update_termination_protection(StackName=operator.stack, EnableTerminationProtection=True)
    with pytest.raises(ConsoleError, match=r"is protected: `aws cloudformation update-term"):
        operator.destroy()
    assert operator.status() == "CREATE_COMPLETE"
    client.update_termination_protection(
        StackName=operator.stack, EnableTerminationProtection=False
    )
    operator.destroy()
    assert_gone(operator)
