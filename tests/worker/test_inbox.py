"""The queue's contract, for the worker's side and the dispatcher's."""

import threading

from pipeline.message import parse_message
from tests.builders import a_message
from tests.fakes import MemoryQueue
from tests.queues import LEASE_SECONDS, MAX_RECEIVES, SqsQueue
from worker.inbox import MAX_RENEWALS, Renewal

Queue = MemoryQueue | SqsQueue


def lapse(seconds: float = LEASE_SECONDS) -> None:
    """Let a lease run out."""
    threading.Event().wait(seconds + 0.2)


def test_an_empty_queue_gives_nothing(queue: Queue) -> None:
    assert queue.receive(0) is None


def test_a_sent_message_arrives_whole(queue: Queue) -> None:
    message = a_message(item="Nº 7, “Böhm” #1", key="a/Nº 7/x 50%.tif")
    assert queue.send([message]) == 1
    delivery = queue.receive(1)
    assert delivery is not None
    assert parse_message(delivery.body) == message
    assert delivery.attempt == 1


def test_more_messages_than_a_batch_holds_all_arrive(queue: Queue) -> None:
    assert queue.send(a_message(page=number) for number in range(1, 24)) == 23
    seen = set()
    while (delivery := queue.receive(0)) is not None:
        seen.add(parse_message(delivery.body).page)
        delivery.complete()
    assert seen == set(range(1, 24))


def test_a_message_in_hand_is_in_nobody_elses(queue: Queue) -> None:
    queue.put("one")
    assert queue.receive(0) is not None
    assert queue.receive(0) is None
    assert queue.depth() == (0, 1)


def test_a_completed_message_never_comes_back(queue: Queue) -> None:
    queue.put("one")
    delivery = queue.receive(0)
    assert delivery is not None
    delivery.complete()
    lapse()
    assert queue.receive(0) is None
    assert queue.depth() == (0, 0)


def test_a_forgotten_message_comes_back_after_its_lease(queue: Queue) -> None:
    queue.put("one")
    assert queue.receive(0) is not None
    again = queue.receive(LEASE_SECONDS + 2)
    assert again is not None
    assert again.attempt == 2


def test_a_released_message_comes_back_at_once(queue: Queue) -> None:
    queue.put("one")
    delivery = queue.receive(0)
    assert delivery is not None
    delivery.release(0)
    assert queue.receive(0) is not None


def test_a_message_released_for_later_comes_back_later(queue: Queue) -> None:
    queue.put("one")
    delivery = queue.receive(0)
    assert delivery is not None
    delivery.release(1)
    assert queue.receive(0) is None
    assert queue.depth() == (0, 1)
    assert queue.receive(3) is not None


def test_a_postponed_message_arrives_later_for_the_first_time(queue: Queue) -> None:
    queue.postpone(a_message(), 1)
    assert queue.receive(0) is None
    assert queue.depth() == (0, 1)
    delivery = queue.receive(5)
    assert delivery is not None
    assert delivery.attempt == 1


def test_a_renewed_message_stays_in_hand(queue: Queue) -> None:
    queue.put("one")
    delivery = queue.receive(0)
    assert delivery is not None
    lapse(LEASE_SECONDS / 2)
    assert queue.renew([delivery.receipt]) == [Renewal.DONE]
    lapse(LEASE_SECONDS / 2)
    assert queue.receive(0) is None


def test_of_messages_renewed_at_once_each_has_its_own_answer(queue: Queue) -> None:
    for number in range(MAX_RENEWALS):
        queue.put(str(number))
    deliveries = [queue.receive(0) for _ in range(MAX_RENEWALS)]
    receipts = [delivery.receipt for delivery in deliveries if delivery is not None]
    assert len(receipts) == MAX_RENEWALS
    gone = deliveries[3]
    assert gone is not None
    gone.complete()
    answers = [Renewal.LOST if number == 3 else Renewal.DONE for number in range(MAX_RENEWALS)]
    assert queue.renew(receipts) == answers


def test_a_message_that_another_worker_completed_cannot_be_renewed(queue: Queue) -> None:
    # moto lets an old receipt handle renew a lease that ran out, where SQS refuses; both refuse
    # one of a message that is gone.
    queue.put("one")
    late = queue.receive(0)
    quick = queue.receive(LEASE_SECONDS + 2)
    assert late is not None
    assert quick is not None
    quick.complete()
    assert queue.renew([late.receipt]) == [Renewal.LOST]


def test_releasing_a_lost_message_is_no_error(queue: Queue) -> None:
    queue.put("one")
    delivery = queue.receive(0)
    assert delivery is not None
    delivery.complete()
    delivery.release(0)
    assert queue.receive(0) is None


def test_a_message_that_nobody_survives_ends_in_the_dead_letters(queue: Queue) -> None:
    queue.put("poison")
    for _ in range(MAX_RECEIVES):
        delivery = queue.receive(0)
        assert delivery is not None
        delivery.release(0)
    assert queue.receive(0) is None
    assert queue.depth() == (0, 0)
    with queue.dead_letters.take(10) as hand:
        (letter,) = hand.letters()
    assert (letter.body, letter.attributes) == ("poison", {})


def test_a_message_given_up_keeps_its_group(queue: Queue) -> None:
    queue.send([a_message("run-7")])
    for _ in range(MAX_RECEIVES):
        delivery = queue.receive(0)
        assert delivery is not None
        delivery.release(0)
    assert queue.receive(0) is None
    with queue.dead_letters.take(10) as hand:
        assert [letter.group for letter in hand.letters()] == ["run-7"]


def test_what_waits_and_what_is_in_hand_is_told_apart(queue: Queue) -> None:
    queue.send(a_message(page=number) for number in range(1, 6))
    assert queue.depth() == (5, 0)
    first = queue.receive(0)
    queue.receive(0)
    assert queue.depth() == (3, 2)
    assert first is not None
    first.complete()
    assert queue.depth() == (3, 1)
