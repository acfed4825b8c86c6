"""The folder of an embedded cloud: nobody else's hands in it, and one cloud at a time."""

import json
import os
import stat
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.cloud.folder import MAX_LOGS, CloudFolder, Contact, open_folder, parse_contact
from console.errors import ConsoleError

CONTACT = Contact("http://127.0.0.1:4711", "0" * 32, 4711, kept=True, logs="20260101T000000-1")


@pytest.fixture
def folder(tmp_path: Path) -> CloudFolder:
    return open_folder(tmp_path / "deep" / "cloud")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_all_that_is_made_is_ours_alone(folder: CloudFolder) -> None:
    before = os.umask(0)
    try:
        folder.tell_contact(CONTACT)
        folder.write("state.json", b"{}")
        folder.make_logs("1")
        descriptors = [folder.lock(), folder.use()]
        folder.tell_contact(CONTACT)
    finally:
        os.umask(before)
    assert mode(folder.path) == 0o700
    for path in folder.path.iterdir():
        assert mode(path) == (0o700 if path.is_dir() else 0o600), path
    for descriptor in descriptors:
        assert descriptor is not None
        os.close(descriptor)


@pytest.mark.parametrize("bits", [0o770, 0o707])
def test_a_folder_that_others_may_write_to_is_refused(tmp_path: Path, bits: int) -> None:
    tmp_path.chmod(bits)
    with pytest.raises(ConsoleError, match="can be written to by others; chmod 700 it"):
        open_folder(tmp_path)


def test_a_folder_of_somebody_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
    with pytest.raises(ConsoleError, match="belongs to somebody else"):
        open_folder(tmp_path)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConsoleError, match=r"--dir: .*file"):
        open_folder(tmp_path / "file")


def test_there_is_one_cloud_at_a_time(folder: CloudFolder) -> None:
    lock = folder.lock()
    assert lock is not None
    assert folder.lock() is None
    os.close(lock)
    again = folder.lock()
    assert again is not None
    os.close(again)


def test_what_a_dead_cloud_has_told_is_forgotten_by_the_next(folder: CloudFolder) -> None:
    folder.tell_contact(CONTACT)
    assert folder.contact() == CONTACT
    lock = folder.lock()
    assert lock is not None
    assert folder.contact() is None
    os.close(lock)


def test_users_are_told_from_none(folder: CloudFolder) -> None:
    assert not folder.used_by_others()
    users = [folder.use(), folder.use()]
    os.close(users.pop())
    assert folder.used_by_others()
    os.close(users.pop())
    assert not folder.used_by_others()


def test_a_file_is_replaced_whole(folder: CloudFolder) -> None:
    folder.write("state.json", b"a long one")
    with folder.state.open("rb") as old:
        folder.write("state.json", b"new")
        assert old.read() == b"a long one"
    assert folder.state.read_bytes() == b"new"


def test_old_logs_go(folder: CloudFolder) -> None:
    for number in range(MAX_LOGS + 5):
        (folder.make_logs(f"20260101T{number:06}") / "cloud.log").touch()
    left = sorted(logs.name for logs in (folder.path / "logs").iterdir())
    assert left == [f"20260101T{number:06}" for number in range(5, MAX_LOGS + 5)]


def test_a_contact_comes_back_as_it_was() -> None:
    assert parse_contact(json.dumps(asdict(CONTACT)).encode()) == CONTACT


@pytest.mark.parametrize(
    "change",
    [
        {"url": "http://evil.example:80"},
        {"url": "http://127.0.0.1:80@evil.example"},
        {"url": "http://127.0.0.1:80/x"},
        {"url": None},
        {"access_key": "short"},
        {"access_key": 1},
        {"process": 1},
        {"process": -1},
        {"process": True},
        {"process": "1234"},
        {"kept": "yes"},
        {"logs": "../../etc"},
        {"logs": ""},
        {"another": 1},
    ],
    ids=str,
)
def test_a_contact_that_no_cloud_writes_is_one_clear_line(
    folder: CloudFolder, change: dict[str, object]
) -> None:
    (folder.path / "cloud.json").write_text(json.dumps({**asdict(CONTACT), **change}))
    with pytest.raises(ConsoleError, match=r"cloud\.json is damaged") as caught:
        folder.contact()
    assert "\n" not in str(caught.value)


@given(st.binary())
def test_whatever_stands_there_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError, match="embedded cloud writes"):
        parse_contact(text)


@pytest.mark.parametrize(
    "text", [b"[" * 9_000, b'{"url": ' + b"9" * 5_000 + b"}", b"\xff", b"null"]
)
def test_trying_texts_are_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError, match="embedded cloud writes"):
        parse_contact(text)
