"""The template is read as YAML would be, and its one line of code is replaced."""

from importlib.resources import files
from typing import Any

import pytest
import yaml

from console.aws.template import (
    CODE,
    code_bucket,
    declared_parameters,
    read_template,
    with_code,
)


def composed(section: str) -> dict[str, dict[str, Any]]:
    """Return a section's entries, with the text of each of their values."""
    root: Any = yaml.compose(read_template())
    entries = next(value for key, value in root.value if key.value == section)
    return {
        key.value: {name.value: value.value for name, value in entry.value}
        for key, entry in entries.value
    }


def test_the_parameters_are_those_that_yaml_finds() -> None:
    expected = {name: entry.get("Default") for name, entry in composed("Parameters").items()}
    assert expected
    assert declared_parameters(read_template()) == expected


def test_defaults_are_read_without_their_quotes() -> None:
    template = (
        "Parameters:\n  One:\n    Default: ''\n    Type: String\n  # a word\n"
        '  Two:\n    Default: "a b"\n  Three:\n    Type: String\n\nResources:\n  Four:\n'
    )
    assert declared_parameters(template) == {"One": "", "Two": "a b", "Three": None}


def test_the_bundle_takes_the_place_of_the_local_path() -> None:
    template = with_code(read_template(), "artifacts", "archive/dispatcher-1.zip")
    root: Any = yaml.compose(template)
    text = yaml.serialize(root)
    assert "S3Bucket: artifacts" in text
    assert "S3Key: archive/dispatcher-1.zip" in text
    assert CODE not in template
    assert len(template.splitlines()) == len(read_template().splitlines()) + 2


@pytest.mark.parametrize("template", ["", CODE + CODE])
def test_a_template_without_just_one_place_for_the_bundle_is_a_fault(template: str) -> None:
    with pytest.raises(ValueError, match="expected one line"):
        with_code(template, "artifacts", "key")


def test_a_deployed_template_tells_its_bucket() -> None:
    assert code_bucket(with_code(read_template(), "my-artifacts", "key")) == "my-artifacts"
    assert code_bucket(read_template()) is None


def test_template_and_lock_come_with_the_installation() -> None:
    assert {"template.yaml", "dispatcher.lock"} <= {file.name for file in files("cfn").iterdir()}
