"""What is to happen in a run, drawn from a seed: which request of which kind is hit, and by what.

Requests are counted, so that a seed's choices are the same whatever the machine's speed. Pure.
"""

from dataclasses import dataclass
from enum import StrEnum
from random import Random

from pipeline.outbox import MAX_BATCH_ENTRIES
from tests.chaos.calls import Point


class Moment(StrEnum):
    """Before: the request never reaches the cloud. After: it is done, and nobody is told."""

    BEFORE = "before"
    AFTER = "after"


class Weapon(StrEnum):
    """What hits."""

    KILL = "SIGKILL of the job"
    KILL_TILER = "SIGKILL of the tiling process"
    TERMINATE = "SIGTERM of the worker"
    FAULT = "answered 500"
    THROTTLE = "answered throttling"
    RESET = "connection reset"
    LOSE = "delete lost"

    @property
    def is_kill(self) -> bool:
        """Tell whether a process ends by it."""
        return self in {Weapon.KILL, Weapon.KILL_TILER, Weapon.TERMINATE}


@dataclass(frozen=True, slots=True)
class Strike:
    """Hits the first request of a kind from the `number`th on that may be hit."""

    point: Point
    number: int
    moment: Moment
    weapon: Weapon


POISON = ("crash", "hang", "memory", "corrupt", "missing") * 2


@dataclass(frozen=True, slots=True)
class Scale:
    """How large a run is, and how much happens in it; None: all that there is."""

    items: int
    pages: int
    """Of an item."""
    poison: tuple[str, ...]
    """The kind of each poisonous image."""
    several: int
    """Files that hold several images."""
    workers: int
    backoff_seconds: int = 1
    kills: int | None = None
    replay_kills: int | None = None
    faults: int | None = None

    @property
    def images(self) -> int:
        """Return how many sources there are."""
        return self.items * self.pages


LONG = Scale(items=24, pages=10, poison=POISON, several=4, workers=3)
SHORT = Scale(
    items=6,
    pages=4,
    poison=("crash", "memory", "corrupt", "missing"),
    several=1,
    workers=2,
    backoff_seconds=0,
    kills=8,
    replay_kills=0,
    faults=6,
)

EVERY_IMAGE = (
    Point.TILE,
    Point.INFO,
    Point.RECEIPT,
    Point.OUTCOME,
    Point.DELETE,
)
BATCHED = {Point.DELETE}
"""One request is for as many images as have ended meanwhile."""
BY_TILER = EVERY_IMAGE[:3]
SEVERAL = (Point.EXPAND, Point.PARTS, Point.SEND_PARTS)
DISPATCHING = (
    Point.OPEN,
    Point.RECORD,
    Point.SEAL,
    Point.SEND,
    Point.SUBMIT_WORKER,
    Point.NOTE_WORKER,
)
"""The last, the run under way, can be struck no more once a worker has ended the run."""
FAULTY = (
    *EVERY_IMAGE,
    Point.RECEIVE,
    Point.EXPAND,
    Point.BURY,
    Point.CLAIM,
    Point.SUBMIT_FINAL,
    Point.DOCUMENT,
    Point.FINISH,
    Point.SEND,
    Point.SUBMIT_WORKER,
)
STEPS = 50
"""Dispatcher, reconciler and replay make more requests than these in all their invocations."""
DISPATCHER_KILLS = 4
RECONCILER_KILLS = 4
REPLAY_KILLS = 3
RANDOM_KILLS = 6
RANDOM_STOPS = 3
LOST_DELETES = 8


