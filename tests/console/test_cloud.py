"""What the embedded cloud promises to those who take it for AWS."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.dynamodb.models import DynamoDBBackend, dynamodb_backends
from moto.dynamodb.models.table import Table
from moto.sqs import models as sqs_models
from werkzeug.serving import make_server

from console.cloud.batch import ATTEMPTS, BatchService, Job, LocalBatch
from console.cloud.child_environment import child_environment
from console.cloud.moto_patches import patch_moto
from console.cloud.uploads import upload_event
from console.embedded import EmbeddedCloud, embedded_cloud

if TYPE_CHECKING:
    from mypy_boto3_batch.client import BatchClient
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

TIMEOUT_SECONDS = 30
ENDED = {"SUCCEEDED", "FAILED"}
PORT = "TILEPOOL_TEST_PORT"
FILE = "TILEPOOL_TEST_FILE"
CALL = f"""
import os, signal, socket, subprocess, sys
line = socket.create_connection(("127.0.0.1", int(os.environ["{PORT}"])))
"""
"""What a job of these tests does first: its end ends the connection."""


# DynamoDB


@pytest.fixture
def dynamodb(cloud: EmbeddedCloud) -> "DynamoDBClient":
    config = Config(max_pool_connections=20)
    return cloud.session.client("dynamodb", endpoint_url=cloud.url, config=config)


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one partition that no other test uses."""

    client: "DynamoDBClient"
    table: str
    partition: str = field(default_factory=lambda: uuid.uuid4().hex)

    def key(self, name: str) -> dict[str, Any]:
        return {"pk": {"S": self.partition}, "sk": {"S": name}}

    def put(self, name: str, number: int) -> Any:
        return {
            "Put": {"TableName": self.table, "Item": self.key(name) | {"n": {"N": f"{number}"}}}
        }

    def add(self, name: str, number: int) -> Any:
        return {
            "Update": {
                "TableName": self.table,
                "Key": self.key(name),
                "UpdateExpression": "ADD n :n",
                "ExpressionAttributeValues": {":n": {"N": str(number)}},
            }
        }

    def delete(self, name: str) -> Any:
        return {"Delete": {"TableName": self.table, "Key": self.key(name)}}

    def impossible(self) -> Any:
        condition = {"ConditionExpression": "attribute_exists(pk)"}
        return {
            "ConditionCheck": {"TableName": self.table, "Key": self.key("nothing"), **condition}
        }

    def write(self, *entries: Any) -> bool:
        try:
            self.client.transact_write_items(TransactItems=entries)
        except self.client.exceptions.TransactionCanceledException:
            return False
        return True

    def read(self, name: str) -> int | None:
        answer = self.client.get_item(TableName=self.table, Key=self.key(name), ConsistentRead=True)
        return int(answer["Item"]["n"]["N"]) if "Item" in answer else None


@pytest.fixture
def rows(cloud: EmbeddedCloud, dynamodb: "DynamoDBClient") -> Rows:
    return Rows(dynamodb, cloud.table)


def test_a_transaction_writes_all_its_entries(rows: Rows) -> None:
    rows.write(rows.put("old", 1))
    assert rows.write(rows.put("new", 2), rows.add("count", 3), rows.delete("old"))
    assert (rows.read("new"), rows.read("count"), rows.read("old")) == (2, 3, None)


def test_a_transaction_that_fails_leaves_nothing_behind(rows: Rows) -> None:
    rows.write(rows.put("old", 1), rows.put("count", 5))
    entries = [rows.put("new", 2), rows.add("count", 3), rows.add("fresh", 1), rows.delete("old")]
    assert not rows.write(*entries, rows.impossible())
    assert (rows.read("new"), rows.read("fresh")) == (None, None)
    assert (rows.read("count"), rows.read("old")) == (5, 1)


def test_a_transaction_that_fails_tells_which_condition_it_was(rows: Rows) -> None:
    with pytest.raises(rows.client.exceptions.TransactionCanceledException) as caught:
        rows.client.transact_write_items(TransactItems=[rows.put("a", 1), rows.impossible()])
    reasons = caught.value.response["CancellationReasons"]
    assert [reason["Code"] for reason in reasons] == ["None", "ConditionalCheckFailed"]


