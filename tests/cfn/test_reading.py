"""Whoever reads the template for the tests must overlook no permission."""

from typing import Any

from tests.cfn.template import allowed

OTHER = "AWS::NoValue"


def policy(*entries: Any, roles: tuple[str, ...] = ("Role",)) -> dict[str, Any]:
    return {"Roles": list(roles), "PolicyDocument": {"Statement": list(entries)}}


def may(action: Any, resource: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource}


def read(*entries: Any) -> set[tuple[str, str]]:
    return allowed({"Role": {}, "Policy": policy(*entries)}, "Role")


def test_policies_in_a_role_and_beside_it_count_and_those_of_others_do_not() -> None:
    template = {
        "Role": {"Policies": [policy(may("s3:GetObject", "Scans"))]},
        "Policy": policy(may(["s3:PutObject", "s3:DeleteObject"], ["Exports", "Batch"])),
        "Foreign": policy(may("iam:PassRole", "*"), roles=("Other",)),
    }
    assert allowed(template, "Role") == {
        ("s3:GetObject", "Scans"),
        ("s3:PutObject", "Exports"),
        ("s3:PutObject", "Batch"),
        ("s3:DeleteObject", "Exports"),
        ("s3:DeleteObject", "Batch"),
    }


def test_a_statement_under_conditions_counts_however_deep() -> None:
    inner = ["B", may("iam:PassRole", "*"), OTHER]
    assert read(["A", may("s3:GetObject", "Scans"), inner]) == {
        ("s3:GetObject", "Scans"),
        ("iam:PassRole", "*"),
    }


def test_a_resource_under_a_condition_counts_in_a_list_and_alone() -> None:
    assert ("s3:GetObject", "*") in read(may("s3:GetObject", ["A", "*", OTHER]))
    assert ("s3:GetObject", "*") in read(may("s3:GetObject", ["Scans", ["A", OTHER, "*"]]))


def test_of_a_text_with_names_of_its_own_the_text_counts() -> None:
    queue = ["job-queue/${Name}", {"Name": ["Named", "JQName", "AWS::StackName"]}]
    for resource in ([queue], queue):
        assert read(may("batch:SubmitJob", resource)) == {("batch:SubmitJob", "job-queue/${Name}")}
