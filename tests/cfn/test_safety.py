"""What makes the stack safe and cheap: held here, as no emulator would tell."""

import re
from typing import Any

import pytest

from tests.cfn.template import load_document, properties_of, statements
from tests.cfn.test_both import is_tls_only, resources

ROLES = ("DispatcherRole", "WorkerRole", "ManifestBuilderRole", "ExecutionRole", "InstanceRole")
RETENTION_SECONDS = 1_209_600
OF_AWS = {
    # What Batch asks of an instance's role; AWS keeps it in step with the agent of ECS.
    "InstanceRole": "service-role/AmazonEC2ContainerServiceforEC2Role",
}
EC2_TEXT = re.compile(r"[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]{1,255}")
"""https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpRange.html"""
KNOW_NO_RESOURCES = {
    "batch:DescribeJobDefinitions",
    "batch:DescribeJobQueues",
    "batch:DescribeJobs",
    "batch:ListJobs",
    "ecr:GetAuthorizationToken",
}
"""A page for each service: https://docs.aws.amazon.com/service-authorization/latest/reference/"""


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return load_document(long=True)


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    return properties_of(load_document())


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_do_named_things_to_named_things(template: dict[str, Any], role: str) -> None:
    for actions, targets in statements(template, role):
        assert not any("*" in action or action.startswith("iam:") for action in actions)
        # On anything but everything they would never be allowed.
        assert ("*" in targets) == bool(set(actions) & KNOW_NO_RESOURCES)
        if "*" in targets:
            assert set(actions) <= KNOW_NO_RESOURCES


@pytest.mark.parametrize("role", ROLES)
def test_a_role_touches_the_three_buckets_alone_and_only_reads_the_scans(
    template: dict[str, Any], role: str
) -> None:
    for actions, targets in statements(template, role):
        if not any(action.startswith("s3:") for action in actions):
            continue
        for target in targets:
            assert any(
                bucket in target for bucket in ("SourceBucketName", "DestBucketName", "BatchBucket")
            )
            if "DestBucketName" not in target:
                assert set(actions) <= {"s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket"}


def test_all_roles_have_the_boundary_and_one_a_policy_of_awss_own(document: dict[str, Any]) -> None:
    roles = {
        name: resource["Properties"]
        for name, resource in document["Resources"].items()
        if resource["Type"] == "AWS::IAM::Role"
    }
    assert roles.keys() == set(ROLES)
    for role in roles.values():
        assert role["PermissionsBoundary"] == {
            "Fn::If": ["HasBoundary", {"Ref": "PermissionsBoundary"}, {"Ref": "AWS::NoValue"}]
        }
    of_aws = {
        name: [arn["Fn::Sub"].partition(":policy/")[2] for arn in role["ManagedPolicyArns"]]
        for name, role in roles.items()
        if "ManagedPolicyArns" in role
    }
    assert of_aws == {name: [policy] for name, policy in OF_AWS.items()}
    kinds = {resource["Type"] for resource in document["Resources"].values()}
    assert {kind for kind in kinds if kind.startswith("AWS::IAM::")} == {
        "AWS::IAM::InstanceProfile",
        "AWS::IAM::Policy",
        "AWS::IAM::Role",
    }


def test_uploads_that_the_function_gives_up_are_kept(document: dict[str, Any]) -> None:
    retries = document["Resources"]["DispatcherRetries"]["Properties"]
    assert retries["FunctionName"] == {"Ref": "Dispatcher"}
    assert retries["DestinationConfig"] == {
        "OnFailure": {"Destination": {"Fn::GetAtt": "UploadsFailed.Arn"}}
    }


def test_a_new_account_need_not_set_concurrency_aside(document: dict[str, Any]) -> None:
    function = document["Resources"]["Dispatcher"]["Properties"]
    assert function["ReservedConcurrentExecutions"] == {
        "Fn::If": ["LimitsDispatchers", {"Ref": "DispatcherConcurrency"}, {"Ref": "AWS::NoValue"}]
    }
    assert document["Parameters"]["DispatcherConcurrency"]["Default"] == 0


def test_queues_are_encrypted_keep_for_fourteen_days_and_speak_tls_alone(
    document: dict[str, Any],
) -> None:
    queues = {
        name
        for name, resource in document["Resources"].items()
        if resource["Type"] == "AWS::SQS::Queue"
    }
    for queue in resources(document, "AWS::SQS::Queue"):
        assert queue["SqsManagedSseEnabled"] is True
        assert queue["MessageRetentionPeriod"] == RETENTION_SECONDS
    closed = {
        policy["Queues"][0]["Ref"]
        for policy in resources(document, "AWS::SQS::QueuePolicy")
        if any(is_tls_only(one, "sqs:*") for one in policy["PolicyDocument"]["Statement"])
    }
    assert closed == queues


