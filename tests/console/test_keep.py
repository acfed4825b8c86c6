"""An embedded cloud that is kept: it outlives commands, crashes and power cuts."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from console.cloud.folder import CloudFolder, open_folder
from console.embedded import NEVER_SECONDS, EmbeddedCloud, embedded_cloud
from console.errors import ConsoleError
from console.keep import bring_down, bring_up
from console.options import Where
from console.place import deployment
from pipeline.run import RunState
from tests.builders import a_run, new_run_id

TIMEOUT_SECONDS = 60
TOOL = [sys.executable, "-m", "console"]


def tilepool(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does."""
    return subprocess.run(
        [*TOOL, *map(str, arguments)], capture_output=True, text=True, check=False
    )


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[CloudFolder]:
    """A folder whose cloud, if a test leaves one, is brought down."""
    folder = open_folder(tmp_path / "cloud")
    yield folder
    bring_down(folder.path)


def in_cloud(folder: CloudFolder) -> Any:
    return embedded_cloud(folder.path, {}, NEVER_SECONDS)


def until(done: Any) -> None:
    """Wait for what must come to be, however slow the machine is."""
    look_again = threading.Event()
    for _ in range(TIMEOUT_SECONDS * 20):
        if done():
            return
        look_again.wait(0.05)
    pytest.fail("it has not come to be")


def test_up_and_down_again_from_the_command_line(kept: CloudFolder) -> None:
    told = [
        tilepool("cloud", verb, "--dir", kept.path) for verb in ("down", "up", "up", "down", "down")
    ]
    assert [done.returncode for done in told] == [0] * 5, told
    texts = [done.stdout.partition(str(kept.path))[0] for done in told]
    assert texts == [
        "No embedded cloud is up in ",
        "The embedded cloud is up; its state is kept in ",
        "The embedded cloud in ",
        "The embedded cloud is down; its state is kept in ",
        "No embedded cloud is up in ",
    ]


def test_it_survives_the_terminal_and_whoever_started_it(kept: CloudFolder) -> None:
    bring_up(kept.path)
    contact = kept.contact()
    assert contact is not None
    assert os.getsid(contact.process) == contact.process
    with in_cloud(kept) as cloud:
        assert (cloud.private, cloud.process) == (False, contact.process)
    with in_cloud(kept) as cloud:
        assert cloud.process == contact.process


def fill(cloud: EmbeddedCloud) -> str:
    """Leave a row, an object, and messages: one that waits, one in hand, one given up on."""
    # Without a plan: the reconciler shall start no worker, who would take the messages.
    run = replace(a_run(new_run_id(), state=RunState.DISPATCHING), plan=None)
    cloud.ledger.open_run(run)
    cloud.s3.put_object(Bucket=cloud.bucket, Key="notes.txt", Body=b"task")
    text: Any = {"reason": {"DataType": "String", "StringValue": "because"}}
    for body in ("waits", "held"):
        cloud.sqs.send_message(
            QueueUrl=cloud.queue_url, MessageBody=body, MessageGroupId="g", MessageAttributes=text
        )
    cloud.sqs.receive_message(QueueUrl=cloud.queue_url, VisibilityTimeout=600)
    cloud.dead_letters.bury("buried", {"reason": "worse"}, run.run_id)
    return run.run_id


def check(cloud: EmbeddedCloud, run_id: str, version: str) -> None:
    """Find all that `fill` has left."""
    run = cloud.ledger.load_run(run_id)
    assert run is not None
    assert run.state is RunState.DISPATCHING
    assert list(cloud.ledger.open_runs()) == [run_id]
    found = cloud.s3.get_object(Bucket=cloud.bucket, Key="notes.txt", VersionId=version)
    assert found["Body"].read() == b"task"
    messages = [
        message
        for _ in range(2)
        for message in cloud.sqs.receive_message(
            QueueUrl=cloud.queue_url,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        )["Messages"]
    ]
    received = {
        message["Body"]: int(message["Attributes"]["ApproximateReceiveCount"])
        for message in messages
    }
    assert received in ({"waits": 2, "held": 1}, {"waits": 1, "held": 2})
    for message in messages:
        assert message["Attributes"]["MessageGroupId"] == "g"
        assert message["MessageAttributes"]["reason"]["StringValue"] == "because"
    with cloud.dead_letters.take(10) as hand:
        (letter,) = hand.letters()
    assert (letter.body, letter.attributes, letter.group) == (
        "buried",
        {"reason": "worse"},
        run_id,
    )


def version_of(cloud: EmbeddedCloud) -> str:
    return cloud.s3.head_object(Bucket=cloud.bucket, Key="notes.txt")["VersionId"]


