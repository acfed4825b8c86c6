"""The template as Python values: each of CloudFormation's short functions as its arguments."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

TEMPLATE = Path(__file__).parents[2] / "cfn/template.yaml"


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short functions as their arguments."""


_Loader.add_multi_constructor(
    "!",
    lambda loader, _suffix, node: (
        loader.construct_scalar(node)
        if isinstance(node, yaml.ScalarNode)
        else loader.construct_sequence(node)
    ),
)


def load_document() -> dict[str, Any]:
    """Return the whole template."""
    text = TEMPLATE.read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.load(text, Loader=_Loader)  # noqa: S506  # is a SafeLoader
    return loaded


def properties_of(document: dict[str, Any]) -> dict[str, Any]:
    """Return the properties of each resource."""
    return {name: resource["Properties"] for name, resource in document["Resources"].items()}


def statements(properties: dict[str, Any]) -> Iterator[tuple[list[str], list[str]]]:
    """Yield the actions and resources of each statement of a role's policies."""
    for policy in [properties, *properties.get("Policies", [])]:
        for statement in policy.get("PolicyDocument", {}).get("Statement", []):
            actions, targets = (
                [entry] if isinstance(entry, str) else entry
                for entry in (statement["Action"], statement["Resource"])
            )
            yield actions, targets
