"""The values of a stack's parameters: those given, those it has, the template's own. Pure."""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from console.errors import ConsoleError, ExitCode

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import ParameterTypeDef

IMAGE = "DockerImage"
ARCHITECTURE = "LambdaArchitecture"


def parse_given(pairs: Sequence[str], image: str | None) -> dict[str, str]:
    """Return what `--param` and `--image` say; values are kept as they are, commas and all."""
    given: dict[str, str] = {} if image is None else {IMAGE: image}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise ConsoleError(f"--param: expected NAME=VALUE, got {pair!r}", ExitCode.USAGE)
        if name in given:
            twice = "by --image and --param" if name == IMAGE and image else "twice"
            raise ConsoleError(f"--param: {name} is given {twice}", ExitCode.USAGE)
        given[name] = value
    return given


def check_names(given: Collection[str], declared: Collection[str]) -> None:
    """Refuse parameters that the template does not have."""
    unknown = [name for name in given if name not in declared]
    if unknown:
        raise ConsoleError(
            f"--param: the template has no parameter {', '.join(unknown)};"
            f" it has {', '.join(declared)}",
            ExitCode.USAGE,
        )


def choose(
    declared: Mapping[str, str | None], given: Mapping[str, str], previous: Collection[str]
) -> "list[ParameterTypeDef]":
    """Return the parameters of a change set; raises ConsoleError that names all that are missing.

    What is not given stays as the stack has it, and is the template's default on a new stack.
    """
    chosen: list[ParameterTypeDef] = []
    missing: list[str] = []
    for name, default in declared.items():
        if name in given:
            chosen.append({"ParameterKey": name, "ParameterValue": given[name]})
        elif name in previous:
            chosen.append({"ParameterKey": name, "UsePreviousValue": True})
        elif default is None:
            missing.append(name)
    if missing:
        options = " ".join(_option(name) for name in missing)
        raise ConsoleError(f"values are missing: {options}", ExitCode.USAGE)
    return chosen


def value_of(
    name: str,
    declared: Mapping[str, str | None],
    given: Mapping[str, str],
    previous: Mapping[str, str],
) -> str | None:
    """Return the value that a parameter gets by `choose`."""
    return given.get(name, previous.get(name, declared.get(name)))


def _option(name: str) -> str:
    return "--image URI" if name == IMAGE else f"--param {name}=…"