def test_transactions_that_fail_do_not_undo_what_others_write_meanwhile(rows: Rows) -> None:
    rows.write(rows.put("count", 0))
    start = threading.Barrier(4)

    def succeed(writer: int) -> None:
        start.wait(TIMEOUT_SECONDS)
        for number in range(25):
            assert rows.write(rows.put(f"{writer}-{number}", number), rows.add("count", 1))

    def fail(writer: int) -> None:
        # The longer it takes, the more is written by others before it is undone.
        slow = [rows.put(f"fail-{writer}-{number}", number) for number in range(90)]
        start.wait(TIMEOUT_SECONDS)
        for _ in range(10):
            assert not rows.write(rows.add("count", 1000), *slow, rows.impossible())

    with ThreadPoolExecutor(4) as threads:
        writers = [threads.submit(succeed, writer) for writer in range(2)]
        writers += [threads.submit(fail, writer) for writer in range(2)]
    for writer in writers:
        writer.result()
    assert rows.read("count") == 50
    assert all(rows.read(f"{writer}-{n}") == n for writer in range(2) for n in range(25))


@pytest.fixture
def patched_moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Patch moto in this process, as the cloud's own process does, and take it back."""
    for place, name in (
        (DynamoDBBackend, "transact_write_items"),
        (Table, "query"),
        (sqs_models, "Queue"),
        (sqs_models.SQSBackend, "receive_message"),
        (sqs_models.SQSBackend, "change_message_visibility"),
        (sqs_models.SQSBackend, "purge_queue"),
    ):
        monkeypatch.setattr(place, name, getattr(place, name))
    patch_moto()
    yield
    del Table.__deepcopy__  # type: ignore[attr-defined]


def calls_during(work: Callable[[], object]) -> int:
    """Return how many Python functions are called."""
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls


def test_a_transaction_costs_the_same_however_large_the_table(patched_moto: None) -> None:
    backend = dynamodb_backends["123456789012"]["us-east-1"]
    name = f"table-{uuid.uuid4().hex}"
    keys = {"pk": "HASH", "sk": "RANGE"}
    backend.create_table(
        name,
        schema=[{"AttributeName": key, "KeyType": kind} for key, kind in keys.items()],
        attr=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
        throughput=None,
        global_indexes=[],
        indexes=[],
        streams=None,
        billing_mode="PAY_PER_REQUEST",
        sse_specification=None,
        tags=[],
        deletion_protection_enabled=False,
        warm_throughput=None,
    )

    def item(number: int) -> dict[str, Any]:
        return {"Put": {"TableName": name, "Item": {"pk": {"S": "p"}, "sk": {"S": f"{number}"}}}}

    def transaction(number: int) -> int:
        entries = [item(number), item(number + 1)]
        return calls_during(lambda: backend.transact_write_items(entries))

    transaction(0)
    small = transaction(10)
    for number in range(1000):
        backend.put_item(name, item(number)["Put"]["Item"])
    assert transaction(2000) <= small + 50


# SQS


@pytest.fixture
def sqs(cloud: EmbeddedCloud) -> "SQSClient":
    return cloud.session.client("sqs", endpoint_url=cloud.url)


def new_queue(sqs: "SQSClient", **attributes: str) -> str:
    name = f"test-{uuid.uuid4().hex}"
    return sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]  # type: ignore[arg-type]


def receive(sqs: "SQSClient", url: str, lease: int, wait: int = 0) -> "MessageTypeDef | None":
    answer = sqs.receive_message(
        QueueUrl=url,
        VisibilityTimeout=lease,
        WaitTimeSeconds=wait,
        MessageSystemAttributeNames=["All"],
    )
    return next(iter(answer.get("Messages", [])), None)


def test_a_message_in_hand_is_nobody_elses_until_its_lease_ends(sqs: "SQSClient") -> None:
    url = new_queue(sqs)
    sqs.send_message(QueueUrl=url, MessageBody="x")
    assert receive(sqs, url, lease=1) is not None
    assert receive(sqs, url, lease=1) is None
    again = receive(sqs, url, lease=1, wait=5)
    assert again is not None
    assert again["Attributes"]["ApproximateReceiveCount"] == "2"


