"""The template on an emulated AWS: from a task file's upload to its manifests, and away again.

S3 calls the built bundle in Lambda, which fills SQS and the ledger; the jobs are local processes
with the environments and roles of their definitions. Permissions are enforced throughout.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.builders import task_body
from tests.cfn.calls import CALLS, RARE
from tests.stack.archive import (
    ENVIRONMENT,
    EXPORTS,
    KEYS,
    PARAMETERS,
    SCANS,
    STACK,
    a_task,
    await_state,
    keys,
    names,
    reconcile,
    scan,
    status,
    submitted,
)
from tests.stack.aws import Deployed, MiniStack

ROOT = Path(__file__).parents[2]


def test_a_plan_shows_what_would_be_made_and_makes_nothing(aws: MiniStack, buckets: Any) -> None:
    told = aws.tilepool("deploy", "--stack", "Planned", *PARAMETERS, "--plan")
    assert "AWS::Batch::JobQueue" in told
    assert "Planned" not in names(aws)
    assert not aws.client("sqs").list_queues(QueueNamePrefix="Planned").get("QueueUrls")


def test_missing_parameters_are_named_before_anything_is_made(aws: MiniStack) -> None:
    told = aws.tilepool("deploy", "--stack", "Other", "--yes", code=2)
    assert "SourceBucketName" in told
    assert "DestBucketName" in told
    assert "Other" not in names(aws)


def test_a_task_runs_from_its_upload_to_its_manifests(
    aws: MiniStack, stack: Deployed, buckets: Any
) -> None:
    aws.jobs.held = True
    told = submitted(aws, a_task())
    before = status(aws)
    assert before["run"] in told
    depth = aws.client("sqs").get_queue_attributes(
        QueueUrl=stack.outputs["Pages"], AttributeNames=["ApproximateNumberOfMessages"]
    )
    assert depth["Attributes"]["ApproximateNumberOfMessages"] == str(len(KEYS))
    assert before["state"] == "tiling"
    assert before["counts"]["pending"] == len(KEYS)
    assert before["workers"] == {"runnable": 2}
    reconcile(aws, stack)
    assert status(aws)["workers"] == {"runnable": 2}
    aws.jobs.held = False
    aws.jobs.release()
    after = await_state(aws, "done")
    assert after["counts"] == {"total": 4, "done": 4, "failed": 0, "pending": 0}
    told = aws.tilepool("verify", f"s3://{EXPORTS}/iiif/Letters")
    assert "All is there and right" in told
    for item in ("Letter_1", "Letter_2"):
        assert f"iiif/Letters/{item}/manifest.json" in keys(buckets, EXPORTS)


def test_an_end_is_told_to_who_listens(aws: MiniStack, stack: Deployed, buckets: Any) -> None:
    sqs, sns = aws.client("sqs"), aws.client("sns")
    url = sqs.create_queue(QueueName="inbox")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    policy = {
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sns.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": arn["QueueArn"],
            }
        ]
    }
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    sns.subscribe(TopicArn=stack.outputs["Alerts"], Protocol="sqs", Endpoint=arn["QueueArn"])
    submitted(aws, a_task(), "--wait")
    answer = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=10)
    (message,) = answer["Messages"]
    assert status(aws)["run"] in message["Body"]
    assert "4" in message["Body"]


def test_a_failed_page_is_told_and_replayed(aws: MiniStack, stack: Deployed, buckets: Any) -> None:
    key = "letters/Letter_1/Access/p1.tif"
    buckets.put_object(Bucket=SCANS, Key=key, Body=scan(1)[:5_000])
    submitted(aws, a_task(), "--wait", code=3)
    assert key in aws.tilepool("failed", "last", "--stack", STACK, code=3)
    reconcile(aws, stack)
    assert "1 dead letter" in aws.tilepool("dlq", "--stack", STACK)
    buckets.put_object(Bucket=SCANS, Key=key, Body=scan(1))
    aws.tilepool("replay", "last", "--stack", STACK, "--wait")
    assert aws.tilepool("failed", "last", "--stack", STACK).endswith("no page has failed\n")


def test_a_letter_that_is_redriven_by_hand_finds_a_worker_and_a_stale_one_goes(
    aws: MiniStack, stack: Deployed, buckets: Any
) -> None:
    key = "letters/Letter_2/Access/p2.tif"
    buckets.put_object(Bucket=SCANS, Key=key, Body=scan(2)[:5_000])
    submitted(aws, a_task(), "--wait", code=3)
    buckets.put_object(Bucket=SCANS, Key=key, Body=scan(2))
    sqs, dead = aws.client("sqs"), stack.outputs["DeadLetters"]
    received = sqs.receive_message(QueueUrl=dead, MessageAttributeNames=["All"], WaitTimeSeconds=5)
    (letter,) = received["Messages"]
    # As SQS's own redrive does it, but for the letter, which stays: the reconciler removes it.
    sqs.send_message(QueueUrl=stack.outputs["Pages"], MessageBody=letter["Body"])
    sqs.change_message_visibility(
        QueueUrl=dead, ReceiptHandle=letter["ReceiptHandle"], VisibilityTimeout=0
    )
    reconcile(aws, stack)
    await_state(aws, "tiling", "building", "done")
    reconcile(aws, stack)
    assert await_state(aws, "done")["counts"]["failed"] == 0
    reconcile(aws, stack)
    assert "0 dead letters" in aws.tilepool("dlq", "--stack", STACK)


def test_a_bad_task_is_told_by_whoever_reads_it_first(aws: MiniStack, stack: Deployed) -> None:
    told = submitted(aws, task_body({"AWS_SRC_BUCKET": None}, jobQueue=None), code=2)
    assert "AWS_SRC_BUCKET: missing" in told
    foreign = task_body(ENVIRONMENT, jobQueue="somebody-elses")
    told = submitted(aws, foreign, "--wait", code=2)
    assert "somebody-elses" in told


def test_workers_are_added_and_withdrawn_while_a_run_is_at_work(
    aws: MiniStack, stack: Deployed
) -> None:
    aws.jobs.held = True
    options = {"quality": 71}
    submitted(aws, a_task(options=options))
    aws.tilepool("scale", "last", "4", "--stack", STACK)
    assert status(aws)["workers"] == {"runnable": 4}
    aws.tilepool("scale", "last", "1", "--stack", STACK)
    assert status(aws)["workers"].get("runnable") == 1
    aws.tilepool("cancel", "last", "--stack", STACK)
    aws.jobs.held = False
    aws.tilepool("resume", "last", "--stack", STACK, "--wait")
    assert status(aws)["state"] == "done"


def test_the_same_again_changes_nothing(aws: MiniStack, stack: Deployed) -> None:
    told = aws.tilepool("deploy", "--stack", STACK, "--yes")
    assert "nothing" in told.lower()


def test_an_update_keeps_what_it_does_not_name(aws: MiniStack, stack: Deployed) -> None:
    told = aws.tilepool("deploy", "--stack", STACK, "--param", "WorkerVcpus=1", "--yes")
    assert "WorkerDefinition" in told or "JobDefinition" in told
    after = aws.deployed(STACK)
    for output in ("BatchBucket", "Ledger", "Pages", "DeadLetters"):
        assert after.outputs[output] == stack.outputs[output]
    submitted(aws, a_task(options={"quality": 72}), "--wait")


@pytest.mark.parametrize("role", CALLS)
def test_a_role_is_asked_for_what_it_may_and_no_more(
    aws: MiniStack, stack: Deployed, role: str
) -> None:
    questions = aws.questions(stack.resources[role])
    assert not [question for question in questions if question.is_refused]
    asked = {question.action for question in questions}
    assert asked <= CALLS[role]
    assert CALLS[role] - asked <= RARE[role].keys()


def test_destroy_leaves_nothing_that_costs(aws: MiniStack, stack: Deployed, buckets: Any) -> None:
    told = aws.tilepool("destroy", "--stack", STACK, "--yes")
    assert STACK in told
    assert STACK not in names(aws)
    left = {bucket["Name"] for bucket in buckets.list_buckets()["Buckets"]}
    assert {name for name in left if "archive" in name} == {SCANS, EXPORTS}
    assert not [one for one in aws.client("dynamodb").list_tables()["TableNames"] if STACK in one]
    assert not aws.client("sqs").list_queues(QueueNamePrefix=STACK).get("QueueUrls")
    functions = aws.client("lambda").list_functions()["Functions"]
    assert not [one for one in functions if STACK in one["FunctionName"]]
    queues = aws.client("batch").describe_job_queues()["jobQueues"]
    assert not [queue for queue in queues if STACK in queue["jobQueueName"]]
    groups = aws.client("logs").describe_log_groups()["logGroups"]
    assert not [group for group in groups if STACK in group["logGroupName"]]
    assert "Nothing is there" in aws.tilepool("destroy", "--stack", STACK, "--yes")
    assert keys(buckets, EXPORTS)


def test_what_is_not_ours_is_neither_replaced_nor_removed(aws: MiniStack, buckets: Any) -> None:
    delivery = (ROOT / "cfn/delivery.yaml").read_text("utf-8")
    formation = aws.client("cloudformation")
    formation.create_stack(
        StackName="Web",
        TemplateBody=delivery,
        Parameters=[{"ParameterKey": "BucketName", "ParameterValue": "archive-web"}],
    )
    formation.get_waiter("stack_create_complete").wait(StackName="Web", WaiterConfig={"Delay": 1})
    buckets.put_object(Bucket="archive-web", Key="iiif/info.json", Body=b"{}")
    for verb in ("deploy", "destroy"):
        options = PARAMETERS if verb == "deploy" else ()
        told = aws.tilepool(verb, "--stack", "Web", *options, "--yes", code=2)
        assert "not one of tilepool's" in told
    assert keys(buckets, "archive-web") == {"iiif/info.json"}
