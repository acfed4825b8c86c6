"""The archive that the stack's story is about: its scans, its tasks, and looks at its runs."""

import io
import json
import time
from typing import Any

from PIL import Image

from tests.builders import task_body
from tests.stack.aws import Deployed, MiniStack

STACK = "Archive"
SCANS, EXPORTS = "archive-scans", "archive-iiif"
PARAMETERS = ("--param", f"SourceBucketName={SCANS}", "--param", f"DestBucketName={EXPORTS}")
ENVIRONMENT = {
    "AWS_SRC_BUCKET": SCANS,
    "AWS_DEST_BUCKET": EXPORTS,
    "DEST_PREFIX": "iiif",
    "ACCESS_DIR": "letters",
    "CSV_PATH": "letters",
}
CSV = b"identifier,title\nLetter_1,The first\nLetter_2,The second\n"
PATIENCE_SECONDS = 120


def scan(shade: int) -> bytes:
    file = io.BytesIO()
    Image.linear_gradient("L").resize((900, 700)).point(lambda v: (v + shade) % 256).save(
        file, "TIFF"
    )
    return file.getvalue()


KEYS = {
    f"letters/Letter_{item}/Access/p{page}.tif": 40 * page for item in (1, 2) for page in (1, 2)
}


def submitted(aws: MiniStack, task: bytes, *options: str, code: int = 0) -> str:
    file = aws.folder / "task.json"
    file.write_bytes(task)
    return aws.tilepool("submit", str(file), "--stack", STACK, *options, code=code)


def a_task(**fields: Any) -> bytes:
    return task_body(ENVIRONMENT, jobQueue=None, jobDefinition=None, workers=2, **fields)


def status(aws: MiniStack, run: str = "last") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(aws.tilepool("status", run, "--json", "--stack", STACK))
    return found


def await_state(aws: MiniStack, *states: str) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := status(aws))["state"] not in states:
        assert time.monotonic() < deadline, found
        time.sleep(0.5)
    return found


def names(aws: MiniStack) -> list[str]:
    stacks = aws.client("cloudformation").describe_stacks()["Stacks"]
    return [stack["StackName"] for stack in stacks]


def keys(s3: Any, bucket: str) -> set[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return {found["Key"] for page in pages for found in page.get("Contents", [])}


def reconcile(aws: MiniStack, stack: Deployed) -> None:
    """Have the function do what its schedule has it do every five minutes."""
    answer = aws.client("lambda").invoke(
        FunctionName=stack.outputs["Dispatcher"], Payload=b'{"tilepool": "reconcile"}'
    )
    assert "FunctionError" not in answer, answer["Payload"].read()