def test_a_message_given_back_is_there_at_once(sqs: "SQSClient") -> None:
    url = new_queue(sqs)
    sqs.send_message(QueueUrl=url, MessageBody="x")
    message = receive(sqs, url, lease=60)
    assert message is not None
    handle = message["ReceiptHandle"]
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)
    assert receive(sqs, url, lease=60) is not None


def test_a_message_received_too_often_goes_to_the_dead_letters(sqs: "SQSClient") -> None:
    dead = new_queue(sqs)
    answer = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])
    policy = {"deadLetterTargetArn": answer["Attributes"]["QueueArn"], "maxReceiveCount": 2}
    url = new_queue(sqs, RedrivePolicy=json.dumps(policy))
    sqs.send_message(QueueUrl=url, MessageBody="x")
    assert [receive(sqs, url, lease=0) is not None for _ in range(3)] == [True, True, False]
    buried = receive(sqs, dead, lease=60)
    assert buried is not None
    assert buried["Body"] == "x"


def test_a_deleted_message_does_not_come_back(sqs: "SQSClient") -> None:
    url = new_queue(sqs)
    sqs.send_message(QueueUrl=url, MessageBody="x")
    message = receive(sqs, url, lease=0)
    assert message is not None
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert receive(sqs, url, lease=0) is None


# Batch: jobs are processes


@dataclass(frozen=True, slots=True)
class Phone:
    """Where jobs call when they run."""

    listener: socket.socket

    @property
    def environment(self) -> dict[str, str]:
        return {PORT: str(self.listener.getsockname()[1])}

    def answer(self) -> socket.socket:
        line, _ = self.listener.accept()
        line.settimeout(TIMEOUT_SECONDS)
        return line


@pytest.fixture
def phone() -> Iterator[Phone]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(TIMEOUT_SECONDS)
        yield Phone(listener)


