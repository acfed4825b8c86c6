"""What the manifest builder is told by its environment. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.environment import EVENT_BUS, REGION, RUN_ID, TABLE, Environment


@dataclass(frozen=True, slots=True)
class Settings:
    """The manifest builder's variables; without an event bus, no end of a run is announced."""

    region: str
    table: str
    run_id: str
    event_bus: str


def read_settings(variables: Mapping[str, str]) -> Settings:
    """Read the variables; raises BadEnvironment with every mistake in them."""
    given = Environment(variables)
    settings = Settings(
        region=given.text(REGION),
        table=given.text(TABLE),
        run_id=given.text(RUN_ID),
        event_bus=given.text(EVENT_BUS, ""),
    )
    given.check()
    return settings
