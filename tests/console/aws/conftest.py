"""Clients of AWS that answer what they are told to."""

from collections.abc import Iterator

import boto3
import pytest
from botocore.stub import Stubber

SESSION = boto3.Session("key", "secret", region_name="eu-west-1")


@pytest.fixture
def cloudformation() -> Iterator[Stubber]:
    with Stubber(SESSION.client("cloudformation")) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def batch() -> Iterator[Stubber]:
    with Stubber(SESSION.client("batch")) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()