@dataclass(frozen=True, slots=True)
class Stages:
    """Stand-ins of the stages, found before the real ones."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "PYTHONPATH": str(self.folder), "PYTHONSAFEPATH": "1"}

    def script(self, command: str, text: str) -> None:
        (self.folder / f"{command}.py").write_text(text)


@pytest.fixture
def stages(tmp_path: Path) -> Stages:
    folder = tmp_path / "stages"
    folder.mkdir()
    return Stages(folder)


@pytest.fixture
def batch(stages: Stages, tmp_path: Path) -> Iterator[LocalBatch]:
    logs = tmp_path / "logs"
    logs.mkdir()
    batch = LocalBatch({**stages.environment, "SHARED": "by all jobs"}, logs)
    yield batch
    batch.close()


def ended(batch: LocalBatch, job: Job) -> Job:
    """Return a job once its thread has ended."""
    for thread in batch._threads:
        thread.join(TIMEOUT_SECONDS)
        assert not thread.is_alive()
    return job


@pytest.mark.parametrize("command", ["worker", "manifest_builder"])
def test_a_job_whose_process_ends_well_succeeds(
    batch: LocalBatch, stages: Stages, command: str
) -> None:
    stages.script(command, "print('at work')")
    job = ended(batch, batch.submit("job", [command], {}))
    assert (job.status, job.attempts) == ("SUCCEEDED", 1)
    assert job.log.read_text() == "at work\n"
    assert batch.job(job.job_id) is job


def test_a_job_has_the_clouds_variables_and_its_own(batch: LocalBatch, stages: Stages) -> None:
    stages.script("worker", "import json, os; print(json.dumps(dict(os.environ)))")
    job = ended(batch, batch.submit("job", ["worker"], {"TILEPOOL_RUN_ID": "run-1"}))
    environment = json.loads(job.log.read_text())
    assert environment["SHARED"] == "by all jobs"
    assert environment["TILEPOOL_RUN_ID"] == "run-1"
    assert "HOME" not in environment


def test_a_job_that_fails_by_itself_would_fail_again_and_is_not_repeated(
    batch: LocalBatch, stages: Stages
) -> None:
    stages.script("worker", "print('try'); raise SystemExit(7)")
    job = ended(batch, batch.submit("job", ["worker"], {}))
    assert (job.status, job.attempts, job.reason) == ("FAILED", 1, "exit code 7")
    assert job.log.read_text() == "try\n"


KILL_ITSELF = "import os\nprint('try', flush=True)\nos.kill(os.getpid(), 9)\n"


def test_a_job_that_is_killed_is_tried_as_often_as_its_definition_says(
    batch: LocalBatch, stages: Stages
) -> None:
    stages.script("worker", KILL_ITSELF)
    job = ended(batch, batch.submit("job", ["worker"], {}))
    assert (job.status, job.attempts, job.reason) == ("FAILED", ATTEMPTS, "exit code -9")
    assert job.log.read_text() == "try\n" * ATTEMPTS


def test_a_job_that_is_killed_once_succeeds_at_its_next_attempt(
    batch: LocalBatch, stages: Stages, tmp_path: Path
) -> None:
    stages.script(
        "worker",
        f"import os, pathlib\nfile = pathlib.Path(os.environ['{FILE}'])\n"
        "if not file.exists():\n    file.touch()\n    os.kill(os.getpid(), 9)\n",
    )
    job = ended(batch, batch.submit("job", ["worker"], {FILE: str(tmp_path / "tried")}))
    assert (job.status, job.attempts, job.reason) == ("SUCCEEDED", 2, "")


def test_the_logs_of_old_jobs_go(
    batch: LocalBatch, stages: Stages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.cloud.batch.MAX_JOB_LOGS", 2)
    stages.script("worker", "")
    jobs = [ended(batch, batch.submit(f"job-{n}", ["worker"], {})) for n in range(4)]
    assert [job.log.exists() for job in jobs] == [False, False, True, True]


def test_a_terminated_job_ends_and_is_not_tried_again(
    batch: LocalBatch, stages: Stages, phone: Phone
) -> None:
    stages.script("worker", f"{CALL}line.recv(1)")
    job = batch.submit("job", ["worker"], phone.environment)
    with phone.answer() as line:
        assert job.status == "RUNNING"
        batch.terminate(job, "enough")
        assert line.recv(1) == b""
    ended(batch, job)
    assert (job.status, job.attempts, job.reason) == ("FAILED", 1, "enough")


def test_a_terminated_job_may_put_its_things_in_order(
    batch: LocalBatch, stages: Stages, phone: Phone
) -> None:
    handler = "signal.signal(signal.SIGTERM, lambda *_: (line.sendall(b'bye'), sys.exit(0)))"
    stages.script("worker", f"{CALL}{handler}\nline.sendall(b'hi ')\nline.recv(1)")
    job = batch.submit("job", ["worker"], phone.environment)
    with phone.answer() as line:
        assert line.recv(3) == b"hi "
        batch.terminate(job, "enough")
        assert line.recv(3) == b"bye"
    assert ended(batch, job).attempts == 1


@pytest.mark.parametrize("exit_code", [0, 1])
def test_what_a_job_leaves_running_goes_with_it(
    batch: LocalBatch, stages: Stages, phone: Phone, exit_code: int
) -> None:
    child = "subprocess.Popen(['sleep', '600'], pass_fds=[line.fileno()])"
    stages.script("worker", f"{CALL}{child}\nline.close()\nraise SystemExit({exit_code})")
    job = batch.submit("job", ["worker"], phone.environment)
    with phone.answer() as line:
        # The child has inherited the connection: it ends with the last who holds it.
        assert line.recv(1) == b""
    ended(batch, job)


def test_closing_ends_all_jobs(stages: Stages, phone: Phone, tmp_path: Path) -> None:
    batch = LocalBatch(stages.environment, tmp_path)
    stages.script("worker", f"{CALL}line.recv(1)")
    jobs = [batch.submit(f"job-{n}", ["worker"], phone.environment) for n in range(2)]
    lines = [phone.answer() for _ in jobs]
    batch.close()
    assert [job.status for job in jobs] == ["FAILED", "FAILED"]
    for line in lines:
        with line:
            assert line.recv(1) == b""


@pytest.mark.parametrize(
    "command",
    [[], ["worker", "x"], ["os"], ["worker.__main__"], ["console.cloud"], ["-c"], ["-mworker"]],
    ids=str,
)
def test_commands_that_are_not_ours_are_refused(batch: LocalBatch, command: list[str]) -> None:
    with pytest.raises(ValueError, match="worker, manifest_builder"):
        batch.submit("job", command, {})
    assert batch.jobs() == []


@pytest.mark.parametrize("name", ["PATH", "PYTHONPATH", "LD_PRELOAD", "AWS_ENDPOINT_URL", "", "x"])
def test_variables_that_are_not_ours_are_refused(batch: LocalBatch, name: str) -> None:
    with pytest.raises(ValueError, match="TILEPOOL_"):
        batch.submit("job", ["worker"], {"TILEPOOL_RUN_ID": "run-1", name: "x"})
    assert batch.jobs() == []


def test_a_job_name_that_batch_refuses_is_refused(batch: LocalBatch, stages: Stages) -> None:
    stages.script("worker", "")
    with pytest.raises(ValueError, match="name"):
        batch.submit("../outside", ["worker"], {})


def test_a_job_that_cannot_be_started_fails(batch: LocalBatch, stages: Stages) -> None:
    stages.script("worker", "")
    job = ended(batch, batch.submit("job", ["worker"], {"TILEPOOL_RUN_ID": "x" * 3_000_000}))
    assert job.status == "FAILED"


# Batch: its protocol


@pytest.fixture
def client(batch: LocalBatch) -> "Iterator[BatchClient]":
    """Yield boto3's client of a service with stand-in stages."""
    server = make_server("127.0.0.1", 0, BatchService(batch).application, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    yield boto3.Session("x", "x", region_name="us-east-1").client("batch", endpoint_url=url)
    server.shutdown()
    thread.join()
    server.server_close()


def submit(client: "BatchClient", command: str, environment: Mapping[str, str]) -> str:
    return client.submit_job(
        jobName="job-1",
        jobQueue="any",
        jobDefinition="any",
        containerOverrides={
            "command": [command],
            "environment": [{"name": name, "value": text} for name, text in environment.items()],
        },
    )["jobId"]


def test_a_submitted_job_is_described_and_listed(
    batch: LocalBatch, client: "BatchClient", stages: Stages, phone: Phone
) -> None:
    stages.script("worker", f"{CALL}line.recv(1)")
    job_id = submit(client, "worker", phone.environment)
    with phone.answer():
        (running,) = client.describe_jobs(jobs=[job_id])["jobs"]
        assert (running["jobId"], running["jobName"]) == (job_id, "job-1")
        assert running["status"] == "RUNNING"
        listed = client.list_jobs(jobQueue="any", jobStatus="RUNNING")["jobSummaryList"]
        assert [job["jobId"] for job in listed] == [job_id]
    ended(batch, batch.jobs()[0])
    (done,) = client.describe_jobs(jobs=[job_id])["jobs"]
    assert (done["status"], len(done["attempts"])) == ("SUCCEEDED", 1)
    assert client.list_jobs(jobQueue="any", jobStatus="RUNNING")["jobSummaryList"] == []


def test_a_job_is_terminated_with_a_reason(
    batch: LocalBatch, client: "BatchClient", stages: Stages, phone: Phone
) -> None:
    stages.script("worker", f"{CALL}line.recv(1)")
    job_id = submit(client, "worker", phone.environment)
    with phone.answer() as line:
        client.terminate_job(jobId=job_id, reason="enough")
        assert line.recv(1) == b""
    ended(batch, batch.jobs()[0])
    (job,) = client.describe_jobs(jobs=[job_id])["jobs"]
    assert (job["status"], job["statusReason"]) == ("FAILED", "enough")


def test_jobs_that_nobody_knows_are_not_described(client: "BatchClient") -> None:
    assert client.describe_jobs(jobs=["unknown"])["jobs"] == []
    client.terminate_job(jobId="unknown", reason="none")


def test_a_refused_call_is_a_client_error(cloud: EmbeddedCloud) -> None:
    with pytest.raises(ClientError) as caught:
        submit(cloud.batch, "bash", {})
    error = caught.value.response["Error"]
    assert error["Code"] == "ClientException"
    assert "worker, manifest_builder" in error["Message"]


def test_a_call_that_is_not_served_is_a_client_error(client: "BatchClient") -> None:
    with pytest.raises(ClientError):
        client.describe_compute_environments()


def test_every_queue_and_definition_is_there(cloud: EmbeddedCloud) -> None:
    (queue,) = cloud.batch.describe_job_queues(jobQueues=["any"])["jobQueues"]
    assert (queue["jobQueueName"], queue["state"]) == ("any", "ENABLED")
    for answer in (
        cloud.batch.describe_job_definitions(jobDefinitions=["any:3"]),
        cloud.batch.describe_job_definitions(jobDefinitionName="any"),
    ):
        assert [found["status"] for found in answer["jobDefinitions"]] == ["ACTIVE"]


def test_the_clouds_own_jobs_run_our_stages(cloud: EmbeddedCloud) -> None:
    job_id = submit(cloud.batch, "worker", {"TILEPOOL_PROCESSES": "none"})

    def job() -> Mapping[str, Any]:
        return cloud.batch.describe_jobs(jobs=[job_id])["jobs"][0]

    look_again = threading.Event()
    for _ in range(TIMEOUT_SECONDS * 20):
        if job()["status"] in ENDED or look_again.wait(0.05):
            break
    assert job()["status"] == "FAILED"
    assert len(job()["attempts"]) == 1
    log = Path(job()["container"]["logStreamName"]).read_text()
    assert "TILEPOOL_PROCESSES: expected a whole number" in log


# The cloud as a process


def test_only_this_machine_can_reach_it(cloud: EmbeddedCloud) -> None:
    port = urlsplit(cloud.url).port
    assert port is not None
    socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS).close()
    # All of 127/8 is this machine: a server on all interfaces would answer here too.
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", port), timeout=TIMEOUT_SECONDS).close()


