"""The stand-in for `docker build` does nothing by halves."""

from pathlib import Path

import pytest

from tests.image.build import Builder, BuildError
from tests.image.container import Container
from tests.image.copying import copying_script
from tests.image.image import Image
from tests.image.instructions import Instruction, expand

FROM = Instruction("FROM", {}, ("python:3.13-slim",), is_json=False, line=1)


def build(folder: Path, *instructions: Instruction, **arguments: str) -> Image:
    builder = Builder(folder, folder, folder, Container(), arguments, lambda _: None)
    return builder.build([FROM, *instructions])


def instruction(name: str, *values: str, **flags: str) -> Instruction:
    return Instruction(name, flags, values, is_json=False, line=2)


@pytest.mark.parametrize(
    "unknown",
    [
        instruction("ADD", "https://example.org/x", "/"),
        instruction("HEALTHCHECK", "NONE"),
        instruction("RUN", "true", mount="type=cache,target=/root"),
        instruction("COPY", "a", "b", chown="1:1"),
    ],
    ids=lambda given: given.name,
)
def test_what_it_does_not_know_it_refuses(tmp_path: Path, unknown: Instruction) -> None:
    with pytest.raises(BuildError, match="is not known"):
        build(tmp_path, unknown)


def test_arguments_hold_for_their_stage_and_the_environment_outdoes_them(tmp_path: Path) -> None:
    image = build(
        tmp_path,
        instruction("ARG", "WHO=nobody"),
        instruction("ARG", "WHERE=here"),
        instruction("ENV", "WHERE", "there"),
        instruction("LABEL", "who", '"${WHO} $WHERE$NOTHING"'),
        instruction("FROM", "0", "AS", "second"),
        instruction("LABEL", "again", "$WHO$WHERE"),
        WHO="somebody",
    )
    assert image.labels == {"who": "somebody there", "again": "there"}


def test_variables_that_are_not_set_are_empty() -> None:
    assert expand("${A}-$B", {"A": "a"}) == "a-"


def test_copying_takes_a_file_by_its_new_name_and_a_folder_by_its_content() -> None:
    named = copying_script(["/mnt/lock"], "locks/new", "/build")
    assert "else mkdir -p /build/locks && cp" in named
    assert named.splitlines()[-2].endswith(" /mnt/lock /build/locks/new")
    into = copying_script(["/mnt/a b", "/mnt/c"], "./", "/build")
    assert "'/mnt/a b/.' /build/" in into
    assert "/mnt/c /build/\n" in into
