"""The jobs' contract: what was submitted is found by what it was for, lives, and can be ended."""

import threading
import time
from dataclasses import replace
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from console.embedded import LOCAL, EmbeddedCloud
from pipeline.batch import MAX_DESCRIBED_JOBS, BatchJobs, Jobs
from pipeline.errors import TransientError
from pipeline.run import Run, RunState
from tests.builders import a_plan, a_run, new_run_id
from tests.fakes import MemoryJobs

PATIENCE_SECONDS = 30


@pytest.fixture(params=["memory", "embedded"])
def jobs(request: pytest.FixtureRequest) -> Jobs:
    if request.param == "memory":
        return MemoryJobs()
    cloud: EmbeddedCloud = request.getfixturevalue("cloud")
    return BatchJobs(cloud.session.client("batch", endpoint_url=cloud.url, config=LOCAL))


@pytest.fixture
def run() -> Run:
    return a_run(new_run_id(), state=RunState.BUILDING, claimed_at=1000)


def test_a_worker_is_found_by_its_run_and_number(jobs: Jobs, run: Run) -> None:
    plan = a_plan()
    assert jobs.find_worker(run.run_id, plan, 1) is None
    worker = jobs.submit_worker(run.run_id, plan, 1)
    assert jobs.find_worker(run.run_id, plan, 1) == worker
    assert jobs.find_worker(run.run_id, plan, 11) is None
    jobs.terminate([worker], "the test is over")


def test_a_final_job_is_found_by_its_run_and_claim(jobs: Jobs, run: Run) -> None:
    assert jobs.find_final(run) is None
    final = jobs.submit_final(run)
    assert jobs.find_final(run) == final
    assert jobs.find_final(replace(run, claimed_at=2000)) is None


def test_a_job_lives_until_it_is_ended(jobs: Jobs, run: Run) -> None:
    worker = jobs.submit_worker(run.run_id, a_plan(), 0)
    nobody = [f"00000000-0000-4000-8000-{number:012}" for number in range(MAX_DESCRIBED_JOBS)]
    assert jobs.living([]) == set()
    assert jobs.living([*nobody, worker]) == {worker}
    assert jobs.failed([*nobody, worker]) == {}
    jobs.terminate([worker], "the test is over")
    pause = threading.Event()
    for _ in range(PATIENCE_SECONDS * 10):
        if not jobs.living([worker]):
            break
        pause.wait(0.1)
    assert jobs.living([worker]) == set()
    failed = jobs.failed([*nobody, worker])
    assert failed.keys() == {worker}
    assert abs(failed[worker] - time.time()) < PATIENCE_SECONDS
    jobs.terminate([worker], "it has ended, and that is no error")


def test_a_job_that_has_ended_is_not_one_that_is_yet_to_start(jobs: Jobs, run: Run) -> None:
    worker = jobs.submit_worker(run.run_id, a_plan(), 0)
    jobs.terminate([worker], "the test is over")
    pause = threading.Event()
    for _ in range(PATIENCE_SECONDS * 10):
        if not jobs.living([worker]):
            break
        pause.wait(0.1)
    assert jobs.unstarted([worker, "00000000-0000-4000-8000-000000000000"]) == set()


@pytest.mark.parametrize(
    ("status", "is_unstarted"),
    [("SUBMITTED", True), ("RUNNABLE", True), ("STARTING", True), ("RUNNING", False)],
)
def test_a_job_is_unstarted_until_its_process_runs(
    cloud: EmbeddedCloud, status: str, is_unstarted: bool
) -> None:
    client = cloud.session.client("batch", endpoint_url=cloud.url, config=LOCAL)
    events: Any = client.meta.events

    def answer(**_: object) -> tuple[AWSResponse, dict[str, Any]]:
        response = AWSResponse("", 200, HTTPHeaders(), None)
        return response, {"jobs": [{"jobId": "a", "status": status}]}

    events.register("before-call.batch.DescribeJobs", answer)
    assert BatchJobs(client).unstarted(["a"]) == ({"a"} if is_unstarted else set())


def test_a_worker_knows_its_run_and_its_number(cloud: EmbeddedCloud, run: Run) -> None:
    client = cloud.session.client("batch", endpoint_url=cloud.url, config=LOCAL)
    calls: list[dict[str, Any]] = []
    client.meta.events.register(
        "provide-client-params.batch.SubmitJob", lambda params, **_: calls.append(params)
    )
    jobs = BatchJobs(client)
    jobs.terminate([jobs.submit_worker(run.run_id, a_plan(), 7)], "the test is over")
    environment = calls[0]["containerOverrides"]["environment"]
    assert {entry["name"]: entry["value"] for entry in environment} == {
        "TILEPOOL_RUN_ID": run.run_id,
        "TILEPOOL_WORKER": "7",
    }


@pytest.mark.parametrize(
    ("manifests", "used"), [("", "IIIFS3JobDefinition"), ("tiles-manifests", "tiles-manifests")]
)
def test_the_final_job_has_its_own_definition_where_there_is_one(
    cloud: EmbeddedCloud, run: Run, manifests: str, used: str
) -> None:
    client = cloud.session.client("batch", endpoint_url=cloud.url, config=LOCAL)
    calls: list[dict[str, Any]] = []
    client.meta.events.register(
        "provide-client-params.batch.SubmitJob", lambda params, **_: calls.append(params)
    )
    jobs, plan = BatchJobs(client), a_plan(manifest_job_definition=manifests)
    started = [jobs.submit_worker(run.run_id, plan, 0), jobs.submit_final(replace(run, plan=plan))]
    jobs.terminate(started, "the test is over")
    assert [call["jobDefinition"] for call in calls] == ["IIIFS3JobDefinition", used]


def test_a_run_that_was_rejected_has_no_jobs(run: Run, cloud: EmbeddedCloud) -> None:
    batch = BatchJobs(cloud.session.client("batch", endpoint_url=cloud.url, config=LOCAL))
    with pytest.raises(TransientError, match="rejected"):
        batch.submit_final(replace(run, plan=None))
