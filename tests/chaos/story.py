"""A run from dispatch to its last replay, with chaos let loose on it, checked at every end."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.chaos.arena import RECONCILE, Arena
from tests.chaos.calls import Point
from tests.chaos.checks import (
    Letter,
    check_export,
    check_failures,
    check_final_jobs,
    check_permissions,
    check_queue,
    check_rows,
    depth,
    put_back,
)
from tests.chaos.processes import Role
from tests.chaos.strikes import (
    Scale,
    Strike,
    first_strikes,
    redrive_strikes,
    replay_strikes,
)


@dataclass(frozen=True, slots=True)
class Told:
    """What a story came to."""

    seconds: float
    """From the event's first delivery to the first end of the run, its queue empty."""
    completions: int
    unspent: tuple[Strike, ...]


def tell_story(arena: Arena, scale: Scale, seed: int | None) -> Told:
    """Run, fail, repair, replay; without a seed nothing is disturbed."""
    random = Random(seed)
    started = time.monotonic()
    unspent = _act(arena, first_strikes(random, scale) if seed is not None else [], arena.dispatch)
    seconds = time.monotonic() - started
    letters = _check(arena, arena.archive.poison, 1)
    random.shuffle(letters)
    half = len(letters) // 2
    strikes = redrive_strikes(random, scale) if seed is not None else []
    put_back(arena, letters[half:])
    unspent += _act(arena, strikes, lambda: _redrive(arena, letters[:half]))
    completions = arena.chaos.account.claims
    assert 1 < completions <= 1 + half
    rest = _check(arena, frozenset(letter.message.key for letter in letters[half:]), completions)
    strikes = replay_strikes(random, scale) if seed is not None else []
    unspent += _act(arena, strikes, lambda: _replay(arena, rest))
    _check(arena, frozenset(), completions + 1)
    return Told(seconds, completions + 1, tuple(unspent))


def _act(arena: Arena, strikes: list[Strike], begin: Callable[[], None]) -> list[Strike]:
    """Let strikes loose on what begins, up to the run's end; return those that found no target."""
    chaos = arena.chaos
    chaos.begin(strikes)
    with arena.reconciling():
        begin()
        while any(strike.point is Point.DISPATCH for strike in chaos.left):
            arena.dispatch()
        arena.await_so(lambda: all(strike.point is not Point.RECONCILE for strike in chaos.left))
        arena.await_so(lambda: _is_over(arena))
        unspent = list(chaos.left)
        chaos.begin([])
    arena.release_letters()
    assert arena.invoke(RECONCILE, Role.RECONCILER)
    return unspent


def _is_over(arena: Arena) -> bool:
    """Tell whether the run has ended, and nothing is left to do for it."""
    queue = depth(arena, arena.cloud.queue_url)
    run = arena.run
    return queue == 0 and run is not None and run.state.ended and not arena.living_jobs()


def _check(arena: Arena, failed: frozenset[str], completions: int) -> list[Letter]:
    rows = check_rows(arena)
    letters = check_failures(arena, rows, failed)
    check_queue(arena)
    check_final_jobs(arena, completions)
    check_export(arena, rows)
    check_permissions(arena)
    return letters


def _repair(arena: Arena, letters: list[Letter]) -> None:
    for key in {letter.message.key for letter in letters}:
        arena.put_source(key, arena.archive.repaired(key))
        arena.chaos.hands.poison.discard(key)


def _redrive(arena: Arena, letters: list[Letter]) -> None:
    """Move letters back as the AWS console does: nobody but the queue is told."""
    _repair(arena, letters)
    for letter in letters:
        arena.cloud.sqs.send_message(
            QueueUrl=arena.cloud.queue_url,
            MessageBody=letter.message.to_json(),
            MessageGroupId=arena.run_id,
        )
        arena.cloud.sqs.delete_message(
            QueueUrl=arena.cloud.dead_letter_queue_url, ReceiptHandle=letter.handle
        )


def _replay(arena: Arena, letters: list[Letter]) -> None:
    """Have all that is left replayed at once."""
    _repair(arena, letters)
    put_back(arena, letters)
    arena.replay()