USER = """
import sys
from pathlib import Path
from console.embedded import embedded_cloud
with embedded_cloud(Path(sys.argv[1]), {}) as cloud:
    print(cloud.url, cloud.access_key, flush=True)
    sys.stdin.read()
"""
"""A command that uses the cloud in a folder until its standard input ends."""


@contextmanager
def a_user(folder: Path) -> "Iterator[tuple[subprocess.Popen[str], BatchClient]]":
    """Start a command that uses the cloud in a folder."""
    with subprocess.Popen(
        [sys.executable, "-c", USER, folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as user:
        assert user.stdout is not None
        url, key = user.stdout.readline().split()
        session = boto3.Session(key, key, region_name="us-east-1")
        yield user, session.client("batch", endpoint_url=url)
        user.kill()


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM, None])
def test_it_ends_with_its_user_and_takes_its_jobs_along(
    stages: Stages,
    phone: Phone,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    signum: signal.Signals | None,
) -> None:
    # What is tested may itself be found by PYTHONPATH.
    folders = [str(stages.folder), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, folders)))
    stages.script("worker", f"{CALL}line.recv(1)")
    with a_user(tmp_path / "cloud") as (user, batch):
        submit(batch, "worker", phone.environment)
        with phone.answer() as line:
            if signum is None:
                assert user.stdin is not None
                user.stdin.close()
            else:
                user.send_signal(signum)
            assert line.recv(1) == b""
            user.wait(TIMEOUT_SECONDS)


