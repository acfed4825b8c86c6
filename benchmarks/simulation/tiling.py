"""What stands in for a worker's tiling processes: images that take so long, on so many CPUs."""

import threading
from dataclasses import dataclass, field

from benchmarks.simulation.service import World
from pipeline.errors import TransientError
from pipeline.geometry import Size
from pipeline.run import TiledPage
from worker.work import PageWork

SPREAD = 3
"""Scans differ: with a gamma distribution of this shape half take less than 0.9 of the mean."""
USUAL = TiledPage(
    width=4_000,
    height=3_000,
    sizes=tuple(Size(4_000 >> level, 3_000 >> level) for level in range(6, -1, -1)),
    tiles=0,
    seconds=1.234,
)
"""What an image leaves in its row, but for the number of its tiles."""


@dataclass
class Store:
    """S3, which takes so many PUTs per second, one after another where more come."""

    world: World
    free_at: float = 0.0
    puts: int = 0

    def download(self) -> None:
        """Pass the time of a source's way."""
        self.world.take(self.world.aws.s3.download_seconds)

    def upload(self, tiles: int) -> None:
        """Pass the time of so many tiles' way."""
        world, s3 = self.world, self.world.aws.s3
        self.puts += tiles
        world.take(s3.upload_seconds)
        if s3.prefixes is not None:
            started = max(self.free_at, world.clock.now)
            self.free_at = started + tiles / (s3.puts_per_second * s3.prefixes)
            world.clock.sleep(self.free_at - world.clock.now)


@dataclass
class Machine:
    """A worker's CPUs, which its processes share."""

    world: World
    store: Store
    cpus: int
    image_seconds: float
    tiles: int
    busy_seconds: float = 0.0
    free: threading.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self.free = threading.Semaphore(self.cpus)

    def work(self) -> TiledPage:
        """Pass the time of one image: its source's way, its tiling, its tiles' way."""
        seconds = self.world.chance.gammavariate(SPREAD, self.image_seconds / SPREAD)
        self.store.download()
        with self.free:
            self.world.clock.sleep(seconds)
            self.busy_seconds += seconds
        self.store.upload(self.tiles)
        return USUAL


class StandIn:
    """A tiling process, as a slot and the desk see it."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._stopped = False

    def prepare(self) -> None:
        """Be ready."""

    def tile(self, _work: PageWork) -> TiledPage:
        """Take as long as an image does."""
        if self._stopped:
            raise TransientError("stopped")
        return self._machine.work()

    def revoke(self) -> None:
        """Stop; nobody cancels a run here."""

    def stop(self) -> None:
        """Tile no more."""
        self._stopped = True

    def close(self) -> None:
        """End."""
