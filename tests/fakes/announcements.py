"""A bus that remembers what it was told, and may be cut off from."""

from dataclasses import dataclass, field

from pipeline.run import Run


@dataclass
class MemoryAnnouncements:
    """Announcements in memory; with a fault, each raises it instead."""

    runs: list[Run] = field(default_factory=list)
    fault: BaseException | None = None

    def announce(self, run: Run) -> None:
        if self.fault is not None:
            raise self.fault
        self.runs.append(run)
