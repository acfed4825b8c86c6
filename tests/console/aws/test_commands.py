"""The commands' own mistakes: each is one line and the right exit code, before anything is done."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from console.__main__ import cli


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """No region and no credentials, wherever boto3 looks for them."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def assert_told(result: Result, line: str) -> None:
    assert result.exit_code == 2
    assert result.output == f"Error: {line}\n"


@pytest.mark.parametrize("command", ["deploy", "destroy"])
def test_a_region_must_be_set(command: str) -> None:
    assert_told(
        invoke(command, "--stack", "archive"),
        "no AWS region is set; set AWS_REGION, or one in your AWS profile",
    )


@pytest.mark.parametrize("command", ["deploy", "destroy"])
def test_there_must_be_credentials(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert_told(
        invoke(command, "--stack", "archive"),
        "no AWS credentials are found; set AWS_PROFILE, or log in",
    )


def test_a_parameter_needs_a_name_and_a_value() -> None:
    assert_told(
        invoke("deploy", "--stack", "archive", "--param", "JQName"),
        "--param: expected NAME=VALUE, got 'JQName'",
    )


@pytest.mark.parametrize("command", ["deploy", "destroy"])
@pytest.mark.parametrize("name", ["", "1st", "a_b", "a b", "arn:aws:x", "a" * 129])
def test_a_stacks_name_is_cloudformations(command: str, name: str) -> None:
    result = invoke(command, "--stack", name)
    assert result.exit_code == 2
    assert "expected a letter, then letters, digits and hyphens" in result.output


@pytest.mark.parametrize("command", ["deploy", "destroy"])
def test_a_stack_must_be_named(command: str) -> None:
    result = invoke(command)
    assert result.exit_code == 2
    assert "--stack" in result.output


def test_a_bundle_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    result = invoke("bundle", str(tmp_path / "nowhere" / "dispatcher.zip"))
    assert result.exit_code == 2
    assert result.output == f"Error: FILE: there is no folder {tmp_path / 'nowhere'}\n"
