"""A Dockerfile as Docker's own parser reads it, with variables put in. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

VARIABLE = re.compile(r"\$(?:\{(?P<braced>\w+)\}|(?P<bare>\w+))")


@dataclass(frozen=True, slots=True)
class Instruction:
    """An instruction, its flags and values; `line` is where it stands."""

    name: str
    flags: Mapping[str, str]
    values: tuple[str, ...]
    is_json: bool
    line: int


def read_instructions(file: Path) -> tuple[Instruction, ...]:
    """Read a Dockerfile; raises ValueError where Docker would not read it."""
    import dockerfile  # noqa: PLC0415  # only `tox -e image` has it

    try:
        commands = dockerfile.parse_file(str(file))
    except dockerfile.GoParseError as error:
        raise ValueError(f"{file}: {error}") from error
    return tuple(
        Instruction(
            command.cmd.upper(),
            dict(flag.removeprefix("--").split("=", 1) for flag in command.flags),
            command.value,
            command.json,
            command.start_line,
        )
        for command in commands
    )


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Put variables in; those that are not set are empty, as for Docker."""
    unquoted = text.removeprefix('"').removesuffix('"')
    return VARIABLE.sub(lambda found: variables.get(found["braced"] or found["bare"], ""), unquoted)


def pairs(values: tuple[str, ...], variables: Mapping[str, str]) -> dict[str, str]:
    """Return the names and values of ENV or LABEL."""
    names, texts = values[::2], values[1::2]
    return {name: expand(text, variables) for name, text in zip(names, texts, strict=True)}
