"""A worker learns that it was retired, whatever fails meanwhile."""

import threading

from worker.retirement import Retirement


def test_a_worker_that_was_retired_before_it_began_knows_at_once() -> None:
    with Retirement(lambda: True, look_seconds=1_000) as retirement:
        assert retirement.told.is_set()


def test_it_looks_again_and_again_and_no_more_once_it_knows() -> None:
    looks: list[bool] = []

    def look() -> bool:
        looks.append(len(looks) == 3)
        return looks[-1]

    with Retirement(look, look_seconds=0.01) as retirement:
        assert retirement.told.wait(30)
        threading.Event().wait(0.1)
    assert looks == [False, False, False, True]


def test_a_look_that_fails_is_followed_by_another() -> None:
    failures = [OSError("no network"), OSError("no network")]

    def look() -> bool:
        if failures:
            raise failures.pop()
        return True

    with Retirement(look, look_seconds=0.01) as retirement:
        assert retirement.told.wait(30)


def test_a_worker_that_leaves_by_itself_looks_no_more() -> None:
    looks: list[None] = []

    def look() -> bool:
        looks.append(None)
        return False

    with Retirement(look, look_seconds=0.01) as retirement:
        pass
    number = len(looks)
    threading.Event().wait(0.1)
    assert len(looks) == number
    assert not retirement.told.is_set()


def test_a_worker_that_is_no_job_of_a_run_is_never_retired() -> None:
    with Retirement(None, look_seconds=0.01) as retirement:
        retirement.look()
        assert not retirement.told.is_set()
