"""MiniStack with two things added; run by the Python of its own environment.

Its CloudFormation knows no resources of Batch: here they are made through its API of Batch, each
checked against AWS's own model of the call. Its jobs do nothing: here they are handed to the
test's host of jobs. And every permission that is asked for is noted, a line of JSON each.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import botocore.session
from botocore.validate import ParamValidator
from ministack import app
from ministack.core import iam_evaluator
from ministack.services import batch
from ministack.services.cloudformation import provisioners

JOBS = os.environ["TILEPOOL_TEST_JOBS"]
"""Address of the host of jobs."""
PERMISSIONS = Path(os.environ["TILEPOOL_TEST_PERMISSIONS"])
JOB_CALLS = ("submitjob", "describejobs", "listjobs", "terminatejob")

BY_RESOURCE = {"/v1/submitjob": "batch:SubmitJob", "/v1/terminatejob": "batch:TerminateJob"}
ASKING: ContextVar[tuple[str, str, str]] = ContextVar("asking")
"""Of a call of those: access key, action and region."""

Properties = dict[str, Any]
Answer = tuple[int, Mapping[str, str], bytes]
MODEL = botocore.session.get_session().get_service_model("batch")
NAMES = {"ComputeEnvironment": "computeEnvironmentName", "JobQueue": "jobQueueName"}


def _api_names(value: Any) -> Any:
    """Return properties as the API spells them: CloudFormation's begin with a capital."""
    if isinstance(value, list):
        return [_api_names(entry) for entry in value]
    if isinstance(value, dict):
        return {name[0].lower() + name[1:]: _api_names(entry) for name, entry in value.items()}
    return value


def _typed(value: Any, shape: Any) -> Any:
    """Return values as the API wants them: CloudFormation's numbers and truths may be text."""
    if shape.type_name == "structure":
        known = shape.members
        return {
            name: _typed(entry, known[name]) if name in known else entry
            for name, entry in value.items()
        }
    if shape.type_name == "list":
        return [_typed(entry, shape.member) for entry in value]
    if shape.type_name == "integer" and isinstance(value, str):
        return int(value)
    if shape.type_name == "boolean" and isinstance(value, str):
        return value == "true"
    if shape.type_name == "string" and not isinstance(value, str):
        return str(value)
    return value


def _call(operation: str, values: Properties) -> dict[str, Any]:
    """Call Batch, if its model takes these values."""
    shape = MODEL.operation_model(operation).input_shape
    assert shape is not None
    arguments = _typed(_api_names(values), shape)
    report = ParamValidator().validate(arguments, shape)
    if report.has_errors():
        raise ValueError(f"{operation}: {report.generate_report()}")
    status, _, body = batch._DISPATCH[f"/v1/{operation.lower()}"](arguments)
    answer: dict[str, Any] = json.loads(body)
    if status != 200:
        raise ValueError(f"{operation}: {answer}")
    return answer


def _made(kind: str) -> dict[str, Callable[..., Any]]:
    """Return what makes, changes and removes compute environments or job queues."""
    name = NAMES[kind]
    kept = batch._compute_envs if kind == "ComputeEnvironment" else batch._job_queues

    def create(logical_id: str, properties: Properties, stack: str) -> tuple[str, Properties]:
        given = _without(properties, UNKNOWN_TO_API)
        if "ComputeResources" in given:
            given["ComputeResources"] = _without(given["ComputeResources"], UNKNOWN_TO_API)
        named = {name[0].upper() + name[1:]: f"{stack}-{logical_id}"} | given
        arn = _call(f"Create{kind}", named)[name.replace("Name", "Arn")]
        return arn, {f"{kind}Arn": arn}

    def update(arn: str, _old: Properties, new: Properties, stack: str) -> tuple[str, Properties]:
        record = next(entry for entry in kept.values() if entry[f"{name[:-4]}Arn"] == arn)
        record |= _api_names(new)
        return arn, {f"{kind}Arn": arn}

    def delete(arn: str, _properties: Properties) -> None:
        for key in [key for key, entry in kept.items() if entry[f"{name[:-4]}Arn"] == arn]:
            del kept[key]

    return {"create": create, "update": update, "delete": delete}


UNKNOWN_TO_API = {"ReplaceComputeEnvironment", "UpdatePolicy", "UpdateToLatestImageVersion"}
"""CloudFormation's own, or of UpdateComputeEnvironment alone."""