@pytest.mark.parametrize("is_kept", [True, False])
def test_all_is_there_again_after_a_stop(kept: CloudFolder, is_kept: bool) -> None:
    if is_kept:
        bring_up(kept.path)
    with in_cloud(kept) as cloud:
        run_id, version = fill(cloud), version_of(cloud)
        assert cloud.private is not is_kept
    bring_down(kept.path)
    with in_cloud(kept) as cloud:
        check(cloud, run_id, version)


def test_a_crash_loses_nothing_that_was_saved(kept: CloudFolder) -> None:
    bring_up(kept.path)
    with in_cloud(kept) as cloud:
        run_id, version = fill(cloud), version_of(cloud)
        # Saved on a timer: whoever sees the last change in the file has all of it.
        until(lambda: kept.state.exists() and b"buried" in kept.state.read_bytes())
        os.kill(cloud.process, signal.SIGKILL)
    until(kept.is_free)
    assert kept.contact() is not None
    assert "up;" in bring_up(kept.path)
    with in_cloud(kept) as cloud:
        check(cloud, run_id, version)


def test_what_has_changed_is_saved_and_what_was_removed_is_gone(kept: CloudFolder) -> None:
    with in_cloud(kept) as cloud:
        cloud.ledger.open_run(a_run(new_run_id(), state=RunState.DISPATCHING))
        (run_id,) = cloud.ledger.open_runs()
        cloud.dead_letters.bury("buried", {}, run_id)
    with in_cloud(kept) as cloud:
        assert cloud.ledger.cancel(run_id, 1.0)
        with cloud.dead_letters.take(10) as hand:
            for letter in hand.letters():
                hand.remove(letter)
    with in_cloud(kept) as cloud:
        run = cloud.ledger.load_run(run_id)
        assert run is not None
        assert run.state is RunState.CANCELLED
        assert list(cloud.ledger.open_runs()) == []
        assert list(cloud.ledger.runs()) == [run_id]
        assert cloud.dead_letters.depth() == 0


def test_two_commands_at_once_use_one_cloud(kept: CloudFolder) -> None:
    with in_cloud(kept) as first:
        run = a_run(new_run_id(), state=RunState.DISPATCHING)
        with in_cloud(kept) as second:
            assert second.process == first.process
            assert second.private
            second.ledger.open_run(run)
        # The second has left; the first still has it.
        assert first.ledger.load_run(run.run_id) is not None
    assert kept.is_free()


def test_a_cloud_ends_after_the_last_who_uses_it(kept: CloudFolder) -> None:
    with in_cloud(kept) as starter:
        user = kept.use()
    assert not kept.is_free()
    os.close(user)
    until(kept.is_free)
    with in_cloud(kept) as cloud:
        assert cloud.process != starter.process


def test_up_is_refused_while_a_command_has_a_cloud_of_its_own(kept: CloudFolder) -> None:
    with in_cloud(kept):
        with pytest.raises(ConsoleError, match="a command that is running uses"):
            bring_up(kept.path)
        assert "No embedded cloud is up" in bring_down(kept.path)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "null", '{"format": 2}', '{"format": 1}', '{"format": 1, "rows": []}'],
)
def test_a_damaged_state_is_one_clear_line_and_stays(kept: CloudFolder, content: str) -> None:
    kept.state.write_text(content)
    with pytest.raises(
        ConsoleError, match=r"state\.json is damaged \(.*\); move it away"
    ) as caught:
        bring_up(kept.path)
    assert "\n" not in str(caught.value)
    assert kept.state.read_text() == content
    assert kept.is_free()


def test_a_damaged_contact_is_one_clear_line(kept: CloudFolder) -> None:
    bring_up(kept.path)
    contact = kept.contact()
    assert contact is not None
    (kept.path / "cloud.json").write_text(json.dumps({"url": "http://evil.example"}))
    done = tilepool("cloud", "up", "--dir", kept.path)
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: {kept.path}/cloud.json is damaged")
    assert done.stderr.count("\n") == 1
    kept.tell_contact(contact)


def test_what_a_crash_left_is_not_asked(kept: CloudFolder) -> None:
    (kept.path / "cloud.json").write_text("from a power cut")
    with in_cloud(kept) as cloud:
        assert list(cloud.ledger.runs()) == []


def test_it_dies_under_a_command_and_that_is_one_clear_line(kept: CloudFolder) -> None:
    def use() -> None:
        with deployment(Where(kept.path)) as place:
            contact = kept.contact()
            assert contact is not None
            os.kill(contact.process, signal.SIGKILL)
            until(kept.is_free)
            list(place.ledger.runs())

    with pytest.raises(ConsoleError, match=r"the embedded cloud died or was stopped; see .*\.log"):
        use()