@pytest.mark.parametrize(
    "setting",
    [
        {"AWS_PROFILE": "archive"},
        {"AWS_PROFILE": "nobody"},
        {"AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"},
        {"AWS_ENDPOINT_URL_SQS": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"},
    ],
    ids=lambda setting: "=".join(next(iter(setting.items()))),
)
def test_it_starts_whatever_the_user_has_set_for_aws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: dict[str, str]
) -> None:
    config = tmp_path / "config"
    config.write_text("[profile archive]\nregion = eu-central-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    for name, value in setting.items():
        monkeypatch.setenv(name, value)
    with embedded_cloud(tmp_path / "cloud", {}) as cloud:
        assert list(cloud.ledger.runs()) == []


def test_children_have_none_of_the_parents_aws_settings() -> None:
    parent = {
        "AWS_PROFILE": "archive",
        "AWS_SESSION_TOKEN": "token",
        "AWS_ENDPOINT_URL_S3": "https://s3.example.org",
        "AWS_ACCESS_KEY_ID": "real",
        "TILEPOOL_TABLE": "real",
        "PATH": "/bin",
    }
    environment = child_environment(parent, "http://127.0.0.1:1", "key")
    assert not {"AWS_PROFILE", "AWS_SESSION_TOKEN", "TILEPOOL_TABLE"} & environment.keys()
    assert not [name for name in environment if name.startswith("AWS_ENDPOINT_URL_")]
    assert environment["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
    assert environment["AWS_ACCESS_KEY_ID"] == "key"
    assert environment["PATH"] == "/bin"
    assert "real" not in environment.values()


# Uploads


def sent(body: Mapping[str, Any], time: str = "1700000000000", name: str = "m1") -> Any:
    return {"Body": json.dumps(body), "MessageId": name, "Attributes": {"SentTimestamp": time}}


def an_event(**fields: Any) -> dict[str, Any]:
    return {"Records": [{"s3": {"object": {"key": "task.json", **fields}}}]}


def sequencer(message: Any) -> str:
    event = upload_event(message)
    assert event is not None
    (record,) = event["Records"]
    found: str = record["s3"]["object"]["sequencer"]
    return found


def test_an_upload_has_the_same_sequencer_on_every_delivery() -> None:
    first = sent(an_event())
    again = {**first, "ReceiptHandle": "another"}
    assert sequencer(first) == sequencer(again)


def test_two_uploads_of_one_moment_differ() -> None:
    assert sequencer(sent(an_event())) != sequencer(sent(an_event(), name="m2"))


def test_a_later_upload_has_the_higher_sequencer() -> None:
    times = ["999999999999", "1700000000000", "1700000000001"]
    found = [sequencer(sent(an_event(), time)) for time in times]
    assert found == sorted(found)


def test_a_sequencer_that_is_there_stays() -> None:
    assert sequencer(sent(an_event(sequencer="0055"))) == "0055"


def test_an_event_without_records_is_handed_on() -> None:
    assert upload_event(sent({"Event": "s3:TestEvent"})) == {"Event": "s3:TestEvent"}


# Who may ask


@pytest.mark.parametrize("key", ["embedded", "", None])
@pytest.mark.parametrize("service", ["s3", "sqs", "dynamodb", "batch"])
def test_only_those_who_know_the_clouds_key_are_answered(
    cloud: EmbeddedCloud, service: str, key: str | None
) -> None:
    request = Request(f"{cloud.url}/{cloud.bucket}/task.json", data=b"x", method="PUT")  # noqa: S310
    if key is not None:
        scope = f"AWS4-HMAC-SHA256 Credential={key}/20260301/us-east-1/{service}/aws4_request"
        request.add_header("Authorization", scope)
    with pytest.raises(HTTPError) as caught:
        urlopen(request)  # noqa: S310
    assert caught.value.code == 403
    caught.value.close()


def test_a_browser_is_not_told_that_it_may_ask(cloud: EmbeddedCloud) -> None:
    request = Request(cloud.url, headers={"Origin": "https://evil.example"}, method="OPTIONS")  # noqa: S310
    with pytest.raises(HTTPError) as caught:
        urlopen(request)  # noqa: S310
    assert caught.value.code == 403
    assert "Access-Control-Allow-Origin" not in caught.value.headers
    caught.value.close()


def test_a_batch_that_is_closing_takes_no_more_jobs(batch: LocalBatch) -> None:
    batch.close()
    with pytest.raises(ValueError, match="stopping"):
        batch.submit("job", ["worker"], {})