def _without(properties: Properties, names: set[str]) -> Properties:
    return {name: value for name, value in properties.items() if name not in names}


def _register(logical_id: str, properties: Properties, stack: str) -> tuple[str, Properties]:
    arn = _call("RegisterJobDefinition", properties)["jobDefinitionArn"]
    return arn, {"JobDefinitionArn": arn}


def _register_again(
    arn: str, _old: Properties, new: Properties, stack: str
) -> tuple[str, Properties]:
    return _register("", new, stack)


def _deregister(arn: str, _properties: Properties) -> None:
    for revisions in batch._job_definitions.values():
        revisions[:] = [entry for entry in revisions if entry["jobDefinitionArn"] != arn]


def _update_job_queue(values: Properties) -> Answer:
    name = values["jobQueue"].rpartition("/")[2]
    batch._job_queues[name] |= {key: values[key] for key in values if key != "jobQueue"}
    answer: Answer = batch._json(200, {"jobQueueName": name})
    return answer


def _resources(values: Properties) -> list[str]:
    """Return the ARNs that a call of Batch is about, of those whose permissions know resources."""
    if "jobDefinition" in values:
        definition = values["jobDefinition"].rpartition("/")[2]
        revision = definition if ":" in definition else f"{definition}:1"
        name, _, number = revision.partition(":")
        queue = values["jobQueue"].rpartition("/")[2]
        return [batch._jq_arn(queue), batch._jd_arn(name, number)]
    return [batch._job_arn(values["jobId"])]


def _handed_over(path: str) -> Callable[[Properties], Answer]:
    def call(values: Properties) -> Answer:
        if path in BY_RESOURCE:
            for resource in _resources(values):
                access_key, action, region = ASKING.get()
                refused = iam_evaluator.enforce(
                    access_key, action, "batch", region, resource_arn=resource, is_known=True
                )
                if refused is not None:
                    told = {"message": f"not authorized to perform {action} on {resource}"}
                    headers = {"x-amzn-ErrorType": "AccessDeniedException"}
                    return 403, headers, json.dumps(told).encode()
        body = json.dumps(values).encode()
        with urlopen(f"{JOBS}{path}", body) as answer:  # noqa: S310  # the test's own
            return answer.status, {"Content-Type": "application/json"}, answer.read()

    return call


def _noted(enforce: Callable[..., Any]) -> Callable[..., Any]:
    """Return what notes each question of permission, with its answer."""

    def ask(
        access_key: str,
        action: str,
        service: str,
        region: str,
        *rest: Any,
        is_known: bool = False,
        **named: Any,
    ) -> Any:
        if action in BY_RESOURCE.values() and not is_known:
            # MiniStack does not know which resources such a call is about: asked where it is made.
            ASKING.set((access_key, action, region))
            return None
        if service == "sqs":
            # To IAM a batch is what it is a batch of.
            action = action.removesuffix("Batch")
        refused = enforce(access_key, action, service, region, *rest, **named)
        principal = iam_evaluator.resolve_caller_identity(access_key) or {}
        resource = named.get("resource_arn") or (rest[0] if rest else "*")
        line = {
            "principal": principal.get("userArn", ""),
            "action": action,
            "resource": resource,
            "refused": refused is not None,
        }
        with PERMISSIONS.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        return refused

    return ask


pin = iam_evaluator.pin_request_origin


def main() -> None:
    """Add what is missing, and serve until SIGTERM."""
    handlers = provisioners._RESOURCE_HANDLERS
    handlers["AWS::Batch::ComputeEnvironment"] = _made("ComputeEnvironment")
    handlers["AWS::Batch::JobQueue"] = _made("JobQueue")
    handlers["AWS::Batch::JobDefinition"] = {
        "create": _register,
        "update": _register_again,
        "delete": _deregister,
    }
    batch._DISPATCH["/v1/updatejobqueue"] = _update_job_queue
    for call in JOB_CALLS:
        path = f"/v1/{call}"
        batch._DISPATCH[path] = _handed_over(path)
    iam_evaluator.enforce = _noted(iam_evaluator.enforce)
    # The policies of queues and buckets refuse what is not TLS; here all is taken to be.
    app.pin_request_origin = lambda address, _secure: pin(address, True)
    sys.argv = sys.argv[:1]
    app.main()


if __name__ == "__main__":
    main()
