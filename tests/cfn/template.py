"""The templates as Python values: each of CloudFormation's short functions as its arguments."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CFN = Path(__file__).parents[2] / "cfn"
TEMPLATE = CFN / "template.yaml"
DELIVERY = CFN / "delivery.yaml"

Statement = tuple[list[str], list[str]]


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short functions as their arguments."""


class _LongLoader(yaml.SafeLoader):
    """Reads CloudFormation's short functions as the long ones."""


def _arguments(loader: yaml.SafeLoader, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    assert isinstance(node, yaml.MappingNode)
    return loader.construct_mapping(node, deep=True)


def _long(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> Any:
    name = suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}"
    return {name: _arguments(loader, node)}


_Loader.add_multi_constructor("!", lambda loader, _suffix, node: _arguments(loader, node))
_LongLoader.add_multi_constructor("!", _long)


def load_document(file: Path = TEMPLATE, *, long: bool = False) -> dict[str, Any]:
    """Return a whole template; with `long`, functions are `{"Fn::GetAtt": …}` and the like."""
    loader = _LongLoader if long else _Loader
    text = file.read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.load(text, Loader=loader)  # noqa: S506  # both are SafeLoaders
    return loaded


def properties_of(document: dict[str, Any]) -> dict[str, Any]:
    """Return the properties of each resource."""
    return {
        name: resource.get("Properties", {}) for name, resource in document["Resources"].items()
    }


def policies_of(template: dict[str, Any], role: str) -> Iterator[dict[str, Any]]:
    """Yield a role's policies: those in it, and those that name it. Takes short functions.

    A policy under a condition would be missed, so none may be.
    """
    assert all(isinstance(policy, dict) for policy in template[role].get("Policies", []))
    yield from template[role].get("Policies", [])
    for properties in template.values():
        if "PolicyDocument" in properties and role in properties.get("Roles", []):
            yield properties


def statements(template: dict[str, Any], role: str) -> Iterator[Statement]:
    """Yield the actions and resources of each statement that a role may have."""
    for policy in policies_of(template, role):
        for statement in _conditional(policy["PolicyDocument"]["Statement"]):
            yield _listed(statement["Action"]), list(_resources(statement["Resource"]))


def allowed(template: dict[str, Any], role: str) -> set[tuple[str, str]]:
    """Return all that a role may do, action by resource."""
    return {
        (action, resource)
        for actions, resources in statements(template, role)
        for action in actions
        for resource in resources
    }


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _conditional(value: Any) -> Iterator[dict[str, Any]]:
    """Yield all statements that there may be, under whatever conditions."""
    if isinstance(value, dict):
        yield value
    elif isinstance(value, list):
        for inner in value:
            yield from _conditional(inner)


def _resources(value: Any) -> Iterator[str]:
    """Yield all resources that there may be; of a condition under !If, its name as well."""
    if isinstance(value, str):
        yield value
    elif len(value) == 2 and isinstance(value[1], dict):
        yield value[0]  # !Sub with names of its own: the text alone is wanted
    else:
        for inner in value:
            yield from _resources(inner)
