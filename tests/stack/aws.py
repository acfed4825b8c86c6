"""MiniStack, a process on 127.0.0.1 with a Python of its own, and a shell that knows it."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import boto3
from botocore.config import Config

from console.cloud.child_environment import REGION, child_environment
from tests.stack.jobs import JobHost

ROOT_KEY = "test"
"""MiniStack takes it for the account's root."""
START_SECONDS = 60
LOOK_SECONDS = 0.1
EMULATOR = Path(__file__).with_name("emulator.py")
QUICK = {
    "TILEPOOL_CLAIM_SECONDS": "5",
    "TILEPOOL_IDLE_SECONDS": "2",
    "TILEPOOL_LEASE_SECONDS": "15",
    "TILEPOOL_PROCESSES": "1",
}
ONCE = Config(retries={"mode": "standard", "max_attempts": 3}, proxies={})


@dataclass(frozen=True, slots=True)
class Question:
    """Whether an action on a resource is allowed, and the answer."""

    action: str
    resource: str
    is_refused: bool


@dataclass(frozen=True)
class Deployed:
    """A stack: its outputs, and its resources' ids by their names in the template."""

    outputs: Mapping[str, str]
    resources: Mapping[str, str]


@dataclass(frozen=True)
class MiniStack:
    """The emulator; its jobs are the host's, its permissions are noted in a file."""

    url: str
    jobs: JobHost
    permissions: Path
    environment: Mapping[str, str]
    folder: Path

    def client(self, service: str) -> Any:
        """Return a client with the root's credentials."""
        session = boto3.Session(ROOT_KEY, ROOT_KEY, region_name=REGION)
        return session.client(service, endpoint_url=self.url, config=ONCE)  # type: ignore[call-overload]

    def tilepool(self, *arguments: str, code: int = 0) -> str:
        """Run a command; return what it has printed, which ends with this exit code."""
        done = subprocess.run(
            [sys.executable, "-m", "console", *arguments],
            cwd=self.folder,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        told = done.stdout + done.stderr
        assert done.returncode == code, f"{arguments}\n{told}"
        assert "Traceback" not in told
        return told

    def deployed(self, stack: str) -> Deployed:
        """Return a stack; from now on its jobs run as its definitions say."""
        formation = self.client("cloudformation")
        (described,) = formation.describe_stacks(StackName=stack)["Stacks"]
        found = formation.describe_stack_resources(StackName=stack)["StackResources"]
        outputs = {out["OutputKey"]: out["OutputValue"] for out in described["Outputs"]}
        for definition in (outputs["JobDefinition"], outputs["ManifestJobDefinition"]):
            name = definition.rpartition("/")[2].partition(":")[0]
            self.jobs.learn(name, self._job_environment(name))
        ids = {entry["LogicalResourceId"]: entry["PhysicalResourceId"] for entry in found}
        return Deployed(outputs, ids)

    def _job_environment(self, definition: str) -> dict[str, str]:
        """Return what a container of a definition finds: its variables, its role's credentials."""
        answer = self.client("batch").describe_job_definitions(jobDefinitionName=definition)
        container = answer["jobDefinitions"][-1]["containerProperties"]
        variables = {entry["name"]: entry["value"] for entry in container["environment"]}
        assumed = self.client("sts").assume_role(
            RoleArn=container["jobRoleArn"], RoleSessionName="job"
        )["Credentials"]
        scratch = self.folder / "scratch"
        scratch.mkdir(exist_ok=True)
        return {
            **self.environment,
            **variables,
            "AWS_ACCESS_KEY_ID": assumed["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": assumed["SecretAccessKey"],
            "AWS_SESSION_TOKEN": assumed["SessionToken"],
            "TMPDIR": str(scratch),
            **QUICK,
        }

    def questions(self, role: str) -> list[Question]:
        """Return what a role has asked to do; `role` is its physical name."""
        lines = map(json.loads, self.permissions.read_text("utf-8").splitlines())
        return [
            Question(line["action"], line["resource"], line["refused"])
            for line in lines
            if f"assumed-role/{role}/" in line["principal"]
        ]


@contextmanager
def ministack(python: str, folder: Path) -> Iterator[MiniStack]:
    """Start MiniStack, with permissions enforced, by the Python that has it."""
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    permissions = folder / "permissions.jsonl"
    permissions.touch()
    user = child_environment(os.environ, url, ROOT_KEY)
    with JobHost(folder) as jobs, (folder / "ministack.log").open("wb") as log:
        own = {
            "AUTH": "true",
            "AWS_ACCESS_KEY_ID": ROOT_KEY,
            "AWS_ALLOW_HTTP": "true",
            "AWS_SECRET_ACCESS_KEY": ROOT_KEY,
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "HOME": str(folder),
            "LAMBDA_ASYNC_RETRY_BASE_SECONDS": "1",
            "PATH": os.environ["PATH"],
            "PYTHONSAFEPATH": "1",
            "TILEPOOL_TEST_JOBS": jobs.url,
            "TILEPOOL_TEST_PERMISSIONS": str(permissions),
            "TMPDIR": str(folder),
        }
        process = subprocess.Popen(
            [python, str(EMULATOR)], env=own, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            _await(url, process, folder / "ministack.log")
            yield MiniStack(url, jobs, permissions, user, folder)
        finally:
            process.terminate()
            process.wait()


def _free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        return port


def _await(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urlopen(f"{url}/_ministack/health"):  # noqa: S310  # our own
                return
        except URLError:
            time.sleep(LOOK_SECONDS)
    raise AssertionError(log.read_text("utf-8"))
