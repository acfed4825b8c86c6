"""What all simulated clients have in common: a call takes time, is counted, and may be repeated."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from botocore.config import Config
from botocore.exceptions import ClientError

from benchmarks.simulation.clock import Clock
from benchmarks.simulation.limits import Aws
from benchmarks.simulation.meter import Meter

STANDARD_RETRIES = 2
THROTTLING = {"ProvisionedThroughputExceededException", "TooManyRequestsException"}
MAX_BACKOFF_SECONDS = 20
"""Botocore's standard mode:
https://docs.aws.amazon.com/boto3/latest/guide/retries.html#standard-retry-mode"""

Answer = TypeVar("Answer")


@dataclass
class World:
    """What all services share. While it is `still`, calls take no time and meet no limit."""

    clock: Clock
    aws: Aws
    meter: Meter = field(default_factory=Meter)
    chance: random.Random = field(default_factory=lambda: random.Random(1))
    still: bool = True

    def take(self, seconds: float) -> None:
        """Pass the time of a call that takes so long on average, and half of it at least."""
        if not self.still:
            self.clock.sleep(seconds / 2 * (1 + self.chance.expovariate(1)))


@dataclass(slots=True)
class Bucket:
    """A limit per second: of tokens that come steadily, what a second brings may be saved."""

    rate: float
    tokens: float
    filled_at: float

    def holds(self, tokens: float, now: float) -> bool:
        """Tell whether there are so many tokens by now."""
        self.tokens = min(self.rate, self.tokens + (now - self.filled_at) * self.rate)
        self.filled_at = now
        return self.tokens >= tokens


class Client:
    """A client of one service, with botocore's standard retries."""

    def __init__(self, world: World, service: str, config: Config | None = None) -> None:
        self._world = world
        self._service = service
        retries: Any = getattr(config, "retries", None) or {}
        self._tries = retries.get("total_max_attempts") or (
            retries.get("max_attempts", STANDARD_RETRIES) + 1
        )

    def _call(self, operation: str, seconds: float, serve: Callable[[], Answer]) -> Answer:
        """Serve a call; one that is throttled is repeated, with exponential backoff and jitter."""
        world = self._world
        for tries in range(1, self._tries + 1):
            world.meter.call(f"{self._service}.{operation}", world.clock.now)
            try:
                world.take(seconds)
                return serve()
            except ClientError as error:
                if error.response["Error"]["Code"] not in THROTTLING:
                    raise
                world.meter.throttled[operation] += 1
                if tries == self._tries:
                    world.meter.given_up[operation] += 1
                    raise
                most = min(2 ** (tries - 1), MAX_BACKOFF_SECONDS)
                world.clock.sleep(world.chance.uniform(0, most))
        raise AssertionError


def refusal(code: str, operation: str, **more: Any) -> Any:
    """Return an error's answer."""
    return {"Error": {"Code": code, "Message": f"{operation}: {code}"}, **more}