def first_strikes(random: Random, scale: Scale) -> list[Strike]:
    """Draw what happens to a run, from its dispatch to its end."""
    most = scale.images * 2 // 3
    both = (Moment.BEFORE, Moment.AFTER)
    kills = [
        *(_at(random, point, moment, most) for point in EVERY_IMAGE for moment in both),
        *(_at(random, point, moment, 1) for point in SEVERAL for moment in both),
        *(_at(random, point, Moment.BEFORE, most, Weapon.KILL_TILER) for point in BY_TILER),
        _at(random, Point.RECEIVE, Moment.AFTER, most),
        _at(random, Point.BURY, Moment.BEFORE, len(scale.poison) // 2),
        _at(random, Point.BURY, Moment.AFTER, len(scale.poison) // 2),
        *_in_turn(Point.CLAIM),
        *_in_turn(Point.SUBMIT_FINAL),
        *(_at(random, Point.DOCUMENT, moment, scale.items // 4) for moment in both),
        *_in_turn(Point.FINISH)[:1],
        *(Strike(point, 1, random.choice(both), Weapon.KILL) for point in DISPATCHING),
        *_any_time(random, Point.DISPATCH, DISPATCHER_KILLS, STEPS),
        *_any_time(random, Point.RECONCILE, RECONCILER_KILLS, STEPS),
        *_any_time(random, Point.ANY, RANDOM_KILLS, 10 * most),
        *_any_time(random, Point.ANY, RANDOM_STOPS, 10 * most, Weapon.TERMINATE),
    ]
    # Faults first: what is killed after the last request of its kind leaves none for them.
    faults = _some(random, _faults(random, most), scale.faults)
    return faults + _some(random, kills, scale.kills)


def redrive_strikes(random: Random, scale: Scale) -> list[Strike]:
    """Draw what happens while workers take back failures one by one."""
    kills = [
        *_in_turn(Point.REQUEUE),
        *_in_turn(Point.REOPEN),
        Strike(Point.NOTE, 1, Moment.AFTER, Weapon.KILL),
        *_in_turn(Point.OUTCOME),
    ]
    return _some(random, kills, scale.replay_kills)


def replay_strikes(random: Random, scale: Scale) -> list[Strike]:
    """Draw what happens while all that is left is replayed at once."""
    kills = [
        Strike(Point.NOTE, 1, Moment.BEFORE, Weapon.KILL),
        *_in_turn(Point.INFO),
        *_in_turn(Point.DOCUMENT),
        *_any_time(random, Point.REPLAY, REPLAY_KILLS, STEPS),
    ]
    return _some(random, kills, scale.replay_kills)


def _at(
    random: Random, point: Point, moment: Moment, most: int, weapon: Weapon = Weapon.KILL
) -> Strike:
    if point in BATCHED:
        most = max(1, most // MAX_BATCH_ENTRIES)
    return Strike(point, random.randint(1, most), moment, weapon)


def _in_turn(point: Point) -> list[Strike]:
    """Return a kill before a point that few requests reach, and one after it is reached again."""
    return [Strike(point, 1, moment, Weapon.KILL) for moment in (Moment.BEFORE, Moment.AFTER)]


def _any_time(
    random: Random, point: Point, times: int, most: int, weapon: Weapon = Weapon.KILL
) -> list[Strike]:
    moments = [Moment.BEFORE] if weapon is Weapon.TERMINATE else list(Moment)
    return [_at(random, point, random.choice(moments), most, weapon) for _ in range(times)]


def _faults(random: Random, most: int) -> list[Strike]:
    """Draw faults that clients should bear: what was done is asked for once more."""
    ways = [
        (Moment.AFTER, Weapon.FAULT),
        (Moment.AFTER, Weapon.RESET),
        (Moment.BEFORE, Weapon.FAULT),
        (Moment.BEFORE, Weapon.THROTTLE),
    ]
    faults = []
    for point in FAULTY:
        rare = point not in {*EVERY_IMAGE, Point.RECEIVE}
        for moment, weapon in random.sample(ways, 1 if rare else 2):
            faults.append(_at(random, point, moment, 1 if rare else most, weapon))
    lost = [
        _at(random, Point.DELETE, Moment.BEFORE, most, Weapon.LOSE) for _ in range(LOST_DELETES)
    ]
    return faults + lost


def _some(random: Random, strikes: list[Strike], most: int | None) -> list[Strike]:
    return strikes if most is None else random.sample(strikes, most)
