"""The stack's template: its text, its parameters, and the place of the dispatcher's bundle. Pure.

It is read line by line, as it is written: YAML is not among what an installation needs.
"""

import re
from importlib.resources import files

CODE = "      Code: dispatcher.zip\n"
"""A local path, which `aws cloudformation package` replaces as well."""
_CODE_IN_S3 = "      Code:\n        S3Bucket: {bucket}\n        S3Key: {key}\n"
_PLACED = re.compile(r"^ {6}Code:\n {8}S3Bucket: (?P<bucket>\S+)\n {8}S3Key: \S+$", re.MULTILINE)
_NAME = re.compile(r"^ {2}(?P<name>\w+):\s*$")
_DEFAULT = re.compile(r"^ {4}Default:\s*(?P<value>.*?)\s*$")


def read_template() -> str:
    """Return the template that this version of tilepool came with."""
    return (files("cfn") / "template.yaml").read_text("utf-8")


def with_code(template: str, bucket: str, key: str) -> str:
    """Return the template with the dispatcher's bundle in a bucket."""
    before, found, after = template.partition(CODE)
    if not found or CODE in after:
        raise ValueError(f"expected one line {CODE.strip()!r} in the template")
    return before + _CODE_IN_S3.format(bucket=bucket, key=key) + after


def code_bucket(template: str) -> str | None:
    """Return the bucket that `with_code` has put into a template."""
    found = _PLACED.search(template)
    return found["bucket"] if found else None


def declared_parameters(template: str) -> dict[str, str | None]:
    """Return the template's parameters with their defaults, None for one that has none."""
    parameters: dict[str, str | None] = {}
    name = ""
    for line in _section(template, "Parameters"):
        if found := _NAME.match(line):
            name = found["name"]
            parameters[name] = None
        elif found := _DEFAULT.match(line):
            parameters[name] = found["value"].strip("\"'")
    return parameters


def _section(template: str, name: str) -> list[str]:
    """Return the lines of a top-level section."""
    _, _, rest = f"\n{template}".partition(f"\n{name}:\n")
    lines = []
    for line in rest.splitlines():
        if line and not line.startswith((" ", "#")):
            break
        lines.append(line)
    return lines
