import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.stack.archive import CSV, EXPORTS, KEYS, PARAMETERS, SCANS, STACK, scan
from tests.stack.aws import Deployed, MiniStack, ministack

PYTHON = os.environ.get("TILEPOOL_MINISTACK", "")
"""The Python that has MiniStack: it wants a botocore of its own."""


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MiniStack]:
    if not PYTHON:
        pytest.skip("MiniStack is not here: `tox -e stack` brings it")
    with ministack(PYTHON, tmp_path_factory.mktemp("aws")) as stack:
        yield stack


@pytest.fixture(scope="session")
def buckets(aws: MiniStack) -> Any:
    """S3, with the archive's two buckets."""
    s3 = aws.client("s3")
    for bucket in (SCANS, EXPORTS):
        s3.create_bucket(Bucket=bucket)
    for key, shade in KEYS.items():
        s3.put_object(Bucket=SCANS, Key=key, Body=scan(shade))
    s3.put_object(Bucket=SCANS, Key="letters/letters.csv", Body=CSV)
    return s3


@pytest.fixture(scope="session")
def stack(aws: MiniStack, buckets: Any) -> Deployed:
    """The archive's stack; the last test of its story destroys it."""
    told = aws.tilepool("deploy", "--stack", STACK, *PARAMETERS, "--yes")
    assert f"tilepool submit TASK.json --stack {STACK}" in told
    return aws.deployed(STACK)
