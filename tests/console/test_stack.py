"""A deployment on AWS is found by its stack's outputs; what is missing is told in one line."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import NoCredentialsError, NoRegionError
from botocore.stub import Stubber

from console.errors import ConsoleError, ExitCode
from console.options import Where
from console.place import deployment
from console.stack import OUTPUTS, connect_to_stack, read_outputs, stack_resources
from dispatcher.resources import UNKNOWN, StackResources

VALUES = {
    "Ledger": "tilepool-Ledger-1",
    "Pages": "https://sqs.eu-west-1.amazonaws.com/1/pages",
    "DeadLetters": "https://sqs.eu-west-1.amazonaws.com/1/dead",
    "BatchBucket": "archive-tasks",
    "Another": "of no interest",
}
SESSION = boto3.Session("key", "secret", region_name="eu-west-1")


@pytest.fixture
def stub() -> Iterator[Stubber]:
    """CloudFormation, which answers what it is told to."""
    client = SESSION.client("cloudformation")
    with Stubber(client) as stubber:
        yield stubber


def stack(outputs: dict[str, str]) -> dict[str, Any]:
    told = [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()]
    return {
        "StackName": "archive",
        "CreationTime": "2026-01-01T00:00:00Z",
        "StackStatus": "UPDATE_COMPLETE",
        "Outputs": told,
    }


def read(stub: Stubber) -> dict[str, str]:
    client: Any = stub.client
    return read_outputs("archive", client)


def test_the_outputs_are_read(stub: Stubber) -> None:
    stub.add_response("describe_stacks", {"Stacks": [stack(VALUES)]}, {"StackName": "archive"})
    assert read(stub) == VALUES


def test_the_template_has_the_outputs() -> None:
    text = (Path(__file__).parents[2] / "cfn/template.yaml").read_text(encoding="utf-8")
    nodes: Any = yaml.compose(text)
    outputs = next(value for key, value in nodes.value if key.value == "Outputs")
    assert {key.value for key, _ in outputs.value} >= set(OUTPUTS)


@pytest.mark.parametrize("missing", OUTPUTS)
def test_an_output_that_is_missing_is_named(stub: Stubber, missing: str) -> None:
    outputs = {name: value for name, value in VALUES.items() if name != missing}
    stub.add_response("describe_stacks", {"Stacks": [stack(outputs)]})
    with pytest.raises(ConsoleError, match=f"^--stack: stack 'archive' has no output {missing};"):
        read(stub)


def test_a_stack_that_is_not_there_is_told(stub: Stubber) -> None:
    stub.add_client_error(
        "describe_stacks", "ValidationError", "Stack with id archive does not exist"
    )
    with pytest.raises(
        ConsoleError, match=r"^--stack: there is no stack 'archive' in eu-west-1$"
    ) as e:
        read(stub)
    assert e.value.exit_code is ExitCode.USAGE


def test_a_stack_that_may_not_be_read_is_told(stub: Stubber) -> None:
    stub.add_client_error("describe_stacks", "AccessDenied", "User u is not authorized")
    with pytest.raises(ConsoleError, match="cannot be read: User u is not authorized"):
        read(stub)


@pytest.mark.parametrize("url", ["https://sqs.eu-west-1.amazonaws.com/1/failed", None])
def test_the_queue_of_failed_uploads_is_one_that_older_stacks_do_not_tell(url: str | None) -> None:
    session = boto3.Session("key", "secret", region_name="eu-west-1")
    outputs = VALUES | ({"UploadsFailed": url} if url else {})

    def answer(**_: object) -> tuple[AWSResponse, dict[str, Any]]:
        response = AWSResponse("https://x", 200, HTTPHeaders(), None)
        return response, {"Stacks": [stack(outputs)]}

    events: Any = session.events
    events.register("before-call.cloudformation.DescribeStacks", answer)
    place = connect_to_stack("archive", session)
    assert place.failed_uploads_queue == url
    assert (place.bucket, place.private) == ("archive-tasks", False)


def test_what_tasks_run_with_is_read() -> None:
    outputs = {"JobQueue": "tiles", "JobDefinition": "tiles:7", "ManifestJobDefinition": "made:7"}
    parameters: Any = [
        {"ParameterKey": "OtherJobQueues", "ParameterValue": "fast,slow"},
        {"ParameterKey": "OtherJobDefinitions", "ParameterValue": ""},
        {"ParameterKey": "DockerImage", "ParameterValue": "of/no:interest"},
    ]
    assert stack_resources(outputs, parameters) == StackResources(
        "tiles", "tiles:7", "made:7", ("fast", "slow"), ()
    )


def test_a_stack_of_an_earlier_version_does_not_tell_what_tasks_run_with() -> None:
    assert stack_resources(VALUES, []) == UNKNOWN


@pytest.fixture
def no_aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who has told nothing of AWS."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))


def test_no_region_is_told(no_aws: None) -> None:
    with pytest.raises(ConsoleError, match="no AWS region is set") as caught:
        connect_to_stack("archive", boto3.Session())
    assert isinstance(caught.value.__cause__, NoRegionError)


def test_no_credentials_are_told(no_aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with (
        pytest.raises(ConsoleError, match="no AWS credentials are found") as caught,
        deployment(Where(Path("unused"), "archive")),
    ):
        pass
    assert isinstance(caught.value.__cause__, NoCredentialsError)


def test_a_profile_that_is_not_there_is_told(no_aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with (
        pytest.raises(ConsoleError, match=r"^AWS: .*\(nobody\) could not be found$"),
        deployment(Where(Path("unused"), "archive")),
    ):
        pass
