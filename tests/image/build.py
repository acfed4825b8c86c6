"""Building an image by its Dockerfile, stage by stage, in containers made of folders.

What it does not know it refuses: a step passed over would be a check passed over.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from tests.image.container import Bind, Container
from tests.image.copying import copying_script
from tests.image.image import PATH, Image
from tests.image.instructions import Instruction, expand, pairs

SHELL = ("/bin/sh", "-c")
SOURCE = "/mnt"
"""Where a container sees what COPY takes from."""


class BuildError(Exception):
    """An instruction failed, or is not known."""


class Builder:
    """Executes instructions, with layers in a folder and build arguments given.

    `base` stands in for every image by another name than a stage's. `outside` is what steps get of
    this machine: how to reach the package index. `say` takes what is done and what comes of it.
    """

    def __init__(
        self,
        base: Path,
        context: Path,
        folder: Path,
        outside: Container,
        arguments: Mapping[str, str],
        say: Callable[[str], None],
    ) -> None:
        self._base = base
        self._context = context
        self._folder = folder
        self._outside = outside
        self._given = arguments
        self._say = say
        self._arguments: dict[str, str] = {}
        self._stages: dict[str, Image] = {}
        self._steps: Mapping[str, Callable[[Instruction, Image], None]] = {
            "ARG": self._arg,
            "CMD": self._cmd,
            "COPY": self._copy,
            "ENTRYPOINT": self._entrypoint,
            "ENV": self._env,
            "LABEL": self._label,
            "RUN": self._run,
            "USER": self._user,
            "VOLUME": self._volume,
            "WORKDIR": self._workdir,
        }

    def build(self, instructions: Sequence[Instruction]) -> Image:
        """Execute all and return the last stage; raises BuildError."""
        image: Image | None = None
        for instruction in instructions:
            self._say(f"line {instruction.line}: {instruction.name} {' '.join(instruction.values)}")
            if instruction.name == "FROM":
                image = self._from(instruction)
            elif instruction.name == "ARG" and image is None:
                self._arguments |= self._argument(instruction, {})
            elif image is None or instruction.name not in self._steps:
                raise BuildError(f"line {instruction.line}: {instruction.name} is not known")
            else:
                self._steps[instruction.name](instruction, image)
        if image is None:
            raise BuildError("there is no stage")
        return image

    def _from(self, instruction: Instruction) -> Image:
        _refuse_flags(instruction)
        source, *named = instruction.values
        number = str(len(self._stages))
        layer = self._folder / f"stage-{number}"
        layer.mkdir()
        below = self._stages.get(expand(source, self._arguments), Image((self._base,)))
        image = below.next_stage(layer)
        self._stages[named[-1] if named else number] = image
        return image

    def _argument(self, instruction: Instruction, inherited: Mapping[str, str]) -> dict[str, str]:
        (value,) = instruction.values
        name, assigned, default = value.partition("=")
        text = expand(default, self._arguments) if assigned else inherited.get(name, "")
        return {name: self._given.get(name, text)}

    def _arg(self, instruction: Instruction, image: Image) -> None:
        image.arguments |= self._argument(instruction, self._arguments)

    def _env(self, instruction: Instruction, image: Image) -> None:
        image.environment |= pairs(instruction.values, image.variables)

    def _label(self, instruction: Instruction, image: Image) -> None:
        image.labels |= pairs(instruction.values, image.variables)

    def _user(self, instruction: Instruction, image: Image) -> None:
        (value,) = instruction.values
        user, _, group = expand(value, image.variables).partition(":")
        image.user = (int(user), int(group))

    def _workdir(self, instruction: Instruction, image: Image) -> None:
        (value,) = instruction.values
        image.directory = str(PurePosixPath(image.directory, expand(value, image.variables)))
        # A folder that is not there yet is root's, whoever the user is.
        self._execute(image, Container(), ["mkdir", "-p", image.directory])

    def _volume(self, instruction: Instruction, image: Image) -> None:
        image.volumes += tuple(expand(value, image.variables) for value in instruction.values)

    def _entrypoint(self, instruction: Instruction, image: Image) -> None:
        image.entrypoint = _command(instruction)

    def _cmd(self, instruction: Instruction, image: Image) -> None:
        image.command = _command(instruction)

    def _run(self, instruction: Instruction, image: Image) -> None:
        _refuse_flags(instruction)
        seen = Container(
            binds=self._outside.binds,
            environment={**self._outside.environment, **image.variables},
            user=image.user,
            directory=image.directory,
        )
        self._execute(image, seen, _command(instruction))

    def _copy(self, instruction: Instruction, image: Image) -> None:
        _refuse_flags(instruction, "from")
        *sources, target = (expand(value, image.variables) for value in instruction.values)
        if "from" in instruction.flags:
            stage = self._stages[instruction.flags["from"]]
            seen = Container(images={SOURCE: stage.layers})
        else:
            seen = Container(binds={SOURCE: Bind(source=self._context)})
        places = [str(PurePosixPath(SOURCE, source.lstrip("/"))) for source in sources]
        self._execute(image, seen, [*SHELL, copying_script(places, target, image.directory)])

    def _execute(self, image: Image, seen: Container, command: Sequence[str]) -> None:
        """Run a command whose writes become the stage's; raises BuildError."""
        container = Container(
            layers=image.layers[1:],
            upper=image.own,
            images=seen.images,
            binds=seen.binds,
            environment={"PATH": PATH, **seen.environment},
            user=seen.user,
            directory=seen.directory,
        )
        done = container.run(command)
        self._say(done.stdout)
        if done.returncode != 0:
            raise BuildError(f"{' '.join(command)}\nexit code {done.returncode}\n{done.stdout}")


def _command(instruction: Instruction) -> tuple[str, ...]:
    """Return what runs: a shell, unless the instruction is in the form that needs none."""
    return instruction.values if instruction.is_json else (*SHELL, *instruction.values)


def _refuse_flags(instruction: Instruction, *known: str) -> None:
    unknown = sorted(set(instruction.flags) - set(known))
    if unknown:
        raise BuildError(f"line {instruction.line}: {', '.join(unknown)} is not known")
