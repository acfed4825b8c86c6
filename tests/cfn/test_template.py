"""The template and the embedded cloud must be the same system."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from console.cloud import resources
from console.embedded import EmbeddedCloud
from dispatcher.handler import RECONCILE
from pipeline import environment
from tests.cfn.template import load_document, properties_of, statements
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


def test_the_stages_find_their_variables(template: dict[str, Any]) -> None:
    function = template["Dispatcher"]["Environment"]["Variables"]
    assert function == {
        environment.TABLE: "Ledger",
        environment.QUEUE_URL: "Pages",
        environment.DEAD_LETTER_QUEUE_URL: "PagesDead",
    }
    job = template["JobDefinition"]["ContainerProperties"]["Environment"]
    names = {entry["Name"]: entry["Value"] for entry in job}
    assert names[environment.TABLE] == "Ledger"
    assert names[environment.QUEUE_URL] == "Pages"
    assert names[environment.DEAD_LETTER_QUEUE_URL] == "PagesDead"


def test_a_job_starts_with_the_variables_it_is_given_and_no_others(
    template: dict[str, Any], cloud: EmbeddedCloud, tmp_path: Path
) -> None:
    values = {
        "AWS::Region": "us-east-1",
        "Ledger": cloud.table,
        "Pages": f"{cloud.url}/123456789012/tilepool-pages",
        "PagesDead": f"{cloud.url}/123456789012/tilepool-pages-dead",
        "WorkerVcpus": "1",
    }
    entries = template["JobDefinition"]["ContainerProperties"]["Environment"]
    job = {entry["Name"]: values[entry["Value"]] for entry in entries}
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
        [sys.executable, "-m", *template["JobDefinition"]["ContainerProperties"]["Command"]],
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


def test_the_image_runs_a_package_named_by_the_command(template: dict[str, Any]) -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert 'ENTRYPOINT ["python", "-m"]\nCMD ["worker"]\n' in dockerfile
    assert template["JobDefinition"]["ContainerProperties"]["Command"] == ["worker"]
    for command in ("worker", "manifest_builder"):
        assert (ROOT / command / "__main__.py").is_file()


def test_who_sends_to_a_queue_may(template: dict[str, Any]) -> None:
    allowed = {
        role: {
            queue
            for actions, targets in statements(template[role])
            if "sqs:SendMessage" in actions
            for queue in targets
        }
        for role in ("DispatcherRole", "JobRole")
    }
    assert allowed["DispatcherRole"] >= {"Pages.Arn", "PagesDead.Arn"}
    assert allowed["JobRole"] == {"Pages.Arn", "PagesDead.Arn"}


def test_what_tiles_foreign_images_ends_no_jobs(template: dict[str, Any]) -> None:
    may_end = [
        name
        for name, properties in template.items()
        for actions, _ in statements(properties)
        if "batch:TerminateJob" in actions
    ]
    assert may_end == ["DispatcherRole"]


def test_no_role_may_touch_everything(template: dict[str, Any]) -> None:
    for name, properties in template.items():
        for actions, targets in statements(properties):
            assert not any("*" in action for action in actions), name
            if "*" in targets:
                assert all(
                    action.startswith("batch:Describe") or action == "batch:ListJobs"
                    for action in actions
                ), name
