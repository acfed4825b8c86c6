"""One embedded cloud for all tests that want the real thing; each takes names of its own on it."""

import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from console.embedded import LOCAL, NEVER_SECONDS, EmbeddedCloud, embedded_cloud
from pipeline import dead_letters
from pipeline.ledger import Ledger
from tests.fakes import MemoryLedger, MemoryQueue
from tests.queues import LEASE_SECONDS, SqsQueue, new_sqs_queue
from tests.site import Site

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

    from pipeline.dynamo_ledger import DynamoLedger

# Last, so that what is tested is the wheel, which has no benchmarks.
sys.path.append(str(Path(__file__).parents[1]))

# How long an example takes says something of the machine, not of the code.
settings.register_profile("tilepool", deadline=None)
settings.load_profile("tilepool")


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCloud]:
    """A running embedded cloud; its jobs see no stores, and nobody takes up what tests leave."""
    folder = tmp_path_factory.mktemp("cloud")
    with embedded_cloud(folder, {}, reconcile_seconds=NEVER_SECONDS) as running:
        yield running


@pytest.fixture(scope="session", autouse=True)
def shared_state_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep fixtures of modules, too, out of the developer's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TILEPOOL_DIR", str(tmp_path_factory.mktemp("tilepool")))
        patch.delenv("TILEPOOL_STACK", raising=False)
        yield


@pytest.fixture(autouse=True)
def state_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the embedded cloud that commands use here: never the developer's own."""
    folder = tmp_path_factory.mktemp("tilepool")
    monkeypatch.setenv("TILEPOOL_DIR", str(folder))
    return folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


@pytest.fixture
def dest(tmp_path: Path) -> Path:
    folder = tmp_path / "dest"
    folder.mkdir()
    return folder


@pytest.fixture
def memory_ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture(params=["memory", "simulated", "embedded"])
def ledger(request: pytest.FixtureRequest) -> Ledger:
    """All ledgers, for contract tests. Runs have random ids, so they share one table."""
    if request.param == "memory":
        return MemoryLedger()
    if request.param == "simulated":
        from tests.simulated import new_simulated_ledger  # noqa: PLC0415  # see the path above

        return new_simulated_ledger()
    ledger: DynamoLedger = request.getfixturevalue("cloud").ledger
    return ledger


@pytest.fixture(params=["memory", "embedded"])
def queue(request: pytest.FixtureRequest) -> MemoryQueue | SqsQueue:
    """Both queues, for contract tests; a lease lasts LEASE_SECONDS."""
    if request.param == "memory":
        return MemoryQueue(lease_seconds=LEASE_SECONDS)
    return new_sqs_queue(request.getfixturevalue("cloud"), LEASE_SECONDS)


@pytest.fixture
def s3(cloud: EmbeddedCloud, monkeypatch: pytest.MonkeyPatch) -> "Iterator[S3Client]":
    """A client of the embedded S3, which obstore finds by the environment as well."""
    variables = {
        "AWS_ENDPOINT_URL": cloud.url,
        "AWS_ACCESS_KEY_ID": cloud.access_key,
        "AWS_SECRET_ACCESS_KEY": cloud.access_key,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    client = cloud.session.client("s3", endpoint_url=cloud.url, config=LOCAL)
    yield client
    client.close()


@pytest.fixture
def bucket(s3: "S3Client") -> str:
    name = f"bucket-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture(params=["memory", "embedded"])
def site(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Site:
    """The parts of a deployment; a look into an embedded queue is complete without waiting."""
    monkeypatch.setattr(dead_letters, "WAIT_SECONDS", 0)
    if request.param == "memory":
        return Site(MemoryLedger(), MemoryQueue(lease_seconds=LEASE_SECONDS))
    cloud = request.getfixturevalue("cloud")
    return Site(cloud.ledger, new_sqs_queue(cloud, LEASE_SECONDS))
