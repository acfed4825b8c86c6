"""What holds of every template, whatever it makes."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cfn.template import DELIVERY, TEMPLATE, load_document

PSEUDO = {"AWS::AccountId", "AWS::NoValue", "AWS::Partition", "AWS::Region", "AWS::StackName"}
IN_TEXT = re.compile(r"\$\{([^!}][^}]*)\}")

each_template = pytest.mark.parametrize("file", [TEMPLATE, DELIVERY], ids=lambda file: file.stem)


@pytest.fixture
def document(file: Path) -> dict[str, Any]:
    return load_document(file, long=True)


def nodes(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield every entry of every mapping, however deep."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name, inner
            yield from nodes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from nodes(inner)


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)


def references(document: dict[str, Any]) -> Iterator[str]:
    """Yield what Ref, GetAtt and Sub name, without attributes."""
    for name, inner in nodes(document):
        if name == "Ref":
            yield inner
        elif name == "Fn::FindInMap":
            yield inner[0]
        elif name == "Fn::GetAtt":
            yield inner.partition(".")[0] if isinstance(inner, str) else inner[0]
        elif name == "Fn::Sub":
            text, own = (inner, {}) if isinstance(inner, str) else inner
            yield from (
                found.partition(".")[0] for found in IN_TEXT.findall(text) if found not in own
            )


def resources(document: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [
        resource["Properties"]
        for resource in document["Resources"].values()
        if resource["Type"] == kind
    ]


@each_template
def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    tables = document.get("Mappings", {})
    known = {*document["Parameters"], *document["Resources"], *tables, *PSEUDO}
    assert set(references(document)) <= known
    for resource in document["Resources"].values():
        after = resource.get("DependsOn", [])
        names = {after} if isinstance(after, str) else set(after)
        assert names <= document["Resources"].keys()


@each_template
def test_every_condition_is_there_and_each_is_asked(document: dict[str, Any]) -> None:
    asked = {inner[0] for name, inner in nodes(document) if name == "Fn::If"}
    asked |= {
        inner for name, inner in nodes(document) if name == "Condition" and isinstance(inner, str)
    }
    assert asked == document["Conditions"].keys()


@each_template
def test_every_parameter_is_used_and_explained(document: dict[str, Any]) -> None:
    interface = document["Metadata"]["AWS::CloudFormation::Interface"]
    shown = [name for group in interface["ParameterGroups"] for name in group["Parameters"]]
    parameters = document["Parameters"]
    assert sorted(shown) == sorted(parameters)
    assert interface["ParameterLabels"].keys() == parameters.keys()
    assert set(references(document)) >= parameters.keys()
    for name, parameter in parameters.items():
        assert parameter["Description"], name
        assert ("AllowedPattern" in parameter) == ("ConstraintDescription" in parameter), name


@each_template
def test_defaults_are_allowed(document: dict[str, Any]) -> None:
    for name, parameter in document["Parameters"].items():
        default = parameter.get("Default", "")
        if "AllowedPattern" in parameter and "Default" in parameter:
            assert re.fullmatch(parameter["AllowedPattern"], default), name
        if "AllowedValues" in parameter:
            assert default in parameter["AllowedValues"], name
        if parameter["Type"] == "Number":
            assert parameter.get("MinValue", 0) <= default <= parameter.get("MaxValue", 1e9), name


@each_template
def test_no_region_zone_or_account_is_named(document: dict[str, Any]) -> None:
    # CloudFront looks for certificates in one region alone, and the parameter says so.
    document["Parameters"].pop("CertificateArn", None)
    for text in texts(document):
        assert not re.search(r"\b[a-z]{2}-[a-z]+-\d[a-f]?\b", text), text
        assert not re.search(r"\b\d{12}\b", text), text
        assert "arn:aws:" not in text


@each_template
def test_what_is_named_has_the_stacks_name_or_a_parameters(document: dict[str, Any]) -> None:
    for name, inner in nodes(document["Resources"]):
        if name in {"BucketName", "RoleName", "FunctionName", "LogGroupName", "DashboardName"} | {
            "JobQueueName",
            "JobDefinitionName",
            "RepositoryName",
            "TableName",
            "TopicName",
            "QueueName",
        }:
            assert not isinstance(inner, str), (name, inner)
            text = " ".join(texts(inner))
            assert set(references({"": inner})) or "AWS::StackName" in text, (name, inner)


@each_template
def test_buckets_are_closed_encrypted_and_speak_tls_alone(document: dict[str, Any]) -> None:
    buckets = resources(document, "AWS::S3::Bucket")
    policies = resources(document, "AWS::S3::BucketPolicy")
    assert len(buckets) == len(policies) == 1
    (bucket,), (policy,) = buckets, policies
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    assert "BucketEncryption" in bucket
    assert any(is_tls_only(one, "s3:*") for one in policy["PolicyDocument"]["Statement"])


def is_tls_only(statement: dict[str, Any], action: str) -> bool:
    refused = ("Deny", "*", action, {"Bool": {"aws:SecureTransport": "false"}})
    return refused == tuple(
        statement.get(name) for name in ("Effect", "Principal", "Action", "Condition")
    )
