"""What lies in the queue of failed uploads, of S3 and of Lambda, is read; the rest is nobody's."""

import json
from dataclasses import replace
from typing import Any

import pytest

from console.deployment import Deployment
from console.embedded import EmbeddedCloud
from console.failed_uploads import FailedUpload, find_failure, parse_failed_upload
from tests.builders import new_run_id


def s3_event(*keys: str) -> dict[str, Any]:
    return {"Records": [{"s3": {"bucket": {"name": "b"}, "object": {"key": key}}} for key in keys]}


def lambda_record(*keys: str, answer: object = None) -> dict[str, Any]:
    """Return what Lambda writes of an invocation that it gave up on."""
    return {
        "version": "1.0",
        "timestamp": "2026-11-14T18:16:05.568Z",
        "requestContext": {"condition": "RetriesExhausted", "approximateInvokeCount": 3},
        "requestPayload": s3_event(*keys),
        "responseContext": {"statusCode": 200, "functionError": "Unhandled"},
        "responsePayload": answer,
    }


def test_an_event_of_s3_tells_its_keys() -> None:
    body = json.dumps(s3_event("a+b.json", "%C3%A4.json"))
    assert parse_failed_upload(body) == FailedUpload(("a b.json", "ä.json"))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"errorType": "TransientError", "errorMessage": "no answer"}, "TransientError: no answer"),
        ({"errorMessage": "Task timed out after 900.00 seconds"}, "Task timed out after 900.00 "),
        ({"errorType": None, "errorMessage": 7}, ""),
        (None, ""),
        ("text", ""),
    ],
)
def test_a_record_of_lambda_tells_keys_and_reason(answer: object, reason: str) -> None:
    failed = parse_failed_upload(json.dumps(lambda_record("a.json", answer=answer)))
    assert failed.keys == ("a.json",)
    assert failed.reason.startswith(reason)
    assert bool(failed.reason) == bool(reason)


@pytest.mark.parametrize(
    "body",
    [
        *("garbage", "[]", "7", "null", "{}", "[" * 100_000),
        *('{"Records": 7}', '{"Records": [{"s3": "x"}]}', '{"requestPayload": 7}'),
        *('{"requestPayload": null}', '{"requestPayload": {"Records": [{}]}}'),
    ],
)
def test_what_is_neither_has_no_keys(body: str) -> None:
    assert parse_failed_upload(body) == FailedUpload(())


@pytest.fixture
def own_queue(cloud: EmbeddedCloud) -> EmbeddedCloud:
    """The cloud, with a queue of failed uploads of its own_queue."""
    url = cloud.sqs.create_queue(QueueName=new_run_id())["QueueUrl"]
    return replace(cloud, failed_uploads_queue=url, private=False)


@pytest.fixture
def on_aws(own_queue: EmbeddedCloud) -> Deployment:
    """What looks like a deployment on AWS."""
    return Deployment(
        session=own_queue.session,
        table=own_queue.table,
        queue_url=own_queue.queue_url,
        dead_letter_queue_url=own_queue.dead_letter_queue_url,
        bucket=own_queue.bucket,
        failed_uploads_queue=own_queue.failed_uploads_queue,
        endpoint=own_queue.url,
    )


def put(place: Deployment, *contents: object) -> None:
    assert place.failed_uploads_queue is not None
    for content in contents:
        place.sqs.send_message(QueueUrl=place.failed_uploads_queue, MessageBody=json.dumps(content))


def left(place: Deployment) -> int:
    """Return how many messages are in the queue, hidden ones among them."""
    assert place.failed_uploads_queue is not None
    names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = place.sqs.get_queue_attributes(
        QueueUrl=place.failed_uploads_queue, AttributeNames=names
    )
    return sum(int(found["Attributes"][name]) for name in names)


def test_on_aws_the_record_is_found_among_others_and_stays(on_aws: Deployment) -> None:
    others = [lambda_record(f"{number}.json") for number in range(15)]
    put(on_aws, *others, lambda_record("mine.json", answer={"errorMessage": "no answer"}))
    told = find_failure(on_aws, "mine.json")
    assert told == (
        "the dispatcher failed (no answer); see its log in CloudWatch, and the queue"
        f" {on_aws.failed_uploads_queue}"
    )
    assert left(on_aws) == 16


def test_on_the_embedded_cloud_the_message_is_taken_off(own_queue: EmbeddedCloud) -> None:
    put(own_queue, s3_event("other.json"), s3_event("mine.json"))
    assert find_failure(own_queue, "none.json") is None
    told = None
    while told is None:
        told = find_failure(own_queue, "mine.json")
    assert told == f"the dispatcher failed; see {own_queue.logs / 'dispatcher.log'}"
    assert left(own_queue) == 1


def test_where_no_queue_is_known_nothing_has_failed(on_aws: Deployment) -> None:
    put(on_aws, lambda_record("mine.json"))
    assert find_failure(replace(on_aws, failed_uploads_queue=None), "mine.json") is None
