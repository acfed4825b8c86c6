"""An image as its instructions make it: layers, and how its commands run."""

from dataclasses import dataclass, field
from pathlib import Path

from tests.image.container import ROOT_USER

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(slots=True)
class Image:
    """A stage under way, or the image that it has become; its own layer is the first."""

    layers: tuple[Path, ...]
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": PATH})
    arguments: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    volumes: tuple[str, ...] = ()
    user: tuple[int, int] = ROOT_USER
    directory: str = "/"
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()

    @property
    def own(self) -> Path:
        """Return the layer that holds what the stage's instructions have written."""
        return self.layers[0]

    @property
    def variables(self) -> dict[str, str]:
        """Return what instructions put in; the environment outdoes arguments."""
        return self.arguments | self.environment

    def next_stage(self, layer: Path) -> "Image":
        """Return a stage on top of this one, which has its settings, but not its arguments."""
        return Image(
            (layer, *self.layers),
            environment=dict(self.environment),
            labels=dict(self.labels),
            volumes=self.volumes,
            user=self.user,
            directory=self.directory,
        )