def test_what_holds_runs_outlives_the_stack(document: dict[str, Any]) -> None:
    for name in ("BatchBucket", "Ledger"):
        resource = document["Resources"][name]
        assert resource["DeletionPolicy"] == resource["UpdateReplacePolicy"] == "Retain"
    ledger = document["Resources"]["Ledger"]["Properties"]
    assert ledger["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert ledger["BillingMode"] == "PAY_PER_REQUEST"


@pytest.mark.parametrize("definition", ["WorkerDefinition", "ManifestDefinition"])
def test_a_container_has_no_rights_on_its_machine(
    document: dict[str, Any], definition: str
) -> None:
    properties = document["Resources"][definition]["Properties"]
    container = properties["ContainerProperties"]
    assert container["Privileged"] is False
    assert container["ReadonlyRootFilesystem"] is True
    assert container["User"] == "10001"
    assert container["LinuxParameters"] == {"InitProcessEnabled": True}
    assert container["MountPoints"] == [
        {"SourceVolume": "scratch", "ContainerPath": "/scratch", "ReadOnly": False}
    ]
    # A path of the machine would be shared by all its containers, and outlive them.
    assert container["Volumes"] == [{"Name": "scratch"}]
    assert container["LogConfiguration"]["LogDriver"] == "awslogs"
    assert "AttemptDurationSeconds" in properties["Timeout"]


@pytest.mark.parametrize("definition", ["WorkerDefinition", "ManifestDefinition"])
def test_a_job_is_repeated_when_its_machine_goes_and_not_for_what_it_exits_with(
    document: dict[str, Any], definition: str
) -> None:
    retries = document["Resources"][definition]["Properties"]["RetryStrategy"]
    assert retries["Attempts"] > 1
    *machines, others = retries["EvaluateOnExit"]
    assert others == {"OnReason": "*", "Action": "EXIT"}
    for machine in machines:
        assert machine["Action"] == "RETRY"
        assert machine.keys() == {"OnStatusReason", "Action"}


def test_nothing_runs_while_there_is_nothing_to_do(document: dict[str, Any]) -> None:
    for environment in resources(document, "AWS::Batch::ComputeEnvironment"):
        asked = environment["ComputeResources"]
        assert asked.get("MinvCpus", 0) == 0
        assert "Ref" in asked["MaxvCpus"]
    first = document["Resources"]["SpotEnvironment"]["Properties"]["ComputeResources"]
    assert (first["Type"], first["AllocationStrategy"]) == ("SPOT", "SPOT_PRICE_CAPACITY_OPTIMIZED")
    kinds = {resource["Type"] for resource in document["Resources"].values()}
    assert not kinds & {"AWS::EC2::NatGateway", "AWS::EC2::Instance", "AWS::EC2::EIP"}


def test_machines_have_an_encrypted_disk_and_give_no_credentials_away(
    document: dict[str, Any],
) -> None:
    data = document["Resources"]["LaunchTemplate"]["Properties"]["LaunchTemplateData"]
    assert data["MetadataOptions"] == {"HttpTokens": "required", "HttpPutResponseHopLimit": 1}
    (disk,) = data["BlockDeviceMappings"]
    assert disk["Ebs"]["Encrypted"] is True
    assert disk["Ebs"]["VolumeType"] == "gp3"
    assert "ECS_ENABLE_SPOT_INSTANCE_DRAINING=true" in data["UserData"]["Fn::Base64"]
    for environment in resources(document, "AWS::Batch::ComputeEnvironment"):
        asked = environment["ComputeResources"]
        if asked["Type"] in {"SPOT", "EC2"}:
            assert asked["LaunchTemplate"]["LaunchTemplateId"] == {"Ref": "LaunchTemplate"}


def test_nobody_can_call_a_worker(document: dict[str, Any]) -> None:
    (group,) = resources(document, "AWS::EC2::SecurityGroup")
    assert "SecurityGroupIngress" not in group
    assert [rule["FromPort"] for rule in group["SecurityGroupEgress"]] == [443]


def test_ec2_takes_the_descriptions_of_security_groups(document: dict[str, Any]) -> None:
    (group,) = resources(document, "AWS::EC2::SecurityGroup")
    told = [group["GroupDescription"], *(r["Description"] for r in group["SecurityGroupEgress"])]
    for text in told:
        assert EC2_TEXT.fullmatch(text), text


def test_an_image_of_ones_own_takes_no_repository_away(document: dict[str, Any]) -> None:
    makes = document["Conditions"][document["Resources"]["Repository"]["Condition"]]
    assert "DockerImage" not in str(makes)


def test_every_alarm_tells_somebody_and_silence_is_no_alarm(document: dict[str, Any]) -> None:
    alarms = resources(document, "AWS::CloudWatch::Alarm")
    assert len(alarms) == 6
    for alarm in alarms:
        assert alarm["AlarmActions"] == [{"Ref": "Alerts"}]
        assert alarm["TreatMissingData"] == "notBreaching"


def test_logs_do_not_pile_up(document: dict[str, Any]) -> None:
    for group in resources(document, "AWS::Logs::LogGroup"):
        assert group["RetentionInDays"] == {"Ref": "LogDays"}
