"""The template and the embedded cloud must be the same system."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from console import cancel, scale
from console.aws import jobs as aws_jobs
from console.cloud import resources
from console.embedded import EmbeddedCloud
from dispatcher.handler import RECONCILE
from pipeline import environment, pool
from tests.cfn.calls import CALLS, WITHOUT_CALLS
from tests.cfn.template import allowed, load_document, properties_of
from worker.processes import MEMORY_BYTES

ROOT = Path(__file__).parents[2]
WORKER_ITSELF_BYTES = 200_000_000


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return load_document()


@pytest.fixture(scope="module")
def template(document: dict[str, Any]) -> dict[str, Any]:
    return properties_of(document)


def test_a_worker_has_memory_for_all_its_tiling_processes(document: dict[str, Any]) -> None:
    defaults = {name: entry.get("Default") for name, entry in document["Parameters"].items()}
    memory = defaults["WorkerMemoryMiB"] * 2**20
    assert memory > defaults["WorkerVcpus"] * MEMORY_BYTES + WORKER_ITSELF_BYTES


def test_the_ledger_has_the_same_keys(template: dict[str, Any], cloud: EmbeddedCloud) -> None:
    dynamodb = cloud.session.client("dynamodb", endpoint_url=cloud.url)
    table = dynamodb.describe_table(TableName=cloud.table)["Table"]
    assert table["KeySchema"] == template["Ledger"]["KeySchema"]
    assert table["AttributeDefinitions"] == template["Ledger"]["AttributeDefinitions"]


def test_the_queue_redrives_alike(template: dict[str, Any]) -> None:
    redrive = template["Pages"]["RedrivePolicy"]
    assert redrive == {
        "deadLetterTargetArn": "PagesDead.Arn",
        "maxReceiveCount": resources.MAX_RECEIVES,
    }
    assert template["Pages"]["MessageRetentionPeriod"] == resources.RETENTION_SECONDS
    retries = template["DispatcherRetries"]["MaximumRetryAttempts"]
    assert retries + 1 == resources.UPLOAD_ATTEMPTS


BATCH = {
    "TILEPOOL_JOB_QUEUE",
    "TILEPOOL_JOB_DEFINITION",
    "TILEPOOL_MANIFEST_JOB_DEFINITION",
    "TILEPOOL_OTHER_JOB_QUEUES",
    "TILEPOOL_OTHER_JOB_DEFINITIONS",
}
TELLING = {"TILEPOOL_EVENT_BUS": "default"}
STORES = {
    environment.TABLE: "Ledger",
    environment.QUEUE_URL: "Pages",
    environment.DEAD_LETTER_QUEUE_URL: "PagesDead",
}
MACHINE = {"AWS_REGION": "AWS::Region", "AWS_DEFAULT_REGION": "AWS::Region", "TMPDIR": "/scratch"}


def variables(template: dict[str, Any], definition: str) -> dict[str, str]:
    entries = template[definition]["ContainerProperties"]["Environment"]
    return {entry["Name"]: entry["Value"] for entry in entries}


def test_the_dispatcher_finds_its_variables(template: dict[str, Any]) -> None:
    function = dict(template["Dispatcher"]["Environment"]["Variables"])
    assert function.keys() >= BATCH
    rest = {name: value for name, value in function.items() if name not in BATCH}
    assert rest == STORES | TELLING


def test_the_jobs_find_their_variables(template: dict[str, Any]) -> None:
    assert variables(template, "WorkerDefinition") == MACHINE | STORES | {
        "TILEPOOL_PROCESSES": "WorkerVcpus"
    }
    ledger = {environment.TABLE: "Ledger"}
    assert variables(template, "ManifestDefinition") == MACHINE | ledger | TELLING


def test_a_job_starts_with_the_variables_it_is_given_and_no_others(
    template: dict[str, Any], cloud: EmbeddedCloud, tmp_path: Path
) -> None:
    values = {
        "/scratch": str(tmp_path),
        "AWS::Region": "us-east-1",
        "Ledger": cloud.table,
        "Pages": f"{cloud.url}/123456789012/tilepool-pages",
        "PagesDead": f"{cloud.url}/123456789012/tilepool-pages-dead",
        "WorkerVcpus": "1",
    }
    job = {name: values[value] for name, value in variables(template, "WorkerDefinition").items()}
    machine = {  # what ECS and the image give, here for the embedded cloud
        "AWS_ACCESS_KEY_ID": cloud.access_key,
        "AWS_SECRET_ACCESS_KEY": cloud.access_key,
        "AWS_ENDPOINT_URL": cloud.url,
        "AWS_CONFIG_FILE": os.devnull,
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
    }
    quickly = {"TILEPOOL_IDLE_SECONDS": "0"}
    done = subprocess.run(
        [sys.executable, "-m", *template["WorkerDefinition"]["ContainerProperties"]["Command"]],
        env={**machine, **job, **quickly},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert '"event": "worker_stopped"' in done.stderr


def test_the_handler_is_where_the_function_looks(template: dict[str, Any]) -> None:
    module, _, name = template["Dispatcher"]["Handler"].rpartition(".")
    assert (ROOT / (module.replace(".", "/") + ".py")).read_text().count(f"def {name}(") == 1


def test_the_schedule_sends_the_event_that_the_handler_takes(template: dict[str, Any]) -> None:
    (target,) = template["Reconciling"]["Targets"]
    assert json.loads(target["Input"]) == {"tilepool": RECONCILE}


def test_the_image_runs_the_packages_named_by_the_commands(template: dict[str, Any]) -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert 'ENTRYPOINT ["python", "-m"]\nCMD ["worker"]\n' in dockerfile
    for definition, command in (
        ("WorkerDefinition", "worker"),
        ("ManifestDefinition", "manifest_builder"),
    ):
        container = template[definition]["ContainerProperties"]
        assert container["Command"] == [command]
        assert f"--uid {container['User']}" in dockerfile
        assert (ROOT / command / "__main__.py").is_file()


ROLES = ("DispatcherRole", "WorkerRole", "ManifestBuilderRole")


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_do_what_its_code_does_and_no_more(template: dict[str, Any], role: str) -> None:
    actions = {action for action, _ in allowed(template, role)}
    assert actions == CALLS[role] | WITHOUT_CALLS[role].keys()


def test_what_tiles_foreign_images_ends_no_jobs(template: dict[str, Any]) -> None:
    may_end = [
        role for role in ROLES for action, _ in allowed(template, role) if "Terminate" in action
    ]
    assert may_end == ["DispatcherRole"]


def test_jobs_that_are_ended_on_purpose_raise_no_alarm(template: dict[str, Any]) -> None:
    pattern = template["JobsFailed"]["EventPattern"]["detail"]
    (reasons,) = (entry["anything-but"] for entry in pattern["statusReason"])
    ours = {cancel.REASON, scale.REASON, aws_jobs.REASON, pool.STARTED_TWICE}
    assert set(reasons) == ours | {"Job attempt duration exceeded timeout"}
    assert pattern["status"] == ["FAILED"]
