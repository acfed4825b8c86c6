"""Batch's machines: jobs as local processes, each with its definition's environment and role."""

import json
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from werkzeug import Request, Response
from werkzeug.serving import make_server

from console.cloud.batch import BatchService, LocalBatch

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

Call = Mapping[str, Any]


@dataclass
class JobHost:
    """Runs what is submitted; while `held`, jobs wait as they do for a machine."""

    logs: Path
    held: bool = False
    _services: dict[str, BatchService] = field(default_factory=dict)
    _machines: list[LocalBatch] = field(default_factory=list)
    _waiting: dict[str, Call] = field(default_factory=dict)
    _started: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Self:
        self._server = make_server("127.0.0.1", 0, self._application, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for machine in self._machines:
            machine.close()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Return the address that MiniStack is to hand calls to."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def learn(self, definition: str, environment: Mapping[str, str]) -> None:
        """Have jobs of a definition run in an environment."""
        machine = LocalBatch(environment, self.logs)
        with self._lock:
            self._machines.append(machine)
            self._services[definition] = BatchService(machine)

    def release(self) -> None:
        """Start all jobs that wait."""
        self.held = False
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        for job_id, call in waiting.items():
            self._started[job_id] = self._start(call)

    @property
    def submitted(self) -> list[str]:
        """Return the names of the jobs that wait."""
        return [call["jobName"] for call in self._waiting.values()]

    def _start(self, call: Call) -> str:
        definition = call["jobDefinition"].rpartition("/")[2].partition(":")[0]
        job_id: str = self._services[definition]._submit_job(call)["jobId"]
        return job_id

    @property
    def _application(self) -> "WSGIApplication":
        return Request.application(self._answer)

    def _answer(self, request: Request) -> Response:
        call = request.get_json(force=True)
        answer = getattr(self, request.path.rpartition("/")[2])(call)
        return Response(json.dumps(answer), 200, {"Content-Type": "application/json"})

    def submitjob(self, call: Call) -> Call:
        """Start a job, or let it wait."""
        if not self.held:
            return {"jobId": self._start(call), "jobName": call["jobName"]}
        job_id = str(uuid.uuid4())
        with self._lock:
            self._waiting[job_id] = call
        return {"jobId": job_id, "jobName": call["jobName"]}

    def describejobs(self, call: Call) -> Call:
        """Describe jobs, those that wait as runnable."""
        jobs = []
        for job_id in call["jobs"]:
            if job_id in self._waiting:
                jobs.append(_runnable(job_id, self._waiting[job_id]))
            wanted = {"jobs": [self._started.get(job_id, job_id)]}
            found = [
                job for s in self._services.values() for job in s._describe_jobs(wanted)["jobs"]
            ]
            jobs += [{**job, "jobId": job_id} for job in found]
        return {"jobs": jobs}

    def listjobs(self, call: Call) -> Call:
        """List jobs of a name, or in a state."""
        names = [name for entry in call.get("filters", []) for name in entry["values"]]
        held = {real: job_id for job_id, real in self._started.items()}
        waiting = [_runnable(job_id, held) for job_id, held in self._waiting.items()]
        jobs = [
            job for s in self._services.values() for job in s._list_jobs(call)["jobSummaryList"]
        ]
        jobs = [{**job, "jobId": held.get(job["jobId"], job["jobId"])} for job in jobs]
        jobs += [job for job in waiting if job["jobName"] in names]
        return {"jobSummaryList": jobs}

    def terminatejob(self, call: Call) -> Call:
        """Stop a job."""
        with self._lock:
            self._waiting.pop(call["jobId"], None)
        real = self._started.get(call["jobId"], call["jobId"])
        for service in self._services.values():
            service._terminate_job({**call, "jobId": real})
        return {}


def _runnable(job_id: str, call: Call) -> dict[str, Any]:
    return {
        "jobId": job_id,
        "jobName": call["jobName"],
        "status": "RUNNABLE",
        "createdAt": 0,
        "startedAt": 0,
        "container": {},
    }
