"""AWS Batch on a laptop: jobs are local processes, `python -m <command>`.

Serves the calls that tilepool makes, in Batch's own protocol:
https://docs.aws.amazon.com/batch/latest/APIReference/
"""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from werkzeug import Request, Response
from werkzeug.exceptions import NotFound

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

COMMANDS = ("worker", "manifest_builder")
ATTEMPTS = 3
"""As the job definitions' retryStrategy: a job is started again whose machine has gone, which is
played by a process that was killed, and not one that has ended with an exit code of its own."""
STOP_SECONDS = 30
"""Batch kills a job so long after SIGTERM (ECS_CONTAINER_STOP_TIMEOUT)."""
MILLISECONDS = 1000
JOB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
ENDED = ("SUCCEEDED", "FAILED")
MAX_JOB_LOGS = 200
"""Logs of jobs that are kept of one start, the newest."""
JSON = {"Content-Type": "application/json"}


@dataclass
class Job:
    """A job and the process of its present attempt."""

    job_id: str
    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    status: str = "SUBMITTED"
    reason: str = ""
    attempts: int = 0
    created: float = field(default_factory=time.time)
    process: "subprocess.Popen[bytes] | None" = None
    terminated: bool = False
    killer: threading.Timer | None = None


class LocalBatch:
    """Runs jobs as processes, each in a session of its own so that it ends with its children."""

    def __init__(self, environment: Mapping[str, str], logs: Path) -> None:
        self._environment = environment
        self._logs = logs
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._closing = False

    def submit(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> Job:
        """Start a job; raises ValueError for anything but our own commands and variables.

        Whoever reaches the port must not get to run more than tilepool.
        """
        if not JOB_NAME.fullmatch(name):
            raise ValueError(f"expected a job name of letters, digits, - and _, not {name!r}")
        if len(command) != 1 or command[0] not in COMMANDS:
            raise ValueError(f"expected one of the commands {', '.join(COMMANDS)}")
        if not all(variable.startswith("TILEPOOL_") for variable in environment):
            raise ValueError("expected environment variables that start with TILEPOOL_")
        job_id = str(uuid.uuid4())
        job = Job(job_id, name, command, environment, self._logs / f"{name}-{job_id[:8]}.log")
        thread = threading.Thread(target=self._run, args=[job], name=name, daemon=True)
        with self._lock:
            if self._closing:
                raise ValueError("the embedded cloud is stopping")
            self._jobs[job_id] = job
            self._threads.append(thread)
            self._remove_old_logs()
        thread.start()
        return job

    def job(self, job_id: str) -> Job | None:
        """Return a job by its id."""
        return self._jobs.get(job_id)

    def jobs(self) -> list[Job]:
        """Return all jobs, oldest first."""
        return list(self._jobs.values())

    def terminate(self, job: Job, reason: str) -> None:
        """Stop a job as Batch does: SIGTERM now, SIGKILL after STOP_SECONDS."""
        with self._lock:
            if job.status in ENDED or job.terminated:
                return
            job.terminated, job.reason = True, reason
            if job.process is not None and job.process.poll() is None:
                job.process.terminate()
                job.killer = threading.Timer(STOP_SECONDS, _kill_session, [job.process])
                job.killer.daemon = True
                job.killer.start()

    def close(self) -> None:
        """Terminate every job and wait for it; take no more."""
        with self._lock:
            self._closing = True
        for job in self.jobs():
            self.terminate(job, "the embedded cloud is stopping")
        for thread in self._threads:
            thread.join(STOP_SECONDS + 1)

    def _remove_old_logs(self) -> None:
        ended = [job for job in self._jobs.values() if job.status in ENDED]
        for job in ended[: max(0, len(self._jobs) - MAX_JOB_LOGS)]:
            job.log.unlink(missing_ok=True)

    def _run(self, job: Job) -> None:
        fault, was_killed = "not started", True
        while was_killed and job.attempts < ATTEMPTS and not job.terminated:
            job.attempts += 1
            try:
                exit_code = self._run_once(job)
                fault = f"exit code {exit_code}" if exit_code else ""
                was_killed = exit_code < 0
            except (OSError, ValueError) as error:
                fault, was_killed = f"the process could not be started: {error}", False
        job.reason = job.reason or fault
        job.status = "FAILED" if job.terminated or fault else "SUCCEEDED"

    def _run_once(self, job: Job) -> int:
        with job.log.open("ab") as log:
            with self._lock:
                if job.terminated:
                    return -signal.SIGTERM
                job.process = subprocess.Popen(  # noqa: S603  # commands are checked by submit
                    [sys.executable, "-m", *job.command],
                    env={**self._environment, **job.environment},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
                job.status = "RUNNING"
            exit_code = job.process.wait()
            if job.killer is not None:
                job.killer.cancel()
        # As a container's end does: whatever the process left behind goes with it.
        _kill_session(job.process)
        return exit_code


def _kill_session(process: "subprocess.Popen[bytes]") -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


class BatchService:
    """Batch's HTTP interface. A laptop is every job queue, whatever a task calls it."""

    def __init__(self, batch: LocalBatch) -> None:
        self._batch = batch
        self._operations: Mapping[str, Callable[[Mapping[str, Any]], Mapping[str, Any]]] = {
            "/v1/submitjob": self._submit_job,
            "/v1/describejobs": self._describe_jobs,
            "/v1/listjobs": self._list_jobs,
            "/v1/terminatejob": self._terminate_job,
            "/v1/describejobqueues": self._describe_job_queues,
            "/v1/describejobdefinitions": self._describe_job_definitions,
        }

    @property
    def application(self) -> "WSGIApplication":
        """Return the service as a WSGI application."""
        return Request.application(self._answer)

    def _answer(self, request: Request) -> Response:
        operation = self._operations.get(request.path)
        if operation is None:
            raise NotFound
        call = request.get_json(force=True)
        try:
            return Response(json.dumps(operation(dict(call))), 200, JSON)
        except (KeyError, TypeError, ValueError) as error:
            headers = {**JSON, "x-amzn-ErrorType": "ClientException"}
            return Response(json.dumps({"message": str(error)}), 400, headers)

    def _submit_job(self, call: Mapping[str, Any]) -> Mapping[str, Any]:
        overrides = call.get("containerOverrides", {})
        environment = {entry["name"]: entry["value"] for entry in overrides.get("environment", [])}
        job = self._batch.submit(call["jobName"], overrides.get("command", []), environment)
        return {"jobId": job.job_id, "jobName": job.name}

    def _describe_jobs(self, call: Mapping[str, Any]) -> Mapping[str, Any]:
        jobs = (self._batch.job(job_id) for job_id in call["jobs"])
        return {"jobs": [_described(job) for job in jobs if job is not None]}

    def _list_jobs(self, call: Mapping[str, Any]) -> Mapping[str, Any]:
        names = [name for entry in call.get("filters", []) for name in entry["values"]]
        status = call.get("jobStatus", "RUNNING")
        # With a filter, jobs of any status are meant.
        return {
            "jobSummaryList": [
                _described(job)
                for job in self._batch.jobs()
                if (job.name in names if names else job.status == status)
            ]
        }

    def _terminate_job(self, call: Mapping[str, Any]) -> Mapping[str, Any]:
        job = self._batch.job(call["jobId"])
        if job is not None:
            self._batch.terminate(job, call["reason"])
        return {}

    def _describe_job_queues(self, call: Mapping[str, Any]) -> Mapping[str, Any]:
        names = call.get("jobQueues", [])
        return {"jobQueues": [{"jobQueueName": name, "state": "ENABLED"} for name in names]}

    def _describe_job_definitions(self, call: Mapping[str, Any]) -> Mapping[str, Any]:
        names = call.get("jobDefinitions") or [call["jobDefinitionName"]]
        definitions = [{"jobDefinitionName": name, "status": "ACTIVE"} for name in names]
        return {"jobDefinitions": definitions}


def _described(job: Job) -> dict[str, Any]:
    return {
        "jobId": job.job_id,
        "jobName": job.name,
        "status": job.status,
        "statusReason": job.reason,
        "createdAt": int(job.created * MILLISECONDS),
        "attempts": [{}] * job.attempts,
        "container": {"logStreamName": str(job.log)},
    }
